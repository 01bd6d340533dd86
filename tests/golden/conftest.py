from __future__ import annotations

from tests.sinks.conftest import chdb_archive

__all__ = ["chdb_archive"]
