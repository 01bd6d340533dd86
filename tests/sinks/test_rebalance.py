"""A rebalance that takes its time: what lies in the client's buffer belongs to partitions that were taken away."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.settings import Settings
from streams.sinks.rows import TOPICS
from streams.sinks.source import GroupSource
from tests.platform.kafka import KafkaBroker


async def test_between_the_loss_of_partitions_and_their_next_owner_nothing_is_taken_from_the_buffer(
    kafka: KafkaBroker, unique: str
) -> None:
    """
    sink   reads 0…9 ──taken away── 0…9 are dropped, 10… still lie in its buffer ──assigned──►
                                    (inserted and committed, they would leave out 0…9 for ever)
    """
    prefix = f"{unique}."
    for name in (*TOPICS, topics.WORKSPACE_CONTROL.name):
        kafka.create_topic(prefix + name, 1)
    topic = TopicPartition(prefix + topics.DOCKER_EVENTS.name, 0)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    for number in range(100):
        await producer.send(topic.topic, b"%d" % number)
    await producer.stop()
    source = GroupSource(Settings(brokers=kafka.bootstrap, topic_prefix=prefix, partitions=1))
    await source.start()
    try:
        assert await take(source) == list(range(10))
        # The client tells it so at the begin of a rebalance, and goes on handing out what it has fetched until the end.
        listener = source._consumer._subscription.listener
        await listener.on_partitions_revoked({topic})
        for _ in range(3):
            assert await source.fetch(0.1, 10) == {}
        await listener.on_partitions_assigned({topic})
        assert await take(source)
    finally:
        await source.stop()


async def take(source: GroupSource) -> list[int]:
    """The numbers of the next ten records at most."""
    async with asyncio.timeout(30):
        while True:
            for raws in (await source.fetch(0.2, 10)).values():
                return [int(raw.value or b"") for raw in raws]
