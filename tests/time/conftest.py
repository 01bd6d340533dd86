from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sinks.archives import Real, embedded_url, open_archive


@pytest.fixture
async def chdb_archive(unique: str) -> AsyncIterator[Real]:
    """The embedded engine, with a database of the test's own."""
    real = open_archive(embedded_url(), unique)
    yield real
    await real.close()
