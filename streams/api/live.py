"""What is now: states, metrics and the latest events in memory, kept up to date from the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.codec import Undecodable
from schemas.errors import Unreachable
from schemas.kafka import client_arguments
from schemas.settings import Settings
from streams.api.recent import RecentEvents
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.query.archive import Archive
from streams.query.state_view import StateView, position_of
from streams.query.usage_view import UsageView
from streams.sinks.rows import arrived

_log: Final = logging.getLogger("wst.api")

#: A container without a sample in so long has none worth showing at a start.
_USAGE_MS: Final = 300_000
_POLL_MS: Final = 200


class Live:
    """Follows the output topics, each partition from where it is needed, outside any consumer group.

    Args:
        archive: asked for the states at a start where the log does not keep them (embedded); None: the log does.

    Attributes:
        loaded: set once all states that were known at the start are here.
        skipped: records that could not be read; the sink makes dead letters of them.
    """

    def __init__(self, settings: Settings, archive: Archive | None) -> None:
        self._settings = settings
        self._archive = archive
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        self.states = StateView()
        self.usage = UsageView()
        self.recent = RecentEvents()
        self.loaded = asyncio.Event()
        self.skipped = 0
        prefix = settings.topic_prefix
        self._take: dict[str, Callable[[ConsumerRecord[bytes, bytes]], None]] = {
            topics.WORKSPACE_STATE.full(prefix): self._take_state,
            topics.WORKSPACE_USAGE.full(prefix): self._take_usage,
            topics.WORKSPACE_CHANGES.full(prefix): self._take_event,
        }

    async def run(self) -> None:
        """Follows until cancelled.

        Raises:
            Unreachable: the broker does not answer, or topics are missing.
        """
        if self._archive is not None:
            for record in await self._archive.states():
                self.states.apply(record["workspace_id"], record, position_of(record))
        try:
            consumer = await self._open()
        except (KafkaError, OSError) as error:
            raise Unreachable(f"no Kafka broker answers at {self._settings.brokers} ({error})", "is it running? see WST_BROKERS") from error
        try:
            ends = await consumer.end_offsets(await self._place(consumer))
            while True:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=500)
                for partition, records in fetched.items():
                    self._take_all(partition, records)
                if not self.loaded.is_set() and await self._is_through(consumer, ends):
                    self.loaded.set()
        finally:
            await consumer.stop()

    def lag(self) -> dict[str, int]:
        """Records not yet taken, per topic; -1: not known."""
        lags: dict[str, int] = {}
        if self._consumer is None:
            return dict.fromkeys(self._take, -1)
        for partition in self._consumer.assignment():
            # What was last heard of the partition's end; asking anew would hold up a health check.
            end = self._consumer.highwater(partition)
            behind = max(0, end - self._positions[partition]) if end is not None and partition in self._positions else 0
            lags[partition.topic] = lags.get(partition.topic, 0) + behind
        return lags

    async def _open(self) -> AIOKafkaConsumer:
        self._consumer = AIOKafkaConsumer(
            **client_arguments(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # A produce does not wake a waiting fetch on the embedded broker.
            fetch_max_wait_ms=20 if self._settings.journal else 500,
        )
        await self._consumer.start()
        return self._consumer

    async def _place(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Assigns all partitions and goes to where each is needed; returns those of the states."""
        known = await consumer.topics()
        missing = [name for name in self._take if name not in known]
        if missing and not self._settings.journal:
            raise Unreachable(f"Kafka at {self._settings.brokers} has no topic {missing[0]}", "run `wst topics apply`")
        assigned = [
            TopicPartition(name, number)
            for name in self._take
            for number in sorted(consumer.partitions_for_topic(name) or range(self._settings.partitions))
        ]
        consumer.assign(assigned)
        if not self._settings.journal:
            await self._skip_the_past(consumer, assigned)
        return [partition for partition in assigned if partition.topic.endswith(topics.WORKSPACE_STATE.name)]

    async def _skip_the_past(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        """In a cluster states are read whole, samples from some minutes ago, events from now."""
        begin_ms = int(time.time() * 1000) - _USAGE_MS
        usage = [partition for partition in assigned if partition.topic.endswith(topics.WORKSPACE_USAGE.name)]
        events = [partition for partition in assigned if partition.topic.endswith(topics.WORKSPACE_CHANGES.name)]
        found = await consumer.offsets_for_times(dict.fromkeys(usage, begin_ms))
        ends = await consumer.end_offsets([*usage, *events])
        for partition in [*usage, *events]:
            at = found.get(partition)
            consumer.seek(partition, at.offset if at is not None else ends[partition])

    async def _is_through(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if self._positions.get(partition, 0) < end and await consumer.position(partition) < end:
                return False
        return True

    def _take_all(self, partition: TopicPartition, records: list[ConsumerRecord[bytes, bytes]]) -> None:
        take = self._take[partition.topic]
        for record in records:
            try:
                take(record)
            except (Undecodable, InvalidMessage) as error:
                self.skipped += 1
                _log.warning("skipped %s[%d]@%d: %s", partition.topic, partition.partition, record.offset, error)
        self._positions[partition] = records[-1].offset + 1

    def _take_state(self, record: ConsumerRecord[bytes, bytes]) -> None:
        self.states.apply_message(record.key, record.value, record.headers)
        if record.value is None and record.key is not None:
            self.usage.forget(record.key.decode("utf-8", "replace"))

    def _take_usage(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if dict(record.headers).get("wst-type") != b"windows":
            self.usage.apply(_decoded(topics.WORKSPACE_USAGE, record))

    def _take_event(self, record: ConsumerRecord[bytes, bytes]) -> None:
        self.recent.add(_decoded(topics.WORKSPACE_CHANGES, record))


def _decoded(topic: topics.Topic, record: ConsumerRecord[bytes, bytes]) -> dict[str, Any]:
    one = arrived(topic.name, Position(0, record.partition, record.offset), record.key, record.value, record.headers, record.timestamp)
    return one.record or {}
