"""What has to be there before a worker of a cluster starts: a broker, the topics, its changelogs, the log's epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.errors import Refused, Unreachable
from schemas.kafka import client_arguments
from schemas.settings import Settings
from streams.topology import CHANGELOG_CONFIG, AppPlan

#: How long a broker may take to answer before it counts as out of reach, s.
PATIENCE_S: Final = 15.0


async def prepare(settings: Settings, plan: AppPlan) -> int:
    """Checks topics, makes what is missing of the app's changelogs, and returns the log's epoch.

    Raises:
        Unreachable: no broker answers, or topics are missing: both are somebody else's to start first.
        Refused: a topic has another partition count.
    """
    arguments = client_arguments(settings)
    try:
        async with asyncio.timeout(PATIENCE_S):
            admin = AIOKafkaAdminClient(**arguments)
            try:
                await admin.start()
                await _check_topics(admin, settings)
                await _make_changelogs(admin, settings, plan)
            finally:
                await admin.close()
            return await read_epoch(settings)
    except (KafkaError, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(f"no Kafka broker answers at {settings.brokers} ({why})", "start it, or set WST_BROKERS") from error


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> Mapping[str, int]:
    described = await admin.describe_topics(names)
    return {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}


async def _check_topics(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    names = [topic.full(settings.topic_prefix) for topic in topics.ALL]
    have = await _partitions(admin, names)
    missing = [name for name in names if name not in have]
    if missing:
        raise Unreachable(f"the broker {settings.brokers} lacks the topics {', '.join(missing)}", "run `wst topics apply`")
    _check_counts(have, settings.partitions)


def _check_counts(have: Mapping[str, int], want: int) -> None:
    for name, count in have.items():
        if count != want:
            raise Refused(f"the topic {name} has {count} partitions, WST_PARTITIONS says {want}", f"set WST_PARTITIONS={count}")


async def _make_changelogs(admin: AIOKafkaAdminClient, settings: Settings, plan: AppPlan) -> None:
    names = list(plan.changelogs(settings.topic_prefix))
    have = await _partitions(admin, names)
    new = [
        NewTopic(name, settings.partitions, settings.replication_factor, topic_configs=dict(CHANGELOG_CONFIG))
        for name in names
        if name not in have
    ]
    if new:
        # Another worker may make them at the same moment: what counts is that they are there afterwards.
        await admin.create_topics(new)
        while len(have) < len(names):
            await asyncio.sleep(0.1)
            have = await _partitions(admin, names)
    _check_counts(have, settings.partitions)


async def read_epoch(settings: Settings) -> int:
    """The log's epoch, the highest that `workspace.control` names; 0 where none was ever written."""
    control = codec(topics.WORKSPACE_CONTROL.subject)
    epoch = 0
    async for record in read_to_end(settings, topics.WORKSPACE_CONTROL.full(settings.topic_prefix)):
        # Whoever wrote bytes that are no control record wrote no epoch.
        with suppress(Undecodable):
            found = control.decode(record.value)
            if found["kind"] == "log_epoch" and found["log_epoch"] is not None:
                epoch = max(epoch, found["log_epoch"]["epoch"])
    return epoch


async def read_to_end(settings: Settings, topic: str) -> Any:
    """Yields every record a topic holds at present, in order per partition; tombstones too."""
    consumer = AIOKafkaConsumer(**client_arguments(settings), auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        left = {tp: end for tp, end in ends.items() if end > begins[tp]}
        while left:
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    yield record
                if records and tp in left and await consumer.position(tp) >= left[tp]:
                    del left[tp]
    finally:
        await consumer.stop()
