"""What is now: states, metrics and the latest events in memory, kept up to date from the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.alive import say_alive
from schemas.codec import Undecodable, codec
from schemas.kafka import broker_away, client_arguments, leave
from schemas.settings import Settings
from streams.api.answers import Answers
from streams.api.begin import begin_of
from streams.api.open_alerts import OpenAlerts
from streams.api.pulse import Pulse, Touched
from streams.api.recent import RecentEvents
from streams.core.invalid import InvalidMessage
from streams.query.archive import Archive
from streams.query.engine_view import EngineView
from streams.query.state_view import StateView, position_of
from streams.query.usage_view import UsageView
from streams.sinks.rows import record_of

_log: Final = logging.getLogger("wst.api")

_POLL_MS: Final = 200
_CONTROL: Final = codec(topics.WORKSPACE_CONTROL.subject)
_SNAPSHOT: Final = codec(topics.DOCKER_SNAPSHOTS.subject)


class Live:
    """Follows the output topics, each partition from where it is needed, outside any consumer group.

    Args:
        archive: asked for the states at a start where the log does not keep them (embedded); None: the log does.

    Attributes:
        loaded: set once all states that were known at the start are here.
        pulse: beats with every record taken that is news.
        changed_states, changed_metrics: which workspaces had news.
        answers: what became of commands and syncs.
        engines: the engines and who watches them.
        alerts: those that last, as far as the log tells; what is older the archive adds.
        skipped: records that could not be read; the sink makes dead letters of them.
    """

    def __init__(self, settings: Settings, archive: Archive | None) -> None:
        self.settings = settings
        self._archive = archive
        self._consumer: AIOKafkaConsumer | None = None
        self._begin = begin_of(settings)
        self._goals: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self.states = StateView()
        self.usage = UsageView()
        self.pulse = Pulse()
        self.recent = RecentEvents(pulse=self.pulse)
        self.changed_states = Touched()
        self.changed_metrics = Touched()
        self.answers = Answers()
        self.alerts = OpenAlerts()
        self.engines = EngineView()
        self.loaded = asyncio.Event()
        self.skipped = 0
        prefix = settings.topic_prefix
        #: Full name of the topic that facts lie in.
        self.facts_topic = topics.DOCKER_EVENTS.full(prefix)
        self._take: dict[str, Callable[[ConsumerRecord[bytes, bytes]], None]] = {
            topics.WORKSPACE_STATE.full(prefix): self._take_state,
            topics.WORKSPACE_USAGE.full(prefix): self._take_usage,
            topics.WORKSPACE_CHANGES.full(prefix): self._take_event,
            topics.WORKSPACE_CONTROL.full(prefix): lambda record: self.engines.apply_control(_CONTROL.decode(record.value)),
            topics.DOCKER_SNAPSHOTS.full(prefix): lambda record: self.engines.apply_snapshot(_SNAPSHOT.decode(record.value)),
        }

    async def run(self) -> None:
        """Follows until cancelled.

        Raises:
            Unreachable: the broker does not answer, or topics are missing.
        """
        if self._archive is not None:
            for record in await self._archive.states():
                self.states.apply(record["workspace_id"], record, position_of(record))
        consumer = AIOKafkaConsumer(
            **client_arguments(self.settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # A produce does not wake a waiting fetch on the embedded broker; nobody sees a twentieth of a second.
            fetch_max_wait_ms=50 if self.settings.journal else 500,
        )
        try:
            await consumer.start()
            self._consumer = consumer
            await self._place(consumer)
            quiet_since = time.monotonic()
            while True:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=500)
                say_alive(self.settings.data_dir, "api")
                for partition, records in fetched.items():
                    self._take_all(partition, records)
                quiet_since = time.monotonic() if fetched else quiet_since
                if not self._goals or time.monotonic() - quiet_since > self._begin.quiet_s:
                    self.loaded.set()
        except (KafkaError, OSError) as error:
            raise broker_away(self.settings, error) from error
        finally:
            await leave(consumer)

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

    def lag_by_partition(self) -> dict[TopicPartition, int]:
        """Records not yet taken, by partition, as far as is known."""
        consumer = self._consumer
        ends = {} if consumer is None else {partition: consumer.highwater(partition) for partition in consumer.assignment()}
        return {partition: max(0, (end or 0) - self._positions.get(partition, end or 0)) for partition, end in ends.items()}

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        assigned = [TopicPartition(name, number) for name in self._take for number in range(self.settings.partitions)]
        consumer.assign(assigned)
        await self._begin.place(consumer, assigned)
        events = [partition for partition in assigned if partition.topic == topics.WORKSPACE_CHANGES.full(self.settings.topic_prefix)]
        log = await self._begin.events(consumer, events)
        self.recent.begin(log.epoch, log.first, log.must_have, log.end)
        states = [partition for partition in assigned if partition.topic == topics.WORKSPACE_STATE.full(self.settings.topic_prefix)]
        self._goals = await self._begin.goals(consumer, states)

    def _take_all(self, partition: TopicPartition, records: list[ConsumerRecord[bytes, bytes]]) -> None:
        take = self._take[partition.topic]
        for record in records:
            try:
                take(record)
            except (Undecodable, InvalidMessage) as error:
                self.skipped += 1
                _log.warning("skipped %s[%d]@%d: %s", partition.topic, partition.partition, record.offset, error)
        self._positions[partition] = records[-1].offset + 1
        if partition in self._goals and self._begin.behind(records[-1]) >= self._goals[partition]:
            del self._goals[partition]

    def _take_state(self, record: ConsumerRecord[bytes, bytes]) -> None:
        workspace_id = (record.key or b"").decode("utf-8", "replace")
        if self.states.apply_message(record.key, record.value, record.headers):
            self.changed_states.touch(workspace_id)
            self.pulse.beat()
        if self.answers.take_headers(record.headers):
            self.pulse.beat()
        if record.value is None and record.key is not None:
            self.usage.forget(workspace_id)

    def _take_usage(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if dict(record.headers).get("wst-type") != b"windows":
            usage = record_of(topics.WORKSPACE_USAGE.name, record.key, record.value)
            if self.usage.apply(usage):
                self.changed_metrics.touch(usage["workspace_id"])
                self.pulse.beat()

    def _take_event(self, record: ConsumerRecord[bytes, bytes]) -> None:
        at = self._begin.behind(record) - 1
        self.recent.seen(record.partition, at)
        event = record_of(topics.WORKSPACE_CHANGES.name, record.key, record.value)
        self.answers.take_event(event)
        self.alerts.take_event(event)
        self.recent.add(event, record.partition, at)
