"""A broker that goes away while the sink works: it is waited for, and who has to stop meanwhile says why in one line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.publish import Record
from schemas.settings import Settings
from streams.sinks.consumer import SinkConsumer
from streams.sinks.counters import Policy
from streams.sinks.letters import BrokerAway, KafkaLetters
from streams.sinks.source import GroupSource
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S
from tests.sinks.test_consumer import QUICK, Failing, Script, raw
from tests.sinks.test_crash_cluster import PARTITIONS, logged
from tests.sinks.traffic import Traffic


class Away:
    """Takes letters only after it was asked so often."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.asked = asyncio.Event()
        self.taken: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> None:
        self.asked.set()
        self._times -= 1
        if self._times >= 0:
            raise BrokerAway("no broker")
        self.taken += records

    async def close(self) -> None: ...


async def test_dead_letters_wait_for_the_broker_and_no_position_is_committed_before(caplog: pytest.LogCaptureFixture) -> None:
    source, archive, letters = Script([raw(1), raw(2, b"junk")], [raw(3)]), Failing(), Away(20)
    source.consumer = SinkConsumer(source, archive, letters, "wst.", QUICK)
    with caplog.at_level(logging.WARNING, "wst.sink"):
        await source.consumer.run()
    assert (archive.facts, len(letters.taken), source.committed[-1]) == (["f1", "f3"], 1, 3)
    assert [record.message for record in caplog.records].count("no broker; nothing is lost, trying again") == 1


async def test_told_to_stop_while_no_broker_takes_dead_letters_it_ends_at_once_and_commits_nothing() -> None:
    source, letters = Script([raw(1), raw(2, b"junk")]), Away(10_000)
    consumer = SinkConsumer(source, Failing(), letters, "wst.", Policy(linger_s=0.01, first_wait_s=60, longest_wait_s=60))
    running = asyncio.create_task(consumer.run())
    await asyncio.wait_for(letters.asked.wait(), PATIENCE_S)
    consumer.stop()
    await asyncio.wait_for(running, PATIENCE_S)
    assert source.committed == []


async def test_letters_refused_by_an_absent_broker_go_to_it_when_it_is_back(private_kafka: KafkaBroker, unique: str) -> None:
    private_kafka.create_topic(f"{unique}.dead.letters", 1)
    letters = KafkaLetters(Settings(brokers=private_kafka.bootstrap, topic_prefix=f"{unique}."))
    record = Record(topics.DEAD_LETTERS.full(f"{unique}."), b"k", b"v", (), 1)
    private_kafka.kill()
    with pytest.raises(BrokerAway, match="takes no records"):
        await letters.publish([record])
    private_kafka.start()
    await letters.publish([record])
    await letters.close()


async def test_a_source_can_be_left_while_its_broker_is_away(private_kafka: KafkaBroker, unique: str) -> None:
    settings = Settings(brokers=private_kafka.bootstrap, topic_prefix=f"{unique}.", partitions=PARTITIONS)
    async with logged(private_kafka, unique):
        source = GroupSource(settings)
        await source.start()
        await source.fetch(1.0, 10)
        private_kafka.kill()
        await source.fetch(1.0, 10)
        await source.stop()
        private_kafka.start()


async def test_a_client_that_cannot_go_on_is_replaced_and_what_was_not_committed_comes_again(kafka: KafkaBroker, unique: str) -> None:
    """aiokafka ends its heartbeats for good when a coordinator answers one with what it does not expect."""
    settings = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=PARTITIONS)
    async with logged(kafka, unique) as log:
        await log.write(Traffic(5, f"{unique}.").batch(60))
        source = GroupSource(settings)
        await source.start()
        first = await _offsets(source)
        lost = source.lost
        source._consumer._coordinator._pending_exception = KafkaError("Unexpected exception in heartbeat task")
        assert await source.fetch(1.0, 1_000) == {}
        assert source.lost > lost
        assert await _offsets(source) == first
        source._consumer._coordinator._pending_exception = KafkaError("Unexpected exception in heartbeat task")
        with pytest.raises(KafkaError, match="heartbeat"):
            await source.fetch(1.0, 1_000)
        await source.stop()


async def _offsets(source: GroupSource) -> set[tuple[str, int, int]]:
    """Everything from where the group stands, once nothing comes any more."""
    found: set[tuple[str, int, int]] = set()
    async with asyncio.timeout(30):
        while fetched := await source.fetch(1.0 if found else 10.0, 1_000):
            found |= {(one.topic, one.position.partition, one.offset) for records in fetched.values() for one in records}
    return found
