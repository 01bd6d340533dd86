"""Writes what a replay says into a database of its own, with the tables and views of the archive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused
from schemas.requests import ERASE_HEADER
from streams import migrate
from streams.core import workspace
from streams.core.changes import Change, to_record
from streams.core.facts import Position
from streams.core.state import WorkspaceState
from streams.replay.windows import Tick
from streams.sinks.clickhouse import Address, ClickHouseSink, connect, explained
from streams.sinks.rows import CAUSE_HEADER, Arrived, arrived, blocks

_BATCH: Final = 5_000


class Into:
    """A new database that states and events are written to; each state that told something is kept, not the last of a slice.

    Raises:
        Refused: the database is there already.
    """

    def __init__(self, address: Address, topic: str) -> None:
        client = connect(address)
        try:
            with explained(address):
                there = client.query("SELECT 1 FROM system.databases WHERE name = {d:String}", parameters={"d": address.database})
            if there.result_rows:
                raise Refused(f"there is a database {address.database} already", "name another one, or drop it")
            migrate.apply(address, client)
        finally:
            client.close()
        self._topic = topic
        self._sink = ClickHouseSink(address)
        self._waiting: dict[str, list[Arrived]] = {
            topic.name: [] for topic in (topics.WORKSPACE_STATE, topics.WORKSPACE_CHANGES, topics.WORKSPACE_USAGE)
        }
        self.written = 0

    def put(self, state: WorkspaceState, changes: Sequence[Change]) -> None:
        """Takes a state and what it told."""
        where = Position(state.epoch, state.partition, state.offset)
        key, record = state.workspace_id.encode(), workspace.to_record(state)
        value = None if record is None else codec(topics.WORKSPACE_STATE.subject).encode(record)
        headers = () if record is not None else ((CAUSE_HEADER, b"%d.%d.%d" % where),)
        when_ms = state.last_updated_ns // 1_000_000
        if record is not None or changes:
            self._add(topics.WORKSPACE_STATE.name, arrived(topics.WORKSPACE_STATE.name, where, key, value, headers, when_ms))
        for change in changes:
            event = codec(topics.WORKSPACE_CHANGES.subject).encode(to_record(change, self._topic))
            self._add(topics.WORKSPACE_CHANGES.name, arrived(topics.WORKSPACE_CHANGES.name, where, key, event, (), when_ms))

    def put_window(self, window: dict[str, Any], tick: Tick) -> None:
        """Takes a window that is done, and the last tick that was folded before."""
        record = {
            "kind": "windows", "workspace_id": tick.workspace_id, "workspace_name": tick.workspace_name, "engine_id": tick.engine_id,
            "engine_name": tick.engine_name, "labels": dict(tick.labels), **tick.position._asdict(), "windows": [window],
        }  # fmt: skip
        key, when_ms = tick.workspace_id.encode(), window["start_ms"]
        self._add(topics.WORKSPACE_USAGE.name, Arrived(tick.position, key, None, {}, when_ms, record))

    def erase(self, workspace_id: str, rest: bytes, at_ns: int) -> None:
        """Deletes what was put of a workspace before it was erased."""
        self._flush(topics.WORKSPACE_CHANGES.name)
        cause = workspace.from_bytes(rest)
        headers = ((CAUSE_HEADER, b"%d.%d.%d" % (cause.epoch, cause.partition, cause.offset)), (ERASE_HEADER, rest))
        where = Position(cause.epoch, cause.partition, cause.offset)
        name = topics.WORKSPACE_STATE.name
        self._add(name, arrived(name, where, workspace_id.encode(), None, headers, at_ns // 1_000_000))

    def _add(self, topic: str, one: Arrived) -> None:
        self._waiting[topic].append(one)
        if len(self._waiting[topic]) >= _BATCH:
            self._flush(topic)

    def _flush(self, topic: str) -> None:
        waiting = self._waiting[topic]
        if waiting:
            asyncio.run(self._sink.write(blocks(topic, waiting)))
            self.written += len(waiting)
            waiting.clear()

    def close(self) -> None:
        """Writes the rest."""
        for topic in self._waiting:
            self._flush(topic)
        asyncio.run(self._sink.close())
