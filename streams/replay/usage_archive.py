"""Where a replay of usage reads samples and windows from: the archive, a day at a time. It is only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from clickhouse_connect.driver import Client

from streams.core.facts import Position
from streams.core.samples import COLUMNS
from streams.core.windows import DAY_NS, NUMBERS
from streams.query.archive import GRAINS
from streams.replay.usage import Wanted
from streams.replay.windows import Sample, Tick, Told, WindowKey, WindowRefold
from streams.sinks.block import ERASED
from streams.sinks.clickhouse import Address, explained

_DAY: Final = "{column} >= fromUnixTimestamp64Nano({{begin:Int64}}, 'UTC') AND {column} < fromUnixTimestamp64Nano({{end:Int64}}, 'UTC')"
_NS: Final = {"first_read_ns": "toUnixTimestamp64Nano(first_read_at)", "last_read_ns": "toUnixTimestamp64Nano(last_read_at)"}
_READ: Final = {"read_ns": "toUnixTimestamp64Nano(read_at)"}
_PLAIN: Final = ("cpu_millipercent_last", "memory_used_bytes_last", "container_count", "container_name", "service")
_WHOSE: Final = ("workspace_id", "workspace_name", "engine_id", "engine")
_LOG: Final = ("log_epoch", "log_partition", "log_offset")


def usage_of_archive(client: Client, address: Address, wanted: Wanted) -> Iterator[tuple[WindowRefold, Iterator[Tick]]]:
    """Each day's samples, with what refolds its windows."""
    reader = _Reader(client, address)
    erased = reader.rows(f"SELECT workspace_id, toUnixTimestamp64Milli(at) FROM {{db}}.{ERASED} FINAL")
    left_out: dict[str, int] = {name: at_ms * 1_000_000 for name, at_ms in erased}
    days = reader.rows("SELECT DISTINCT intDiv(toUnixTimestamp64Nano(read_at), 86400000000000) AS day FROM {db}.samples_rows ORDER BY day")
    for (day,) in list(days):
        if (day + 1) * DAY_NS > wanted.since_ns:
            live = dict(reader.windows(day)) if wanted.compare else {}
            yield WindowRefold(live, since_ns=wanted.since_ns, left_out=left_out, put=wanted.put), reader.ticks(day)


class _Reader:
    def __init__(self, client: Client, address: Address) -> None:
        self._client = client
        self._address = address

    def rows(self, sql: str, **parameters: int) -> Iterator[Sequence[Any]]:
        text = sql.replace("{db}", f"`{self._address.database}`")
        with explained(self._address), self._client.query_row_block_stream(text, parameters=parameters) as blocks:
            for block in blocks:
                yield from block

    def windows(self, day: int) -> Iterator[tuple[WindowKey, Told]]:
        """What is told of the windows that begin on a day."""
        columns = [f"{_NS.get(name, name)} AS {name}" for name in NUMBERS] + list(_PLAIN)
        names = (*NUMBERS, *_PLAIN, "sketches")
        for grain, table in GRAINS.items():
            sql = (
                f"SELECT workspace_id, engine_id, container_id, toUnixTimestamp64Milli(start), {', '.join(_LOG)}, {', '.join(columns)},"
                f" mapApply((metric, state) -> (metric, lower(hex(state))), sketches) FROM {{db}}.{table} FINAL"
                f" WHERE {_DAY.format(column='start')}"
            )
            for workspace_id, engine_id, container_id, start_ms, epoch, partition, offset, *values in self.rows(sql, **_span(day)):
                key = WindowKey(workspace_id, engine_id, container_id, grain, start_ms)
                yield key, Told(Position(epoch, partition, offset), dict(zip(names, values, strict=True)))

    def ticks(self, day: int) -> Iterator[Tick]:
        """The samples of a day, each workspace's in the order of the log; a tick that reaches over the day's end is in both."""
        columns = ", ".join(_READ.get(name, name) for name in COLUMNS)
        sql = (
            f"SELECT {', '.join(_WHOSE)}, {', '.join(_LOG)}, toUnixTimestamp64Nano(tick_at), container_id, container_name, service,"
            f" outcome, {columns} FROM {{db}}.samples_exact WHERE {_DAY.format(column='read_at')} ORDER BY workspace_id"
        )
        for _, rows in groupby(self.rows(sql, **_span(day)), key=itemgetter(0)):
            yield from _ticks(sorted(rows, key=itemgetter(4, 6, 2)))


def _ticks(rows: Sequence[Sequence[Any]]) -> Iterator[Tick]:
    """Of a tick in several parts, which the archive does not number, the first in the log is the first."""
    known: set[tuple[str, int]] = set()
    for (workspace_id, name, engine_id, engine, epoch, partition, offset, tick_at), some in groupby(rows, key=itemgetter(*range(8))):
        first = (engine_id, tick_at) not in known
        known.add((engine_id, tick_at))
        samples = [Sample(row[8], row[9], row[10], row[11], tuple(row[12:])) for row in some]
        yield Tick(workspace_id, name, engine_id, engine, {}, Position(epoch, partition, offset), first, samples)


def _span(day: int) -> dict[str, int]:
    return {"begin": day * DAY_NS, "end": (day + 1) * DAY_NS}
