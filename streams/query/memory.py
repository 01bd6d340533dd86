"""The archive in memory: the same rules as the tables in ClickHouse, without their disk. For tests and small programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused
from streams.core.facts import Position
from streams.query.archive import GRAINS, MAX_PAGE, Cursor, EventFilter, Page, Record
from streams.query.carry import Bounds, Chunk
from streams.sinks.block import ERASED
from streams.sinks.clickhouse import Unfit
from streams.sinks.rows import Block

_STATE = codec(topics.WORKSPACE_STATE.subject)
_EVENT = codec(topics.WORKSPACE_CHANGES.subject)


def _position(row: Mapping[str, Any]) -> tuple[int, ...]:
    return row["log_epoch"], row["log_partition"], row["log_offset"]


def _earliest(row: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(-number for number in _position(row))


def _version(row: Mapping[str, Any]) -> tuple[int, ...]:
    return row["sample_count"], row["final"]


_WINDOW: Final = (("workspace_id", "container_id", "start", "engine_id"), _version)
#: Table → identity and what survives: of equal identities the highest, of equals the last.
_RULES: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], tuple[int, ...]]]]] = {
    "docker_events_rows": (("workspace_id", "id"), _earliest),
    "workspace_states_rows": (("workspace_id", "log_epoch", "log_partition", "log_offset"), _position),
    "workspaces_rows": (("workspace_id",), _position),
    "workspace_changes_rows": (("subject", "stream", "seq", "id"), _earliest),
    "samples_rows": (("workspace_id", "container_id", "read_at", "engine_id"), _earliest),
    "usage_hourly_rows": _WINDOW,
    "usage_daily_rows": _WINDOW,
    "dead_letters_rows": (("topic", "origin_epoch", "origin_partition", "origin_offset", "stage", "id"), _earliest),
    ERASED: (("workspace_id",), _position),
}


def _reached(table: str, row: Mapping[str, Any], erased: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a row belongs to what was erased of its workspace; the rules of `streams/sinks/erase.py`."""
    key = row["key"].decode("utf-8", "replace") if table == "dead_letters_rows" else row["workspace_id"]
    erasure = None if table == ERASED else erased.get(key)
    if erasure is None:
        return False
    where, before_ns = (erasure["log_epoch"], erasure["log_offset"]), (erasure["at"] + 1) * 10**6
    if table in ("docker_events_rows", "workspace_states_rows", "workspaces_rows"):
        return bool((row["log_epoch"], row["log_offset"]) <= where)
    if table == "workspace_changes_rows" and row["stream"] == "state":
        return bool((row["cause_epoch"], row["cause_offset"]) <= where)
    time = {"workspace_changes_rows": "at", "samples_rows": "read_at", "dead_letters_rows": "refused_at"}.get(table, "last_read_at")
    return bool(row[time] < before_ns)


