"""Where a handler reads events, and how it remembers how far it is: a consumer group of its own, or a cursor in the journal.

Embedded it reads the journal, not the wire: the wire waits for its slowest reader, and no handler may hold up a fold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas import topics
from schemas.errors import Unreachable
from schemas.journal import Journal
from schemas.kafka import broker_away, client_arguments, leave
from schemas.settings import Settings
from streams.core.facts import Position
from streams.log_epoch import read_epoch
from streams.sinks.source import Raw

_GROUP: Final = "handlers."
_LOOK_EVERY_S: Final = 0.1
_PAGE: Final = 200


class EventSource(Protocol):
    """Records of `workspace.changes` in order per partition, from where the handler left off; a new handler begins now."""

    async def start(self) -> None:
        """Connects.

        Raises:
            Unreachable: no broker answers.
        """

    async def fetch(self, wait_s: float) -> Sequence[Raw]:
        """What comes next, after waiting at most so long."""

    async def commit(self, record: Raw) -> None:
        """All of its partition up to this record is done with."""

    async def stop(self) -> None:
        """Leaves."""


def source_for(settings: Settings, name: str) -> EventSource:
    """The source of the mode in force."""
    return JournalEvents(settings, name) if settings.journal else GroupEvents(settings, name)


class GroupEvents:
    """A member of the consumer group `<prefix>handlers.<name>`."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._topic = topics.WORKSPACE_CHANGES.full(settings.topic_prefix)
        self._group = f"{settings.topic_prefix}{_GROUP}{name}"
        self._epoch = 0

    async def start(self) -> None:
        """Joins the group; where it has no position yet, remembers the end as it is now."""
        self._consumer = AIOKafkaConsumer(
            **client_arguments(self._settings), group_id=self._group, enable_auto_commit=False, auto_offset_reset="latest",
            # Deliveries take as long as they take; a process that is gone is found by its heartbeats.
            max_poll_interval_ms=86_400_000,
        )  # fmt: skip
        try:
            await self._consumer.start()
            if self._topic not in await self._consumer.topics():
                raise Unreachable(f"Kafka at {self._settings.brokers} has no topic {self._topic}", "run `wst topics apply`")
            self._epoch = await read_epoch(self._settings)
            self._consumer.subscribe([self._topic])
        except (KafkaError, OSError) as error:
            await leave(self._consumer)
            raise broker_away(self._settings, error) from error
        except BaseException:
            await leave(self._consumer)
            raise
        self._placed: set[TopicPartition] = set()

    async def fetch(self, wait_s: float) -> Sequence[Raw]:
        """What comes next, after waiting at most so long."""
        try:
            found = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=_PAGE)
            await self._place({partition: records[0].offset for partition, records in found.items() if records})
        except KafkaError as error:
            raise Unreachable(f"Kafka at {self._settings.brokers} does not go on ({error})") from error
        return [self._raw(record) for records in found.values() for record in records]

    async def _place(self, first: Mapping[TopicPartition, int]) -> None:
        """Remembers where a new handler begins: at the first record it was given, where it was given one already."""
        for partition in self._consumer.assignment() - self._placed:
            if await self._consumer.committed(partition) is None:
                # Else all that comes until the first delivery would be lost by a restart before it.
                at = first[partition] if partition in first else await self._consumer.position(partition)
                await self._consumer.commit({partition: at})
            self._placed.add(partition)

    def _raw(self, record: Any) -> Raw:
        at = Position(self._epoch, record.partition, record.offset)
        return Raw(record.topic, at, record.key, record.value, record.headers, record.timestamp, record.offset)

    async def commit(self, record: Raw) -> None:
        """Commits behind a record."""
        try:
            await self._consumer.commit({TopicPartition(record.topic, record.position.partition): record.offset + 1})
        except (CommitFailedError, IllegalStateError):
            # The partition has another owner by now, who delivers once more.
            pass
        except KafkaError as error:
            raise Unreachable(f"Kafka at {self._settings.brokers} takes no position ({error})") from error

    async def stop(self) -> None:
        """Leaves the group."""
        await leave(self._consumer)


class JournalEvents:
    """Reads the journal of an embedded tree, with a cursor `handlers.<name>` in it."""

    def __init__(self, settings: Settings, name: str) -> None:
        if settings.journal is None:
            raise ValueError("no journal")
        self._path = settings.journal
        self._partitions = settings.partitions
        self._topic = topics.WORKSPACE_CHANGES.full(settings.topic_prefix)
        self._reader = f"{_GROUP}{name}"
        self._version = -1

    async def start(self) -> None:
        """Opens the journal; where there is no cursor yet, sets it to the end as it is now."""
        # A handler's loop is its own: waiting for the journal's lock holds up nobody else.
        self._journal = Journal(self._path, self._partitions)
        known = {cursor.partition: cursor.next_seq for cursor in self._journal.cursors() if cursor.consumer == self._reader}
        end = self._journal.last_seq() + 1
        for partition in set(range(self._partitions)) - known.keys():
            self._journal.set_cursor(self._reader, self._topic, partition, end)
            known[partition] = end
        self._next = known

    async def fetch(self, wait_s: float) -> Sequence[Raw]:
        """What comes next, after waiting at most so long."""
        for _ in range(max(1, round(wait_s / _LOOK_EVERY_S))):
            if found := self._look():
                return found
            await asyncio.sleep(_LOOK_EVERY_S)
        return []

    def _look(self) -> list[Raw]:
        version = self._journal.data_version()
        if version == self._version:
            return []
        found: list[Raw] = []
        for partition, after in self._next.items():
            for entry in self._journal.read_partition(self._topic, partition, after - 1, _PAGE):
                one, at = entry.record, Position(self._journal.epoch, partition, entry.seq)
                found.append(Raw(one.topic, at, one.key, one.value, one.headers, one.timestamp_ms, entry.seq))
                self._next[partition] = entry.seq + 1
        # What was found may not be all: only an empty look is remembered.
        self._version = version if not found else -1
        return found

    async def commit(self, record: Raw) -> None:
        """Sets the cursor behind a record."""
        self._journal.set_cursor(self._reader, self._topic, record.position.partition, record.offset + 1)

    async def stop(self) -> None:
        """Closes the journal."""
        self._journal.close()
