"""Where the sink reads: a consumer group in a cluster; in an embedded tree the wire, with cursors in the journal.

A position is committed only after its rows are in the archive. What comes again is inserted again, which is harmless.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas import topics
from schemas.errors import Unreachable, WstError
from schemas.journal import Journal
from schemas.kafka import broker_away, client_arguments, leave
from schemas.settings import Settings
from schemas.topics import POSITION_HEADER
from streams.core.facts import Position
from streams.log_epoch import read_epoch
from streams.sinks.rows import TOPICS

_log: Final = logging.getLogger("wst.sink")

#: Name of the consumer group (behind the prefix) and of the reader of the journal.
READER: Final = "sink"
_SESSION_MS: Final = 10_000
_RENEWALS_APART_S: Final = 30.0
#: What the client may hold per partition beside what the consumer holds, bytes.
_FETCH_BYTES: Final = 2 << 20


class Raw(NamedTuple):
    """A record as it lies in the log.

    Attributes:
        topic: full name.
        offset: on the broker; in an embedded tree the position is another number.
    """

    topic: str
    position: Position
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int
    offset: int


Batches = Mapping[TopicPartition, Sequence[Raw]]


class Source(Protocol):
    """Contiguous records of partitions, and where to begin after a restart."""

    async def start(self) -> None:
        """Connects.

        Raises:
            Unreachable: no broker answers.
        """

    async def fetch(self, wait_s: float, limit: int) -> Batches:
        """Up to `limit` records that come next, after waiting at most so long for the first."""

    async def commit(self, batches: Batches) -> None:
        """The rows of these records are durable."""

    def lag(self) -> dict[TopicPartition, int]:
        """Records not yet fetched, by partition, as far as is known."""

    async def end(self) -> int:
        """Sum of the ends of what is read, asked of the broker; 0 where nothing is read at present.

        Raises:
            KafkaError: it does not answer.
        """

    @property
    def lost(self) -> int:
        """Counts how often partitions were taken away: what was fetched before comes again, to whomever."""

    async def stop(self) -> None:
        """Leaves."""


def _consumer(settings: Settings, **more: Any) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_arguments(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_bytes=8 * _FETCH_BYTES,
        # A produce does not wake a waiting fetch on the embedded broker; rows are gathered for longer than that anyway.
        fetch_max_wait_ms=100 if settings.journal else 500,
        **more,
    )


async def _start(consumer: AIOKafkaConsumer, settings: Settings) -> None:
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await leave(consumer)
        raise broker_away(settings, error) from error


def _lag(consumer: AIOKafkaConsumer, next_offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    lag: dict[TopicPartition, int] = {}
    for partition in consumer.assignment():
        end = consumer.highwater(partition)
        # An end that is known although nothing was fetched: it stands there already.
        lag[partition] = max(0, end - next_offsets.get(partition, end)) if end is not None else 0
    return lag


async def _end(consumer: AIOKafkaConsumer) -> int:
    partitions = consumer.assignment()
    return sum((await consumer.end_offsets(partitions)).values()) if partitions else 0


class GroupSource:
    """A member of the consumer group `<prefix>sink`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = [topics.BY_NAME[name].full(settings.topic_prefix) for name in TOPICS]
        self._epoch = 0
        self._next: dict[TopicPartition, int] = {}
        self._renewed_at = -math.inf
        self._rejoining = False
        self.lost = 0

    async def start(self) -> None:
        """Connects and joins the group."""
        # Rebalances are answered in the background, so a long insert needs no polling in between: a dead process is
        # found by its missing heartbeats, a hanging one by its lag.
        self._consumer = _consumer(
            self._settings,
            group_id=f"{self._settings.topic_prefix}{READER}",
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 4,
            max_poll_interval_ms=86_400_000,
            rebalance_timeout_ms=60_000,
        )
        await _start(self._consumer, self._settings)
        try:
            await self._join()
        except BaseException:
            await leave(self._consumer)
            raise

    async def _join(self) -> None:
        control = topics.WORKSPACE_CONTROL.full(self._settings.topic_prefix)
        known = await self._consumer.topics()
        missing = [name for name in (*self._names, control) if name not in known]
        if missing:
            raise Unreachable(f"Kafka at {self._settings.brokers} has no topic {missing[0]}", "run `wst topics apply`")
        self._epoch = await read_epoch(self._settings)
        self._consumer.subscribe(self._names, listener=_Listener(self))

    async def fetch(self, wait_s: float, limit: int) -> Batches:
        """Up to `limit` records that come next, after waiting at most so long for the first."""
        try:
            fetched = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=limit)
        except KafkaError as error:
            await self._join_anew(error)
            return {}
        if self._rejoining:
            # From the buffer of partitions that were just taken away: they lie behind what was dropped for that, and a commit
            # behind them, which the group still takes, would leave it out for ever. They come again from what is committed.
            return {}
        for partition, records in fetched.items():
            self._next[partition] = records[-1].offset + 1
        return {partition: [self._raw(record) for record in records] for partition, records in fetched.items()}

    def _raw(self, record: ConsumerRecord[bytes, bytes]) -> Raw:
        at = Position(self._epoch, record.partition, record.offset)
        return Raw(record.topic, at, record.key, record.value, record.headers, record.timestamp, record.offset)

    async def commit(self, batches: Batches) -> None:
        """Commits behind the last record of each partition."""
        try:
            await self._consumer.commit({partition: records[-1].offset + 1 for partition, records in batches.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions have another owner by now, who inserts the same rows once more.
            _log.warning("positions not committed, as the partitions were taken away: %s", error)
        except KafkaError as error:
            await self._join_anew(error)

    async def _join_anew(self, error: KafkaError) -> None:
        """Joins the group as a new member where the client cannot go on; not twice in a short while.

        Raises:
            KafkaError: the one given, as it is no such case.
            Unreachable: no broker answers any more.
        """
        # An answer to a heartbeat that the client does not expect, such as of a coordinator that still loads the group,
        # it tells as a bare KafkaError, and then with every fetch.
        if type(error) is not KafkaError or time.monotonic() - self._renewed_at < _RENEWALS_APART_S:
            raise error
        _log.warning("joining the group anew: %s", error)
        self._renewed_at = time.monotonic()
        self.lost += 1
        self._next.clear()
        await leave(self._consumer)
        await self.start()

    def lag(self) -> dict[TopicPartition, int]:
        """Records not yet fetched, by partition, as far as is known."""
        return _lag(self._consumer, self._next)

    async def end(self) -> int:
        """Sum of the ends of what is read, asked of the broker."""
        return await _end(self._consumer)

    async def stop(self) -> None:
        """Leaves the group."""
        await leave(self._consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    def __init__(self, source: GroupSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._source.lost += 1
        self._source._rejoining = True
        self._source._next.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._source._rejoining = False
        _log.info("reads %d partitions", len(assigned))


class WireSource:
    """The embedded tree's wire: all partitions, outside any group; the journal remembers the cursors."""

    lost: Final = 0

    def __init__(self, settings: Settings) -> None:
        if settings.journal is None:
            raise ValueError("no journal")
        self._settings = settings
        self._path = settings.journal
        self._names = [topics.BY_NAME[name].full(settings.topic_prefix) for name in TOPICS]
        # One thread: a journal is not for several, and a commit waits for other processes' appends.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink-journal")
        self._cursors: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connects and goes to what the wire still has; what lies before the cursor is skipped."""
        loop = asyncio.get_running_loop()
        self._journal = await loop.run_in_executor(self._thread, Journal, self._path, self._settings.partitions)
        cursors = await loop.run_in_executor(self._thread, self._journal.cursors)
        self._cursors = {TopicPartition(c.topic, c.partition): c.next_seq for c in cursors if c.consumer == READER}
        self._consumer = _consumer(self._settings)
        await _start(self._consumer, self._settings)
        partitions = [TopicPartition(name, number) for name in self._names for number in range(self._settings.partitions)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)

    async def fetch(self, wait_s: float, limit: int) -> Batches:
        """Up to `limit` records that come next, after waiting at most so long for the first."""
        fetched = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=limit)
        batches: dict[TopicPartition, list[Raw]] = {}
        for partition, records in fetched.items():
            self._next[partition] = records[-1].offset + 1
            known = self._cursors.get(partition, 0)
            news = [raw for raw in map(self._raw, records) if raw.position.offset >= known]
            if news:
                batches[partition] = news
        return batches

    def _raw(self, record: ConsumerRecord[bytes, bytes]) -> Raw:
        number = dict(record.headers).get(POSITION_HEADER)
        if number is None or not number.isdigit():
            raise WstError(f"a record of {record.topic} on the wire never was in the journal", "does anything else write to this broker?")
        at = Position(self._journal.epoch, record.partition, int(number))
        return Raw(record.topic, at, record.key, record.value, record.headers, record.timestamp, record.offset)

    async def commit(self, batches: Batches) -> None:
        """Sets the cursors behind the last record of each partition."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._set_cursors, batches)

    def _set_cursors(self, batches: Batches) -> None:
        for partition, records in batches.items():
            behind = records[-1].position.offset + 1
            self._journal.set_cursor(READER, partition.topic, partition.partition, behind)
            self._cursors[partition] = behind

    def lag(self) -> dict[TopicPartition, int]:
        """Records on the wire not yet fetched, by partition."""
        return _lag(self._consumer, self._next)

    async def end(self) -> int:
        """Sum of the ends of what is read, asked of the broker."""
        return await _end(self._consumer)

    async def stop(self) -> None:
        """Lets go of the wire and the journal."""
        await leave(self._consumer)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
        self._thread.shutdown(wait=False)
