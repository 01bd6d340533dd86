"""Archives to test against: the embedded engine in this process, and ClickHouse over HTTP, each test in a database of its own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from clickhouse_connect.driver import Client

from streams import migrate
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.sinks.clickhouse import Address, ClickHouseSink, connect
from streams.sinks.rows import Block


@cache
def embedded_url() -> str:
    """The one directory of this process: the engine opens no second one."""
    folder = tempfile.mkdtemp(prefix="wst-archive-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return f"chdb://{folder}"


@dataclass
class Real:
    """An archive with its tables, and a client of the test's own."""

    address: Address
    client: Client
    sink: ClickHouseSink
    archive: ClickHouseArchive

    async def write(self, blocks: Sequence[Block]) -> None:
        await self.sink.write(blocks)

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query; `{db}` is the database, times are ticks."""
        text = sql.replace("{db}", f"`{self.address.database}`")
        result = self.client.query(text, parameters=parameters, query_formats={"DateTime64": "int"})
        return [tuple(row) for row in result.result_rows]

    def merge(self) -> None:
        """Merges every table into as few parts as there can be."""
        for (table,) in self.rows(
            "SELECT name FROM system.tables WHERE database = {d:String} AND engine LIKE '%MergeTree'", d=self.address.database
        ):
            self.client.command(f"OPTIMIZE TABLE `{self.address.database}`.`{table}` FINAL")

    async def close(self) -> None:
        await self.sink.close()
        await self.archive.close()
        self.client.command(f"DROP DATABASE IF EXISTS `{self.address.database}`")
        self.client.close()


def open_archive(url: str, database: str, opened: Callable[[Address], Client] = connect) -> Real:
    """An archive in a new database."""
    address = Address(url, database)
    client = opened(address)
    migrate.apply(address, client)
    return Real(address, client, ClickHouseSink(address), ClickHouseArchive(address))
