from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from streams.query.clickhouse_archive import ClickHouseArchive
from streams.sinks.clickhouse import Address
from tests.query.story import told
from tests.sinks.archives import Real, embedded_url, open_archive


@pytest.fixture
async def chdb_archive(unique: str) -> AsyncIterator[Real]:
    """The embedded engine, with a database of the test's own."""
    real = open_archive(embedded_url(), unique)
    yield real
    await real.close()


@pytest.fixture(scope="session")
def filled() -> Iterator[Address]:
    """An archive that holds the story of `tests/query/story.py`; nobody writes to it."""

    async def fill() -> Real:
        real = open_archive(embedded_url(), f"t{uuid4().hex[:10]}")
        for block in told():
            await real.write([block])
        return real

    real = asyncio.run(fill())
    yield real.address
    asyncio.run(real.close())


@pytest.fixture
async def story(filled: Address) -> AsyncIterator[ClickHouseArchive]:
    """A reader of the filled archive."""
    archive = ClickHouseArchive(filled)
    yield archive
    await archive.close()
