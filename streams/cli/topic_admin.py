"""What the topics on Kafka are, what they must be, and the steps between."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas import topics
from schemas.codec import Undecodable, codec, framed
from schemas.errors import Refused, WstError
from schemas.kafka import broker_away, client_arguments
from schemas.publish import make_record
from schemas.settings import Settings
from schemas.topics import Topic

# What it complains about comes as an error too, and people get one line.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

_READ_MS: Final = 3_000
_CREATED_S: Final = 20.0
#: So many records of a partition show whose a topic is.
_LOOKED_AT: Final = 5


def all_topics() -> tuple[Topic, ...]:
    """The topics of the interface, and the changelogs of the workers' tables."""
    from streams.topology import APPS, CHANGELOG_CONFIG

    changelogs = [name for plan in APPS.values() for name in plan.changelogs("")]
    return (*topics.ALL, *(Topic(name, "", "compact", None, CHANGELOG_CONFIG) for name in changelogs))


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        create: the topic is missing.
        configs: settings to change, name → value; all of them when it is created.
    """

    topic: Topic
    name: str
    create: bool
    configs: dict[str, str] = field(default_factory=dict)
    partitions: int = 0
    replicas: int = 0

    def __str__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in sorted(self.configs.items()))
        if self.create:
            return f"create {self.name}: {self.partitions} partitions, {self.replicas} replicas, {settings}"
        return f"set {self.name}: {settings}"


class TopicAdmin:
    """Looks at Kafka's topics and changes them.

    Raises:
        Unreachable: no broker answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._topics = all_topics()
        self._admin: AIOKafkaAdminClient | None = None

    async def __aenter__(self) -> Self:
        self._admin = AIOKafkaAdminClient(**client_arguments(self._settings), request_timeout_ms=10_000)
        try:
            await self._admin.start()
        except (KafkaError, OSError) as error:
            await self._admin.close()
            raise broker_away(self._settings, error) from error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._admin is not None:
            await self._admin.close()

    async def plan(self) -> list[Step]:
        """What has to be done.

        Raises:
            Refused: a topic has another partition count, or holds what is not ours.
        """
        try:
            existing = {described["topic"]: described for described in await self._client.describe_topics()}
            ours = [topic for topic in self._topics if topic.full(self._prefix) in existing]
            for topic in ours:
                self._insist_on_partitions(topic, len(existing[topic.full(self._prefix)]["partitions"]))
            await self._insist_on_ours(ours)
            configs = await self._configs(ours)
        except (KafkaError, OSError) as error:
            raise broker_away(self._settings, error) from error
        return [step for topic in self._topics if (step := self._step(topic, configs.get(topic.full(self._prefix)))) is not None]

    async def apply(self, steps: list[Step]) -> None:
        """Does it, and marks the beginning of a new log when topics were created.

        Raises:
            WstError: Kafka refuses.
        """
        try:
            await self._create([step for step in steps if step.create])
            for step in steps:
                if not step.create:
                    await self._client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, step.name, dict(step.topic.kafka_config()))])
            if any(step.create for step in steps):
                await self._begin_epoch()
        except (KafkaError, OSError) as error:
            raise WstError(
                f"Kafka at {self._settings.brokers} refuses ({type(error).__name__}: {error})", "has the user the rights?"
            ) from error

    @property
    def _client(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            raise AssertionError("used outside its context")
        return self._admin

    def _step(self, topic: Topic, configs: dict[str, str] | None) -> Step | None:
        name, wanted = topic.full(self._prefix), topic.kafka_config()
        if configs is None:
            return Step(topic, name, True, wanted, self._settings.partitions, self._settings.replication_factor)
        differing = {key: value for key, value in wanted.items() if configs.get(key) != value}
        return Step(topic, name, False, differing) if differing else None

    def _insist_on_partitions(self, topic: Topic, found: int) -> None:
        wanted = self._settings.partitions
        if found != wanted:
            name = topic.full(self._prefix)
            raise Refused(
                f"topic {name} has {found} partitions, WST_PARTITIONS says {wanted}",
                f"set WST_PARTITIONS={found}, or another WST_TOPIC_PREFIX: the count of a topic cannot change without a replay",
            )

    async def _insist_on_ours(self, ours: list[Topic]) -> None:
        """Reads the first records of each partition: someone else's topic must not be written to."""
        judged = [topic for topic in ours if topic.subject]
        if not judged:
            return
        consumer = AIOKafkaConsumer(**client_arguments(self._settings), enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        try:
            for topic in judged:
                name = topic.full(self._prefix)
                partitions = [TopicPartition(name, number) for number in range(self._settings.partitions)]
                _insist_on_values(topic, name, await _first_values(consumer, partitions))
        finally:
            await consumer.stop()

    async def _configs(self, ours: list[Topic]) -> dict[str, dict[str, str]]:
        if not ours:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic.full(self._prefix)) for topic in ours]
        found: dict[str, dict[str, str]] = {}
        for answer in await self._client.describe_configs(resources):
            for code, message, _, name, entries in answer.resources:
                if code:
                    raise for_code(code)(message)
                found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    async def _create(self, steps: list[Step]) -> None:
        if not steps:
            return
        new = [NewTopic(step.name, step.partitions, step.replicas, topic_configs=step.configs) for step in steps]
        answer = await self._client.create_topics(new)
        for name, code, *message in answer.topic_errors:
            # Two at once make the same topics.
            if code and code != TopicAlreadyExistsError.errno:
                raise for_code(code)(f"{name}: {message[0] if message else ''}")

    async def _begin_epoch(self) -> None:
        """Positions of topics that were made anew do not compare with older ones: the epoch says so."""
        now_ns = time.time_ns()
        section = {"epoch": now_ns // 10**9, "reason": "topics were created"}
        value: dict[str, Any] = {"kind": "log_epoch", "target": "*", "written_at_ns": now_ns, "log_epoch": section}
        record = make_record(
            topics.WORKSPACE_CONTROL,
            self._prefix,
            "*:log_epoch",
            value,
            kind="log_epoch",
            record_id=f"log_epoch.{section['epoch']}",
            timestamp_ms=now_ns // 10**6,
        )
        producer = AIOKafkaProducer(**client_arguments(self._settings), enable_idempotence=True)
        await producer.start()
        try:
            sent = producer.send_and_wait(
                record.topic, framed(record.value), key=record.key, headers=list(record.headers), timestamp_ms=record.timestamp_ms
            )
            await asyncio.wait_for(sent, _CREATED_S)
        finally:
            await producer.stop()


async def _first_values(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> list[bytes | None]:
    """Values of the first records of each partition."""
    begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    values: list[bytes | None] = []
    for partition in partitions:
        if ends[partition] > begins[partition]:
            consumer.assign([partition])
            consumer.seek(partition, begins[partition])
            fetched = await consumer.getmany(partition, timeout_ms=_READ_MS, max_records=_LOOKED_AT)
            values += [record.value for record in fetched.get(partition, ())]
    return values


def _insist_on_values(topic: Topic, name: str, values: list[bytes | None]) -> None:
    """A bad record among ours is for the dead letters, in whichever partition; a topic of nothing else is another program's."""
    reason = ""
    for value in values:
        if value is None:
            continue
        try:
            codec(topic.subject).decode(value)
        except Undecodable as error:
            if error.code != "unknown_schema":
                reason = error.reason
                continue
        return
    if reason:
        raise Refused(
            f"topic {name} holds records that are not wst's ({reason})", "set another WST_TOPIC_PREFIX, or remove what is not ours"
        )


async def read_all(settings: Settings, name: str) -> list[bytes | None]:
    """Values of all records of a topic, for a small one.

    Raises:
        Unreachable: no broker answers.
    """
    consumer = AIOKafkaConsumer(**client_arguments(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    values: list[bytes | None] = []
    try:
        await consumer.start()
        partitions = [TopicPartition(name, number) for number in range(settings.partitions)] if name in await consumer.topics() else []
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions) if partitions else {}
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            fetched = await consumer.getmany(timeout_ms=_READ_MS)
            values += [record.value for records in fetched.values() for record in records]
    except (KafkaError, OSError) as error:
        raise broker_away(settings, error) from error
    finally:
        await consumer.stop()
    return values
