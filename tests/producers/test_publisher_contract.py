"""What every outlet promises, over memory, the journal and a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers.outbox import KafkaOutlet
from producers.publisher import JournalOutlet, MemoryOutlet, Outlet
from schemas.codec import codec
from schemas.journal import Journal
from schemas.publish import Record
from schemas.topics import MAX_RECORD_BYTES
from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until

Read = Callable[[str, int], Awaitable[list[Record]]]


@dataclass(frozen=True, slots=True)
class Case:
    """An outlet, and how to read back what it published: topic, how many."""

    outlet: Outlet
    read: Read
    prefix: str


def make(topic: str, number: int, key: bytes | None = b"k", size: int = 8) -> Record:
    value = number.to_bytes(8, "big") + bytes(size - 8)
    return Record(topic, key, value, (("wst-type", b"x"), ("wst-id", str(number).encode())), 1_700_000_000_000 + number)


@asynccontextmanager
async def memory(_folder: Path) -> AsyncIterator[Case]:
    outlet = MemoryOutlet()

    async def read(topic: str, _count: int) -> list[Record]:
        return [record for record in outlet.records if record.topic == topic]

    yield Case(outlet, read, "wst.")


@asynccontextmanager
async def journal(folder: Path) -> AsyncIterator[Case]:
    outlet = JournalOutlet(folder / "journal.sqlite", 4, "wst.")

    async def read(topic: str, _count: int) -> list[Record]:
        reader = Journal(folder / "journal.sqlite", 4)
        try:
            return [entry.record for entry in reader.read(0, 100_000) if entry.record.topic == topic]
        finally:
            reader.close()

    yield Case(outlet, read, "wst.")
    await outlet.close()


def consume(broker: KafkaBroker, topic: str, count: int = 0) -> list[Record]:
    """All there is in partition 0 of a topic; waits until it is at least so much."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False, "log_level": 2})
    partition = TopicPartition(topic, 0, 0)

    def end_offset() -> int:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=10)[1])
        except KafkaException:
            return -1  # the broker has just come back and this client has not noticed yet

    wait_until(lambda: end_offset() >= count, f"{count} records in {topic}")
    end = end_offset()
    consumer.assign([partition])
    found: list[Record] = []
    try:
        while len(found) < end and (message := consumer.poll(10)) is not None:
            headers = tuple(cast("list[tuple[str, bytes]]", message.headers() or []))
            found.append(Record(topic, message.key(), message.value(), headers, message.timestamp()[1]))
    finally:
        consumer.close()
    return found


@asynccontextmanager
async def kafka_case(folder: Path, broker: KafkaBroker, unique: str) -> AsyncIterator[Case]:
    prefix = f"{unique}."
    for name in ("docker.events", "docker.stats", "dead.letters"):
        await asyncio.to_thread(broker.create_topic, prefix + name, 1, max_message_bytes=str(2 * MAX_RECORD_BYTES))
    outlet = KafkaOutlet({"bootstrap_servers": broker.bootstrap}, folder / "outbox.sqlite", prefix)
    outlet.start()

    async def read(topic: str, count: int) -> list[Record]:
        return await asyncio.to_thread(consume, broker, topic, count)

    yield Case(outlet, read, prefix)
    await outlet.close()


@pytest.fixture(params=["memory", "journal", pytest.param("kafka", marks=pytest.mark.kafka)])
async def case(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> AsyncIterator[Case]:
    if request.param == "kafka":
        async with kafka_case(tmp_path, request.getfixturevalue("kafka"), unique) as made:
            yield made
    else:
        async with {"memory": memory, "journal": journal}[request.param](tmp_path) as made:
            yield made


async def test_records_arrive_whole_and_in_order(case: Case) -> None:
    topic = f"{case.prefix}docker.events"
    records = [make(topic, number) for number in range(300)]
    for begin in range(0, 300, 70):
        await case.outlet.publish(records[begin : begin + 70])
    assert await case.read(topic, 300) == records


async def test_concurrent_publishers_keep_each_its_own_order(case: Case) -> None:
    topic = f"{case.prefix}docker.events"

    async def publish(numbers: Sequence[int]) -> None:
        for number in numbers:
            await case.outlet.publish([make(topic, number)])

    ranges = [range(begin, begin + 50) for begin in (0, 1_000, 2_000)]
    await asyncio.gather(*(publish(numbers) for numbers in ranges))
    arrived = [int(dict(record.headers)["wst-id"]) for record in await case.read(topic, 150)]
    assert sorted(arrived) == sorted(number for numbers in ranges for number in numbers)
    for numbers in ranges:
        assert [number for number in arrived if number in numbers] == list(numbers)


async def test_samples_arrive_beside_facts(case: Case) -> None:
    topic = f"{case.prefix}docker.stats"
    await case.outlet.offer([make(topic, 1), make(topic, 2)])
    await case.outlet.publish([])
    assert await case.read(topic, 2) == [make(topic, 1), make(topic, 2)]
    assert case.outlet.dropped == 0


async def test_a_record_too_large_becomes_a_dead_letter_and_the_rest_goes_on(case: Case) -> None:
    if isinstance(case.outlet, MemoryOutlet):
        pytest.skip("memory has no limit")
    topic = f"{case.prefix}docker.events"
    records = [make(topic, 1), make(topic, 2, size=MAX_RECORD_BYTES + 1), make(topic, 3)]
    await case.outlet.publish(records)
    assert await case.read(topic, 2) == [records[0], records[2]]
    (letter,) = await case.read(f"{case.prefix}dead.letters", 1)
    refused = codec("dead_letter").decode(letter.value)
    assert (refused["code"], refused["topic"], refused["key"]) == ("too_large", topic, b"k")
    assert refused["value_size"] == MAX_RECORD_BYTES + 1
