"""Made-up traffic of all topics the sink reads: repeats, disorder, tombstones and garbage, and what must be in the archive after it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from schemas import topics
from schemas.codec import Undecodable
from schemas.publish import Record, make_record, partition_of
from schemas.topics import Topic
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.query.memory import MemoryArchive
from streams.sinks.rows import arrived, blocks
from tests.sinks import records
from tests.sinks.records import T0_NS

PREFIX = "wst."
GARBAGE = (b"", b"no Avro at all", b"\xc3\x01" + bytes(8) + b"unknown schema", b"\x00" * 300)

#: What is compared: view → columns, with the names of the same in the tables.
COMPARED = {
    "docker_events": ("docker_events_rows", "workspace_id, id, toUnixTimestamp64Nano(at), log_epoch, log_partition, log_offset"),
    "workspace_changes": ("workspace_changes_rows", "id, seq, message, log_epoch, log_partition, log_offset"),
    "workspaces": ("workspaces_rows", "workspace_id, seq, log_epoch, log_partition, log_offset"),
    "samples": ("samples_rows", "workspace_id, container_id, toUnixTimestamp64Nano(read_at), cpu_ns, log_epoch, log_partition, log_offset"),
    "usage_hourly": ("usage_hourly_rows", "workspace_id, toUnixTimestamp64Milli(hour), sample_count, final, network_rx_bytes"),
    "dead_letters": ("dead_letters_rows", "topic, stage, code, origin_epoch, origin_partition, origin_offset"),
}


class Traffic:
    """An endless mix of records, the same for the same seed."""

    def __init__(self, seed: int, prefix: str = PREFIX, workspaces: int = 12) -> None:
        self._random = random.Random(seed)
        self._prefix = prefix
        self._workspaces = [f"ws{number}@laptop" for number in range(workspaces)]
        self._number = 0
        self._sent: list[Record] = []

    def batch(self, count: int) -> list[Record]:
        """The next so many records."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Record:
        if self._sent and self._random.random() < 0.15:
            return self._random.choice(self._sent[-200:])
        self._number += 1
        workspace = self._random.choice(self._workspaces)
        makers: tuple[Callable[[str, int], Record], ...] = (
            self._fact,
            self._state,
            self._change,
            self._samples,
            self._window,
            self._letter,
        )
        record = self._random.choices((*makers, self._garbage), weights=(30, 15, 20, 20, 10, 3, 2))[0](workspace, self._number)
        self._sent.append(record)
        return record

    def _make(self, topic: Topic, key: str, value: dict[str, Any], record_id: str) -> Record:
        return make_record(topic, self._prefix, key, value, kind="test", record_id=record_id, timestamp_ms=int(time.time() * 1000))

    def _fact(self, workspace: str, number: int) -> Record:
        fact = records.fact(f"{number:016x}", workspace, T0_NS + number)
        return self._make(topics.DOCKER_EVENTS, workspace, fact, fact["id"])

    def _state(self, workspace: str, number: int) -> Record:
        at = Position(1, 0, number)
        if self._random.random() < 0.1:
            headers = records.forgotten_by(at)
            return Record(topics.WORKSPACE_STATE.full(self._prefix), workspace.encode(), None, headers, int(time.time() * 1000))
        return self._make(topics.WORKSPACE_STATE, workspace, records.state(workspace, at, seq=number), str(number))

    def _change(self, workspace: str, number: int) -> Record:
        return self._make(topics.WORKSPACE_CHANGES, workspace, records.event(number, workspace, message=f"event {number}"), str(number))

    def _samples(self, workspace: str, number: int) -> Record:
        samples = [records.sample(f"c{k}", T0_NS + number, cpu_ns=number * k) for k in range(3)]
        return self._make(topics.WORKSPACE_USAGE, workspace, records.usage(Position(1, 0, number), workspace, samples=samples), str(number))

    def _window(self, workspace: str, number: int) -> Record:
        start_ms = T0_NS // 10**6 + self._random.randrange(3) * 3_600_000
        # The content follows from the version, as that of a real window does.
        count = self._random.randrange(1, 60)
        window = records.window(start_ms, sample_count=count, final=count > 50, network_rx_bytes=count * 7)
        return self._make(
            topics.WORKSPACE_USAGE, workspace, records.usage(Position(1, 0, number), workspace, windows=[window]), str(number)
        )

    def _letter(self, workspace: str, number: int) -> Record:
        return self._make(topics.DEAD_LETTERS, workspace, records.dead_letter(number), str(number))

    def _garbage(self, workspace: str, number: int) -> Record:
        topic = self._random.choice((topics.DOCKER_EVENTS, topics.WORKSPACE_STATE, topics.WORKSPACE_CHANGES, topics.WORKSPACE_USAGE))
        return Record(topic.full(self._prefix), workspace.encode(), self._random.choice(GARBAGE), (), int(time.time() * 1000))


async def expected(log: Iterable[tuple[Record, Position]], prefix: str = PREFIX) -> dict[str, list[tuple[Any, ...]]]:
    """What the views must show after a log: rows sorted, by view. The sink's own dead letters are added, those in the log are left out."""
    memory = MemoryArchive()
    refused = []
    for record, position in log:
        topic = record.topic.removeprefix(prefix)
        try:
            usable = arrived(topic, position, record.key, record.value, record.headers, record.timestamp_ms)
        except (Undecodable, InvalidMessage) as error:
            refused.append((record.topic, "sink", error.code, *position))
        else:
            if topic != topics.DEAD_LETTERS.name or usable.record is None or usable.record["stage"] != "sink":
                await memory.write(blocks(topic, [usable]))
    shown = {view: sorted(_shown(memory, table, columns)) for view, (table, columns) in COMPARED.items()}
    return shown | {"dead_letters": sorted([*shown["dead_letters"], *refused])}


def _shown(memory: MemoryArchive, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    names = [column.strip().rpartition("(")[2].rstrip(")") for column in columns.split(",")]
    for row in memory.rows(table):
        if not row.get("forgotten"):
            yield tuple(row["start" if name == "hour" else name] for name in names)


def questions(database: str) -> list[str]:
    """The SQL that shows the same, in the order of `COMPARED`."""
    return [f"SELECT {columns} FROM `{database}`.{view}" for view, (_, columns) in COMPARED.items()]


def answers(rows: Iterable[Iterable[Iterable[Any]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Answers to the questions as `expected` has them."""
    return {view: sorted(tuple(row) for row in found) for view, found in zip(COMPARED, rows, strict=True)}


def partition(record: Record, partitions: int) -> int:
    return partition_of(record.key, partitions)
