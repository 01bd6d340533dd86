"""An archive as Parquet files: what is carried out, in which files, and what is in each.

Tables are carried as they are, each row once, without columns that ClickHouse computes: an archive of another kind computes them anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.errors import Refused
from streams.query.free import LIMIT_CODES
from streams.sinks.clickhouse import Address, explained

#: Table → its time and how long a file of it is: what a month of it weighs differs by thousands.
_TIMES: Final[Mapping[str, tuple[str, str]]] = {
    "docker_events_rows": ("at", "toYYYYMM"),
    "workspace_states_rows": ("last_updated", "toYYYYMM"),
    "workspace_changes_rows": ("at", "toYYYYMM"),
    "samples_rows": ("read_at", "toYYYYMMDD"),
    "usage_hourly_rows": ("start", "toYYYYMM"),
    "usage_daily_rows": ("start", "toYear"),
    "dead_letters_rows": ("refused_at", "toYYYYMM"),
}
#: The latest states: no history, and as a whole only.
STATES: Final = "workspaces_rows"
LEDGER: Final = "wst_migrations"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,60}_rows")
#: Binary columns stay bytes; the rest is what every reader of Parquet knows.
_WRITTEN: Final[dict[str, Any]] = {"output_format_parquet_string_as_string": 0, "output_format_parquet_compression_method": "zstd"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One file.

    Attributes:
        part: what its rows' time is rounded to, such as 20260131; empty: the table has no time.
        rows: how many, about: what is written meanwhile may come in.
    """

    table: str
    part: str
    rows: int

    @property
    def file(self) -> str:
        """Its name within an export."""
        return f"{self.table}/{self.part or 'all'}.parquet"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Half-open, ns since the Unix epoch; None: without bound."""

    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one file may cost: it is made in ClickHouse's memory, and held in the API's.

    Attributes:
        row_bytes: of its rows before they are packed; Parquet is about a tenth of that.
    """

    seconds: int = 300
    memory_bytes: int = 4 << 30
    row_bytes: int = 8 << 30

    @property
    def settings(self) -> dict[str, Any]:
        """As settings of ClickHouse."""
        return {
            "max_execution_time": self.seconds,
            "timeout_overflow_mode": "throw",
            "max_memory_usage": self.memory_bytes,
            "max_result_bytes": self.row_bytes,
            "result_overflow_mode": "throw",
        }

    def __str__(self) -> str:
        return f"{self.seconds} s, {self.memory_bytes >> 20:,} MiB of memory and {self.row_bytes >> 20:,} MiB of rows"


COST: Final = Cost()


def plan(client: Client, address: Address, bounds: Bounds) -> tuple[dict[str, str], list[Chunk]]:
    """The migrations of an archive, by name with checksum, and the files to write."""
    with explained(address):
        ledger = client.query(f"SELECT name, checksum FROM `{address.database}`.{LEDGER} FINAL ORDER BY number").result_rows
        tables = [table for table in _tables(client, address) if table in _TIMES or bounds == Bounds()]
        return {str(name): str(checksum) for name, checksum in ledger}, [c for t in tables for c in _chunks(client, address, t, bounds)]


def _tables(client: Client, address: Address) -> list[str]:
    sql = "SELECT name FROM system.tables WHERE database = {d:String} AND engine LIKE '%ReplacingMergeTree' ORDER BY name"
    found = [str(name) for (name,) in client.query(sql, parameters={"d": address.database}).result_rows]
    return [name for name in found if _NAME.fullmatch(name)]


def time_of(client: Client, address: Address, table: str) -> tuple[str, str] | None:
    """A table's time and what a file of it spans; None: it has none.

    A table that is newer than this list is carried by months of its `start` or `at`, where it has one.
    """
    if table in _TIMES or table == STATES:
        return _TIMES.get(table)
    sql = "SELECT name FROM system.columns WHERE database = {d:String} AND table = {t:String} AND name IN ('start', 'at', 'read_at')"
    rows = client.query(sql, parameters={"d": address.database, "t": table}).result_rows
    return (str(rows[0][0]), "toYYYYMM") if rows else None


def _chunks(client: Client, address: Address, table: str, bounds: Bounds) -> list[Chunk]:
    time = time_of(client, address, table)
    part = f"toString({time[1]}({time[0]}))" if time else "''"
    where, parameters = _within(time, bounds)
    sql = f"SELECT {part} AS part, count() FROM `{address.database}`.{table} FINAL WHERE {where} GROUP BY part ORDER BY part"
    counted = client.query(sql, parameters=parameters, settings=COST.settings).result_rows
    return [Chunk(table, str(name), int(rows)) for name, rows in counted]


def _within(time: tuple[str, str] | None, bounds: Bounds) -> tuple[str, dict[str, Any]]:
    conditions, parameters = ["1"], {}
    for name, sign, ns in (("since", ">=", bounds.since_ns), ("until", "<", bounds.until_ns)):
        if time is not None and ns is not None:
            conditions.append(f"{time[0]} {sign} fromUnixTimestamp64Nano({{{name}_ns:Int64}}, 'UTC')")
            parameters[f"{name}_ns"] = ns
    return " AND ".join(conditions), parameters


def columns(client: Client, address: Address, table: str) -> list[str]:
    """The columns of a table that are written, not computed."""
    sql = (
        "SELECT name FROM system.columns WHERE database = {d:String} AND table = {t:String} AND default_kind NOT IN"
        " ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') ORDER BY position"
    )
    return [str(name) for (name,) in client.query(sql, parameters={"d": address.database, "t": table}).result_rows]


def read(client: Client, address: Address, table: str, part: str, bounds: Bounds, cost: Cost = COST) -> bytes:
    """One file's content.

    Raises:
        Refused: there is no such table, or the file costs more than one may.
    """
    with explained(address):
        if table not in _tables(client, address):
            raise Refused(f"the archive has no table {table[:80]!r}")
        time = time_of(client, address, table)
        where, parameters = _within(time, bounds)
        if time is not None:
            where += f" AND toString({time[1]}({time[0]})) = {{part:String}}"
            parameters["part"] = part
        names = ", ".join(f"`{name}`" for name in columns(client, address, table))
        key = "SELECT sorting_key FROM system.tables WHERE database = {d:String} AND name = {t:String}"
        ((order,),) = client.query(key, parameters={"d": address.database, "t": table}).result_rows
        # The order makes two exports of the same rows the same file.
        sql = f"SELECT {names} FROM `{address.database}`.{table} FINAL WHERE {where} ORDER BY {order}"
        try:
            return bytes(client.raw_query(sql, parameters=parameters, settings=_WRITTEN | cost.settings, fmt="Parquet"))
        except Error as error:
            if error.code not in LIMIT_CODES:
                raise
            raise Refused(f"{table} {part} costs more than a file may: {cost}", "export less at once, with --since and --until") from error


def epoch(client: Client, address: Address) -> int:
    """The highest epoch of the log that the latest states were folded from; -1: there are none."""
    with explained(address):
        rows = client.query(f"SELECT ifNull(maxOrNull(log_epoch), -1) FROM `{address.database}`.{STATES} FINAL").result_rows
    return int(rows[0][0])
