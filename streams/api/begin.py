"""Where a live view begins to read, and when it has what was known at its start: in a cluster, and on the embedded wire."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas import topics
from schemas.errors import Unreachable
from schemas.journal import Journal
from schemas.settings import Settings
from schemas.topics import POSITION_HEADER
from streams.log_epoch import read_epoch
from streams.sinks.source import READER

#: A container without a sample in so long has none worth showing at a start; an event so old has reached the archive.
_LATELY_MS: Final = 300_000
#: Topics read from so long ago.
_LATE: Final = (topics.WORKSPACE_USAGE.name, topics.WORKSPACE_CHANGES.name, topics.DOCKER_SNAPSHOTS.name)


@dataclass(frozen=True, slots=True)
class EventLog:
    """Where the event topic stands as reading begins, each by partition.

    Attributes:
        epoch: of the log.
        first: from there on everything will come.
        must_have: the last offset before, where there is one: what the archive has up to there.
        end: where the log ends.
    """

    epoch: int
    first: dict[int, int]
    must_have: dict[int, int]
    end: dict[int, int]


class Begin(Protocol):
    """How to begin.

    Attributes:
        quiet_s: after so long without any record the goals count as reached.
    """

    quiet_s: float

    async def place(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        """Goes to where each partition is needed from.

        Raises:
            Unreachable: a topic is missing.
        """

    async def events(self, consumer: AIOKafkaConsumer, events: list[TopicPartition]) -> EventLog:
        """Where the event topic stands; asked after `place`."""

    async def goals(self, consumer: AIOKafkaConsumer, states: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Behind which record each of these partitions has what was known at the start; those that have it are left out."""

    def behind(self, record: ConsumerRecord[bytes, bytes]) -> int:
        """The place behind a record, in the measure of the goals."""


def begin_of(settings: Settings) -> Begin:
    """What fits the settings."""
    return BeginOnWire(settings, settings.journal) if settings.journal else BeginInCluster(settings)


class BeginInCluster:
    """States are read whole, samples and events from some minutes ago: the archive has events that are older."""

    #: Compaction may have removed a partition's very last record, a tombstone: its end is then never reached.
    quiet_s = 3.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def place(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        """Goes to where each partition is needed from."""
        known = await consumer.topics()
        missing = sorted({partition.topic for partition in assigned} - known)
        if missing:
            raise Unreachable(f"Kafka at {self._settings.brokers} has no topic {missing[0]}", "run `wst topics apply`")
        late = [each for each in assigned if each.topic.endswith(_LATE)]
        found = await consumer.offsets_for_times(dict.fromkeys(late, int(time.time() * 1000) - _LATELY_MS))
        ends = await consumer.end_offsets(late)
        for partition in late:
            at = found.get(partition)
            consumer.seek(partition, at.offset if at is not None else ends[partition])

    async def events(self, consumer: AIOKafkaConsumer, events: list[TopicPartition]) -> EventLog:
        """Where the event topic stands; asked after `place`."""
        first = {partition.partition: await consumer.position(partition) for partition in events}
        begins, ends = await consumer.beginning_offsets(events), await consumer.end_offsets(events)
        before = {each.partition: first[each.partition] - 1 for each in events if first[each.partition] > begins[each]}
        epoch = await read_epoch(self._settings)
        return EventLog(epoch, first, before, {each.partition: end for each, end in ends.items()})

    async def goals(self, consumer: AIOKafkaConsumer, states: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends of the log as they are now, where anything is before them."""
        begins, ends = await consumer.beginning_offsets(states), await consumer.end_offsets(states)
        return {partition: end for partition, end in ends.items() if end > begins[partition]}

    def behind(self, record: ConsumerRecord[bytes, bytes]) -> int:
        """The next offset."""
        return int(record.offset) + 1


class BeginOnWire:
    """All is read from the wire's beginning: it holds what the archive lacks. The goal is the journal's end."""

    quiet_s = float("inf")

    def __init__(self, settings: Settings, journal: Path) -> None:
        self._settings = settings
        self._path = journal

    async def place(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        """The beginning is where a consumer without a group begins."""

    async def events(self, consumer: AIOKafkaConsumer, events: list[TopicPartition]) -> EventLog:
        """Where the event topic stands in the journal; what the archive has is not waited for on the wire."""
        return await asyncio.to_thread(self._events, events)

    def _events(self, events: list[TopicPartition]) -> EventLog:
        journal = Journal(self._path, self._settings.partitions)
        try:
            archived = _archived(journal)
            first = {each.partition: archived.get(tuple(each), 0) for each in events}
            end = {each.partition: journal.last_seq_of(*each) + 1 for each in events}
            return EventLog(journal.epoch, first, {}, end)
        finally:
            journal.close()

    async def goals(self, consumer: AIOKafkaConsumer, states: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Numbers behind the last record of each partition, where the archive does not have it yet."""
        return await asyncio.to_thread(self._goals, states)

    def _goals(self, states: list[TopicPartition]) -> dict[TopicPartition, int]:
        journal = Journal(self._path, self._settings.partitions)
        try:
            archived = _archived(journal)
            ends = {partition: journal.last_seq_of(*partition) + 1 for partition in states}
        finally:
            journal.close()
        return {partition: end for partition, end in ends.items() if end > max(1, archived.get(tuple(partition), 1))}

    def behind(self, record: ConsumerRecord[bytes, bytes]) -> int:
        """The number behind its own in the journal."""
        return int(dict(record.headers)[POSITION_HEADER]) + 1


def _archived(journal: Journal) -> dict[tuple[str, int], int]:
    """Behind which number, per topic and partition, the archive has not everything yet."""
    return {(cursor.topic, cursor.partition): cursor.next_seq for cursor in journal.cursors() if cursor.consumer == READER}
