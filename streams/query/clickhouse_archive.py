"""The archive in ClickHouse or chDB. All values are parameters: names are hostile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from typing import Any, Final

from clickhouse_connect.datatypes.temporal import DateTime64
from clickhouse_connect.driver import Client

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused
from streams.core.facts import Position
from streams.query import carry
from streams.query.archive import GRAINS, MAX_PAGE, Cursor, EventFilter, Page, Record
from streams.query.carry import Bounds, Chunk
from streams.query.clients import Clients
from streams.query.free import FreeQueries
from streams.query.present import time_text
from streams.sinks.clickhouse import Address, connect, explained

#: ClickHouse ends a question after so long, s; one that has not answered so much later hangs.
_ANSWERED_S: Final = 30
_HANGS_S: Final = 10
#: Settings of every query: an unreadable archive is an error, a heavy question is ended.
_QUERY_SETTINGS: Final[Mapping[str, Any]] = {"max_execution_time": _ANSWERED_S, "max_result_rows": 1_000_000}

_STATE = codec(topics.WORKSPACE_STATE.subject)
_EVENT = codec(topics.WORKSPACE_CHANGES.subject)


class ClickHouseArchive:
    """Reads ClickHouse or chDB, in threads of its own: one that hangs keeps nobody waiting but who asks it.

    Args:
        clients: how many queries run at once; each has a client of its own, opened when it is needed.
    """

    def __init__(self, address: Address, clients: int = 4, opened: Callable[[Address, int], Client] = connect) -> None:
        self._address = address
        self._reading = Clients(partial(opened, address, _ANSWERED_S + _HANGS_S), clients)
        #: A file of an export is long work, and much memory: there is one at a time.
        self._carrying = Clients(partial(opened, address, carry.COST.seconds + _HANGS_S), 1)
        self._free_queries = FreeQueries(address, opened=opened)

    async def states(self) -> list[Record]:
        """Latest State record of every workspace that was not forgotten, by id."""
        rows = await self._rows("SELECT record FROM {table} FINAL ORDER BY workspace_id", "workspaces_rows", {}, raw=("record",))
        return [_STATE.decode(row["record"]) for row in rows]

    async def events(self, which: EventFilter, *, limit: int = 100, newest_first: bool = False, after: Cursor | None = None) -> Page:
        """Event records by time."""
        limit = max(1, min(limit, MAX_PAGE))
        conditions, parameters = _conditions(which)
        if after is not None:
            beyond = "<" if newest_first else ">"
            conditions.append(
                f"(toUnixTimestamp64Nano(at), seq, id) {beyond} ({{after_ns:Int64}}, {{after_seq:Int64}}, {{after_id:String}})"
            )
            parameters |= {"after_ns": after.at_ns, "after_seq": after.seq, "after_id": after.id}
        order = "DESC" if newest_first else "ASC"
        sql = (
            "SELECT record, id, seq, toUnixTimestamp64Nano(at) AS at_ns FROM {table} FINAL"
            f" WHERE {' AND '.join(conditions) or '1'} ORDER BY at {order}, seq {order}, id {order} LIMIT {{limit:UInt32}}"
        )
        rows = await self._rows(sql, "workspace_changes_rows", parameters | {"limit": limit + 1}, raw=("record",))
        shown = rows[:limit]
        more = Cursor(shown[-1]["at_ns"], shown[-1]["seq"], shown[-1]["id"]) if len(rows) > limit else None
        return Page([_EVENT.decode(row["record"]) for row in shown], more)

    async def backlog(self, epoch: int, begins: Sequence[int], ends: Sequence[int], limit: int) -> list[tuple[Position, Record]]:
        """Events by their own place in one epoch's log, each partition from its begin and before its end."""
        sql = (
            "SELECT record, log_epoch, log_partition, log_offset FROM {table} FINAL WHERE log_epoch = {epoch:Int64}"
            " AND log_offset >= {begins:Array(Int64)}[log_partition + 1] AND log_offset < {ends:Array(Int64)}[log_partition + 1]"
            " ORDER BY log_offset, log_partition LIMIT {limit:UInt32}"
        )
        parameters = {"epoch": epoch, "begins": list(begins), "ends": list(ends), "limit": limit}
        rows = await self._rows(sql, "workspace_changes_rows", parameters, raw=("record",))
        return [(Position(row["log_epoch"], row["log_partition"], row["log_offset"]), _EVENT.decode(row["record"])) for row in rows]

    async def reach(self, epoch: int) -> dict[int, int]:
        """The highest offset of an event there is, per partition of one epoch's log."""
        sql = "SELECT log_partition, max(log_offset) AS reach FROM {table} WHERE log_epoch = {epoch:Int64} GROUP BY log_partition"
        return {row["log_partition"]: row["reach"] for row in await self._rows(sql, "workspace_changes_rows", {"epoch": epoch})}

    async def epochs(self) -> list[int]:
        """Epochs of the log that events are here of, in order."""
        rows = await self._rows("SELECT DISTINCT log_epoch FROM {table} ORDER BY log_epoch", "workspace_changes_rows", {})
        return [row["log_epoch"] for row in rows]

    async def samples(self, workspace_id: str, since_ns: int, until_ns: int, limit: int = MAX_PAGE) -> list[Record]:
        """Rows of `samples_exact` by time, the newest `limit` of them; `read_at` in ns since the Unix epoch."""
        sql = (
            "SELECT * FROM {table} WHERE workspace_id = {workspace_id:String}"
            " AND read_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')"
            " AND read_at < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')"
            " ORDER BY read_at DESC, container_id DESC LIMIT {limit:UInt32}"
        )
        parameters = {"workspace_id": workspace_id, "since_ns": since_ns, "until_ns": until_ns, "limit": max(1, min(limit, MAX_PAGE))}
        return (await self._rows(sql, "samples_exact", parameters))[::-1]

    async def windows(self, workspace_id: str, grain: str, since_ns: int, until_ns: int) -> list[Record]:
        """Windows of the whole workspace by time, one per engine; `start` in ms since the Unix epoch. Grain: hour or day."""
        if grain not in GRAINS:
            raise Refused(f"there are no windows of a {grain!r}", f"there are: {', '.join(GRAINS)}")
        sql = (
            "SELECT * FROM {table} FINAL WHERE workspace_id = {workspace_id:String} AND container_id = ''"
            " AND start >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')"
            " AND start < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC') ORDER BY start, engine_id"
        )
        parameters = {"workspace_id": workspace_id, "since_ns": since_ns, "until_ns": until_ns}
        rows = await self._rows(sql, GRAINS[grain], parameters, raw=("sketches",))
        return [row | {"sketches": {name.decode(): sketch for name, sketch in row["sketches"].items()}} for row in rows]

    async def ask(self, question: str, parameters: Mapping[str, Any], **names: str) -> list[Record]:
        """Rows of a named question of `streams/query/sql/`; times are RFC 3339, as in all JSON."""
        text = sql_of(question)
        for name, value in {"db": f"`{self._address.database}`", **names}.items():
            text = text.replace(f"{{{name}}}", value)
        return await self._reading.run(self._ask, text, dict(parameters))

    def _ask(self, client: Client, statement: str, parameters: dict[str, Any]) -> list[Record]:
        with explained(self._address):
            result = client.query(statement, parameters=parameters, settings=dict(_QUERY_SETTINGS), query_formats={"DateTime64": "int"})
            found = result.result_columns  # read from the archive only now
        scales = [kind.scale if isinstance(kind, DateTime64) else None for kind in result.column_types]
        columns = [
            column if scale is None else [None if ticks is None else time_text(ticks * 10 ** (9 - scale)) for ticks in column]
            for column, scale in zip(found, scales, strict=True)
        ]
        return [dict(zip(result.column_names, row, strict=True)) for row in zip(*columns, strict=True)]

    async def look(self, question: str, parameters: Mapping[str, Any], raw: Sequence[str] = ()) -> list[Record]:
        """Rows of a named question, as the tables have them: times as ticks of their column, columns in `raw` as bytes."""
        sql = sql_of(question).replace("{db}", f"`{self._address.database}`")
        return await self._reading.run(self._query, sql, "", dict(parameters), raw)

    async def query(self, sql: str, form: str) -> bytes:
        """The answer to a stranger's SQL: read only, within limits, on clients of its own."""
        return await self._free_queries.run(sql, form)

    async def export_plan(self, bounds: Bounds) -> tuple[dict[str, str], int, list[Chunk]]:
        """Migrations, epoch of the latest states, and the files of an export."""
        migrations, chunks = await self._carrying.run(carry.plan, self._address, bounds)
        return migrations, await self._carrying.run(carry.epoch, self._address), chunks

    async def export_file(self, table: str, part: str, bounds: Bounds) -> bytes:
        """One file of an export, Parquet."""
        return await self._carrying.run(carry.read, self._address, table, part, bounds)

    async def _rows(self, sql: str, table: str, parameters: dict[str, Any], raw: Sequence[str] = ()) -> list[Record]:
        """Runs a query; times come as ticks of their column, columns in `raw` as bytes."""
        return await self._reading.run(self._query, sql, table, parameters, raw)

    def _query(self, client: Client, sql: str, table: str, parameters: dict[str, Any], raw: Sequence[str]) -> list[Record]:
        statement = sql.replace("{table}", f"`{self._address.database}`.{table}")
        with explained(self._address):
            result = client.query(
                statement,
                parameters=parameters,
                settings=dict(_QUERY_SETTINGS),
                query_formats={"DateTime64": "int"},
                column_formats=dict.fromkeys(raw, "bytes"),
            )
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    async def close(self) -> None:
        """Lets go of the connections, after the queries that run."""
        await self._reading.close()
        await self._carrying.close()
        await self._free_queries.close()


@cache
def sql_of(question: str) -> str:
    """The text of a named question, without comment lines."""
    text = resources.files("streams.query").joinpath("sql", f"{question}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


def _conditions(which: EventFilter) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if which.workspace_id is not None:
        # Of a sync event the subject is an engine's id, which could be a workspace's too.
        conditions += ["subject = {workspace_id:String}", "workspace_id = {workspace_id:String}"]
        parameters["workspace_id"] = which.workspace_id
    if which.types:
        conditions.append("type IN {types:Array(String)}")
        parameters["types"] = list(which.types)
    if which.since_ns is not None:
        conditions.append("at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')")
        parameters["since_ns"] = which.since_ns
    if which.until_ns is not None:
        conditions.append("at < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')")
        parameters["until_ns"] = which.until_ns
    return conditions, parameters