class MemoryArchive:
    """Sink and archive at once."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], Record]] = {name: {} for name in _RULES}

    async def write(self, blocks: Sequence[Block]) -> None:
        """Takes rows.

        Raises:
            Unfit: an integer is wider than any column.
        """
        for block in blocks:
            _check(block)
            identity, survives = _RULES[block.table]
            table = self.tables[block.table]
            for values in zip(*block.columns, strict=True):
                row = dict(zip(block.names, values, strict=True))
                key = tuple(row[name] for name in identity)
                if key not in table or survives(row) >= survives(table[key]):
                    table[key] = row
        if erased := {row["workspace_id"]: row for row in self.rows(ERASED)}:
            for name, table in self.tables.items():
                self.tables[name] = {key: row for key, row in table.items() if not _reached(name, row, erased)}

    def rows(self, table: str) -> list[Record]:
        """All rows of a table."""
        return list(self.tables[table].values())

    async def states(self) -> list[Record]:
        """Latest State record of every workspace that was not forgotten, by id."""
        rows = sorted(self.rows("workspaces_rows"), key=lambda row: str(row["workspace_id"]))
        return [_STATE.decode(row["record"]) for row in rows if not row["forgotten"]]

    async def events(self, which: EventFilter, *, limit: int = 100, newest_first: bool = False, after: Cursor | None = None) -> Page:
        """Event records by time."""
        limit = max(1, min(limit, MAX_PAGE))
        rows = [row for row in self.rows("workspace_changes_rows") if _wanted(row, which)]
        rows.sort(key=_place, reverse=newest_first)
        if after is not None:
            behind = (after.at_ns, after.seq, after.id)
            rows = [row for row in rows if (_place(row) < behind if newest_first else _place(row) > behind)]
        shown = rows[:limit]
        more = Cursor(*_place(shown[-1])) if len(rows) > limit else None
        return Page([_EVENT.decode(row["record"]) for row in shown], more)

    async def backlog(self, epoch: int, begins: Sequence[int], ends: Sequence[int], limit: int) -> list[tuple[Position, Record]]:
        """Events by their own place in one epoch's log, each partition from its begin and before its end."""
        found = [(Position(*_position(row)), row["record"]) for row in self.rows("workspace_changes_rows") if row["log_epoch"] == epoch]
        known = [(at, record) for at, record in found if at.partition < min(len(begins), len(ends))]
        behind = [(at, record) for at, record in known if begins[at.partition] <= at.offset < ends[at.partition]]
        behind.sort(key=lambda one: (one[0].offset, one[0].partition))
        return [(at, _EVENT.decode(record)) for at, record in behind[:limit]]

    async def reach(self, epoch: int) -> dict[int, int]:
        """The highest offset of an event there is, per partition of one epoch's log."""
        reach: dict[int, int] = {}
        for row in self.rows("workspace_changes_rows"):
            if row["log_epoch"] == epoch:
                reach[row["log_partition"]] = max(row["log_offset"], reach.get(row["log_partition"], 0))
        return reach

    async def epochs(self) -> list[int]:
        """Epochs of the log that events are here of, in order."""
        return sorted({row["log_epoch"] for row in self.rows("workspace_changes_rows")})

    async def samples(self, workspace_id: str, since_ns: int, until_ns: int, limit: int = MAX_PAGE) -> list[Record]:
        """Rows of `samples_exact` by time, the newest `limit` of them; `read_at` in ns since the Unix epoch."""
        rows = [r for r in self.rows("samples_rows") if r["workspace_id"] == workspace_id and since_ns <= r["read_at"] < until_ns]
        return sorted(rows, key=lambda row: (row["read_at"], row["container_id"]))[-max(1, min(limit, MAX_PAGE)) :]

    async def windows(self, workspace_id: str, grain: str, since_ns: int, until_ns: int) -> list[Record]:
        """Windows of the whole workspace by time, one per engine; `start` in ms since the Unix epoch. Grain: hour or day."""
        if grain not in GRAINS:
            raise Refused(f"there are no windows of a {grain!r}", f"there are: {', '.join(GRAINS)}")
        rows = [row for row in self.rows(GRAINS[grain]) if row["workspace_id"] == workspace_id and row["container_id"] == ""]
        rows = [row for row in rows if since_ns <= row["start"] * 10**6 < until_ns]
        return sorted(rows, key=lambda row: (row["start"], row["engine_id"]))

    async def ask(self, question: str, parameters: Mapping[str, Any], **names: str) -> list[Record]:
        """Refuses: what needs SQL needs ClickHouse."""
        raise Refused(f"an archive in memory cannot answer {question!r}", "use ClickHouse")

    async def look(self, question: str, parameters: Mapping[str, Any], raw: Sequence[str] = ()) -> list[Record]:
        """Refuses, likewise."""
        raise Refused(f"an archive in memory cannot answer {question!r}", "use ClickHouse")

    async def query(self, sql: str, form: str) -> bytes:
        """Refuses, likewise."""
        raise Refused("an archive in memory answers no SQL", "use ClickHouse")

    async def export_plan(self, bounds: Bounds) -> tuple[dict[str, str], int, list[Chunk]]:
        """Refuses, likewise."""
        raise Refused("an archive in memory exports nothing", "use ClickHouse")

    async def export_file(self, table: str, part: str, bounds: Bounds) -> bytes:
        """Refuses, likewise."""
        raise Refused("an archive in memory exports nothing", "use ClickHouse")

    async def close(self) -> None:
        """Nothing to let go of."""


def _check(block: Block) -> None:
    for name, column in zip(block.names, block.columns, strict=True):
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in column):
            raise Unfit(f"{block.table} takes no such row ({name} is no 64-bit integer)")


def _place(row: Mapping[str, Any]) -> tuple[int, int, str]:
    return row["at"], row["seq"], row["id"]


def _wanted(row: Mapping[str, Any], which: EventFilter) -> bool:
    if which.workspace_id is not None and row["workspace_id"] != which.workspace_id:
        return False
    if which.types and row["type"] not in which.types:
        return False
    return (which.since_ns is None or row["at"] >= which.since_ns) and (which.until_ns is None or row["at"] < which.until_ns)
