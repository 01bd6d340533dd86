"""What the broker or the disk refuses: said, waited for or got over, and neither facts nor samples wait for the others' fault."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from producers import app
from producers.control import NoControl
from producers.engines import Given
from producers.outbox import KafkaOutlet, Samples
from producers.publisher import MemoryOutlet
from schemas.codec import codec
from schemas.errors import WstError
from schemas.journal import Journal
from schemas.publish import Record
from schemas.settings import Settings
from streams.cli.topic_admin import TopicAdmin
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, wait_until
from tests.producers.test_engine_contract import played
from tests.producers.test_outbox import numbers
from tests.producers.test_publisher_contract import consume, make

DAY_MS = 86_400_000
#: aiokafka's patience with a topic that is not there.
SOON = {"request_timeout_ms": 500}


@asynccontextmanager
async def outlet_on(kafka: KafkaBroker, journal: Path, prefix: str, **client: Any) -> AsyncIterator[KafkaOutlet]:
    outlet = KafkaOutlet({"bootstrap_servers": kafka.bootstrap, **client}, journal, prefix)
    outlet.start()
    yield outlet
    await outlet.close()


async def until(holds: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what, PATIENCE_S)


@pytest.mark.kafka
async def test_a_disk_that_fails_for_a_while_is_said_and_waited_for(
    kafka: KafkaBroker, unique: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic, path = f"{unique}.events", tmp_path / "outbox.sqlite"
    kafka.create_topic(topic)
    async with outlet_on(kafka, path, "x.") as outlet:
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE cursors RENAME TO away")
        await outlet.publish([make(topic, 1)])
        await until(lambda: "facts wait in the outbox" in caplog.text, "it is said")
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE away RENAME TO cursors")
        await outlet.publish([make(topic, 2)])
        await until(lambda: outlet.waiting.records == 0, "all is sent")
    assert list(dict.fromkeys(numbers(kafka, topic, 2))) == [1, 2]


@pytest.mark.kafka
async def test_a_producer_whose_outbox_does_not_send_any_more_ends_with_the_error(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    kafka.create_topic(f"{unique}.events")
    journal = Journal(tmp_path / "outbox.sqlite", 1)
    journal.append([make(f"{unique}.events", 1)])
    journal.close()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        other.execute("UPDATE records SET headers = x'00000001ff'")  # a name without its value
    outlet = KafkaOutlet({"bootstrap_servers": kafka.bootstrap}, tmp_path / "outbox.sqlite", f"{unique}.")
    settings = Settings(data_dir=tmp_path, engine_name="laptop", _env_file=None)
    with pytest.raises(ValueError, match="zip"):
        async with asyncio.timeout(PATIENCE_S):
            await app.run(settings, [Given(played(), "laptop")], outlet=outlet, control=NoControl())


@pytest.mark.kafka
async def test_a_listing_overtakes_no_event_although_only_its_own_topic_takes_records(
    private_kafka: KafkaBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events, listings = "x.docker.events", "x.docker.snapshots"
    for topic in (events, listings):
        private_kafka.create_topic(topic)
    async with outlet_on(private_kafka, tmp_path / "outbox.sqlite", "x.", **SOON) as outlet:
        await outlet.publish([make(events, 0), make(listings, 0)])  # the client knows who leads them
        await until(lambda: outlet.waiting.records == 0, "both are there")
        admin = private_kafka.admin()  # kept in a name: its requests die with it
        admin.delete_topics([events])[events].result(PATIENCE_S)
        await outlet.publish([make(events, 1), make(listings, 1), make(listings, 2), make(events, 2)])
        await until(lambda: "facts wait in the outbox" in caplog.text, "it is said")
        assert numbers(private_kafka, listings) == [0]
        await asyncio.to_thread(private_kafka.create_topic, events)
        await until(lambda: outlet.waiting.records == 0, "all is sent")
    assert list(dict.fromkeys(numbers(private_kafka, listings))) == [0, 1, 2]
    assert list(dict.fromkeys(numbers(private_kafka, events))) == [1, 2]


class Full(MemoryOutlet):
    """Takes nothing any more."""

    closed = False

    async def publish(self, records: Sequence[Record]) -> None:
        raise WstError(f"the journal takes no record, not one of {len(records)}", "is the disk full?")

    async def close(self) -> None:
        self.closed = True


async def test_a_producer_that_ends_because_its_disk_is_full_says_so_and_lets_go_of_everything(tmp_path: Path) -> None:
    outlet = Full()
    with pytest.raises(WstError, match="is the disk full"):
        async with asyncio.timeout(PATIENCE_S):
            await app.run(Settings(data_dir=tmp_path, engine_name="laptop", _env_file=None), [Given(played(), "laptop")], outlet=outlet,
                          control=NoControl())  # fmt: skip
    assert outlet.closed


@pytest.mark.kafka
async def test_facts_do_not_wait_for_the_topic_of_the_samples_and_samples_wait_for_it_themselves(
    kafka: KafkaBroker, unique: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    facts, samples = f"{unique}.docker.events", f"{unique}.docker.stats"
    kafka.create_topic(facts)
    async with outlet_on(kafka, tmp_path / "outbox.sqlite", f"{unique}.", **SOON) as outlet:
        await outlet.offer([make(samples, number, size=1_000) for number in range(40)])
        await outlet.publish([make(facts, number) for number in range(5)])
        await until(lambda: f"samples wait in their buffer: topic {samples}" in caplog.text, "it is said")
        await until(lambda: outlet.waiting.records == 0, "the cursor moves")
        assert list(dict.fromkeys(numbers(kafka, facts, 5))) == list(range(5))
        await asyncio.to_thread(kafka.create_topic, samples)
        assert list(dict.fromkeys(await asyncio.to_thread(numbers, kafka, samples, 40))) == list(range(40))
        assert outlet.dropped == 0


@pytest.mark.kafka
async def test_samples_on_their_way_when_the_broker_stops_answering_arrive_later(
    private_kafka: KafkaBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    private_kafka.create_topic("x.docker.stats")
    async with outlet_on(private_kafka, tmp_path / "outbox.sqlite", "x.", **SOON) as outlet:
        await outlet.offer([make("x.docker.stats", 0)])
        await asyncio.to_thread(numbers, private_kafka, "x.docker.stats", 1)
        private_kafka.pause()
        await outlet.offer([make("x.docker.stats", number, size=1_000) for number in range(1, 60)])
        await until(lambda: "samples wait in their buffer" in caplog.text, "it is said")
        private_kafka.resume()
        await until(lambda: set(numbers(private_kafka, "x.docker.stats")) == set(range(60)), "all arrive")
        assert outlet.dropped == 0


def ahead(topic: str, number: int) -> Record:
    return make(topic, number)._replace(timestamp_ms=time.time_ns() // 1_000_000 + DAY_MS + number)


@pytest.mark.kafka
async def test_a_fact_of_a_host_whose_clock_is_a_day_ahead_is_published_as_it_is(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    async with TopicAdmin(Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=1, _env_file=None)) as admin:
        await admin.apply(await admin.plan())
    topic = f"{unique}.docker.events"
    fact = ahead(topic, 1)
    async with outlet_on(kafka, tmp_path / "outbox.sqlite", f"{unique}.") as outlet:
        await outlet.publish([fact])
        assert await asyncio.to_thread(consume, kafka, topic, 1) == [fact]


@pytest.mark.kafka
async def test_a_topic_made_by_hand_that_refuses_times_ahead_gets_earlier_ones_and_nothing_is_held_up(
    kafka: KafkaBroker, unique: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic = f"{unique}.docker.events"
    kafka.create_topic(topic)
    facts = [make(topic, 1), ahead(topic, 2), ahead(topic, 3), make(topic, 4)]
    async with outlet_on(kafka, tmp_path / "outbox.sqlite", f"{unique}.") as outlet:
        await outlet.publish(facts)
        arrived = await asyncio.to_thread(consume, kafka, topic, 4)
        await until(lambda: outlet.waiting.records == 0, "the cursor moves")
    assert [record.value for record in arrived] == [fact.value for fact in facts]
    assert [arrived[0], arrived[3]] == [facts[0], facts[3]], "times that were right stay"
    assert max(record.timestamp_ms for record in arrived) <= time.time_ns() // 1_000_000
    assert "wst topics apply" in caplog.text


@pytest.mark.kafka
async def test_a_clock_ahead_of_the_brokers_is_gone_back_behind_step_by_step(
    kafka: KafkaBroker, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{unique}.docker.events"
    kafka.create_topic(topic)
    now_ns = time.time_ns
    monkeypatch.setattr("producers.sender.time.time_ns", lambda: now_ns() + DAY_MS * 1_000_000)  # this host's clock
    async with outlet_on(kafka, tmp_path / "outbox.sqlite", f"{unique}.") as outlet:
        await outlet.publish([ahead(topic, 1)])
        (arrived,) = await asyncio.to_thread(consume, kafka, topic, 1)
    assert arrived.timestamp_ms <= now_ns() // 1_000_000 + 3_600_000


async def test_samples_that_were_not_delivered_come_first_again_and_the_oldest_behind_them_make_room() -> None:
    samples = Samples(300, bool)
    samples.add([make("x.docker.stats", number, size=100) for number in range(2)])  # 101 bytes each, with the key
    given = [*await samples.first(500)]
    samples.add([make("x.docker.stats", number, size=100) for number in range(2, 6)])
    assert samples.dropped == 2
    assert await samples.first(1) == given[:1]
    await samples.delivered(1)
    assert [int(dict(record.headers)["wst-id"]) for record in await samples.first(500)] == [1, 4, 5]


async def test_a_sample_that_no_topic_takes_becomes_a_dead_letter_and_is_not_given_again() -> None:
    letters = MemoryOutlet()
    samples = Samples(1 << 20, lambda sample: letters.publish([sample]))
    samples.add([make("x.docker.stats", 1), make("x.docker.stats", 2)])
    first, second = await samples.first(500)
    await samples.too_large()
    assert letters.records == [first]
    assert await samples.first(500) == [second]


@pytest.mark.kafka
async def test_a_sample_the_broker_finds_too_large_becomes_a_dead_letter_and_the_others_arrive(
    kafka: KafkaBroker, unique: str, tmp_path: Path
) -> None:
    topic, letters = f"{unique}.docker.stats", f"{unique}.dead.letters"
    kafka.create_topic(topic, 1, max_message_bytes="20000")
    kafka.create_topic(letters)
    async with outlet_on(kafka, tmp_path / "outbox.sqlite", f"{unique}.") as outlet:
        await outlet.offer([make(topic, 1), make(topic, 2, size=50_000), make(topic, 3)])
        (letter,) = await asyncio.to_thread(consume, kafka, letters, 1)
        assert codec("dead_letter").decode(letter.value)["topic"] == topic
        await until(lambda: set(numbers(kafka, topic)) == {1, 3}, "the others arrive")
        assert outlet.dropped == 0
