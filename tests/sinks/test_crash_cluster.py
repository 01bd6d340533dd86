"""Sinks of a cluster: a real Kafka broker, ClickHouse over HTTP, sinks killed and paused, ClickHouse killed and failing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.publish import Record, make_record
from streams import migrate
from streams.core.facts import Position
from streams.sinks.clickhouse import Address, connect
from streams.sinks.rows import TOPICS
from tests.platform.clickhouse_http import ClickHouseHttpServer, Fault
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S
from tests.sinks.process import SinkProcess
from tests.sinks.traffic import Traffic, answers, expected, partition, questions

PARTITIONS = 3
EPOCH = 1_790_000_000


class Log:
    """Publishes to Kafka and remembers what went where."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.written: list[tuple[Record, Position]] = []

    async def write(self, written: list[Record]) -> None:
        sent = [
            await self._producer.send(
                r.topic, r.value, key=r.key, partition=partition(r, PARTITIONS), headers=list(r.headers), timestamp_ms=r.timestamp_ms
            )
            for r in written
        ]
        for record, each in zip(written, sent, strict=True):
            at = await each
            self.written.append((record, Position(EPOCH, at.partition, at.offset)))


@pytest.fixture
async def log(kafka: KafkaBroker, unique: str) -> AsyncIterator[Log]:
    async with logged(kafka, unique) as log:
        yield log


@asynccontextmanager
async def logged(kafka: KafkaBroker, unique: str) -> AsyncIterator[Log]:
    """Topics of their own, the epoch of their log, and a producer."""
    for name in TOPICS:
        kafka.create_topic(f"{unique}.{name}", PARTITIONS)
    kafka.create_topic(f"{unique}.{topics.WORKSPACE_CONTROL.name}", PARTITIONS)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True)
    await producer.start()
    section = {"epoch": EPOCH, "reason": "test"}
    control = make_record(
        topics.WORKSPACE_CONTROL,
        f"{unique}.",
        "*",
        {"kind": "log_epoch", "target": "*", "written_at_ns": 1, "log_epoch": section},
        kind="log_epoch",
        record_id="e",
        timestamp_ms=1,
    )
    await producer.send_and_wait(control.topic, control.value, key=control.key, headers=list(control.headers))
    yield Log(producer)
    await producer.stop()


def settings(kafka: KafkaBroker, server: ClickHouseHttpServer, unique: str) -> dict[str, str]:
    return {
        "WST_BROKERS": kafka.bootstrap,
        "WST_TOPIC_PREFIX": f"{unique}.",
        "WST_PARTITIONS": str(PARTITIONS),
        "WST_CLICKHOUSE_URL": server.url,
        "WST_CLICKHOUSE_DATABASE": unique,
    }


async def all_committed(kafka: KafkaBroker, unique: str, timeout_s: float = PATIENCE_S) -> None:
    """Waits until the group stands behind the last record of every partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=f"{unique}.sink", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(f"{unique}.{name}", number) for name in TOPICS for number in range(PARTITIONS)]
        async with asyncio.timeout(timeout_s):
            while True:
                ends = await consumer.end_offsets(places)
                committed = {place: await consumer.committed(place) for place in places}
                if all((committed[place] or 0) >= ends[place] for place in places):
                    return
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()


async def compare(log: Log, server: ClickHouseHttpServer, unique: str) -> None:
    client = server.client()
    have = answers(client.query(question).result_rows for question in questions(unique))
    client.close()
    must: Mapping[str, list[tuple[object, ...]]] = await expected(log.written, f"{unique}.")
    assert {view: len(rows) for view, rows in have.items()} == {view: len(rows) for view, rows in must.items()}
    assert have == must
    assert all(must.values())


def migrated(server: ClickHouseHttpServer, unique: str) -> None:
    address = Address(server.url, unique)
    client = connect(address)
    migrate.apply(address, client)
    client.close()


async def test_sinks_killed_and_paused_past_their_session_lose_and_double_nothing(
    kafka: KafkaBroker, private_clickhouse_http: ClickHouseHttpServer, log: Log, unique: str
) -> None:
    """
    first   ──kill─start─kill─start──SIGSTOP ······ past its session ······ SIGCONT: inserts again, cannot commit ──►
    second                                  ──takes over────────────────────────────────────────────────────────►
    """
    server = private_clickhouse_http
    migrated(server, unique)
    chance, traffic = random.Random(11), Traffic(11, f"{unique}.")
    environment = settings(kafka, server, unique)
    with SinkProcess(environment) as first, SinkProcess(environment) as second:
        second.kill()
        for _ in range(2):
            # Inserts that take their time, so that the kill falls into one.
            server.fail(Fault("delay", "INSERT", times=10, delay_s=0.1))
            await log.write(traffic.batch(800))
            await asyncio.sleep(0.5 + chance.random())
            first.kill()
            await log.write(traffic.batch(200))
            first.start()
        server.fail(Fault("delay", "INSERT", times=10, delay_s=0.3))
        await log.write(traffic.batch(800))
        await asyncio.sleep(1.0)
        first.pause()
        await log.write(traffic.batch(400))
        second.start()
        await all_committed(kafka, unique)
        first.resume()
        await log.write(traffic.batch(400))
        await all_committed(kafka, unique)
        # The first one is still at what it held when it was paused, or through with it; then it is as idle as the second.
        await asyncio.sleep(2)
    await compare(log, server, unique)


async def test_clickhouse_killed_and_failing_is_waited_for_and_said_once(
    kafka: KafkaBroker, private_clickhouse_http: ClickHouseHttpServer, log: Log, unique: str
) -> None:
    server = private_clickhouse_http
    migrated(server, unique)
    traffic = Traffic(12, f"{unique}.")
    with SinkProcess(settings(kafka, server, unique)) as sink:
        # Refused, and done but the answer lost, half and half; then a dead server that comes back.
        server.fail(Fault("refuse", "INSERT", times=2), Fault("lose", "INSERT", times=2), Fault("cut", "INSERT", times=2))
        await log.write(traffic.batch(600))
        await asyncio.sleep(1.5)
        await log.write(traffic.batch(600))
        server.kill()
        await log.write(traffic.batch(600))
        await asyncio.sleep(2)
        said = sink.log_path.read_text().count("nothing is lost, trying again")
        server.start()
        await all_committed(kafka, unique)
        told = sink.log_path.read_text()
        assert told.count("nothing is lost, trying again") == told.count("the archive answers again")
        assert said >= 1
    await compare(log, server, unique)


async def test_a_broker_killed_and_started_again_is_waited_for(
    private_kafka: KafkaBroker, clickhouse_http: ClickHouseHttpServer, unique: str
) -> None:
    migrated(clickhouse_http, unique)
    traffic = Traffic(13, f"{unique}.")
    async with logged(private_kafka, unique) as log:
        with SinkProcess(settings(private_kafka, clickhouse_http, unique)) as sink:
            await log.write(traffic.batch(600))
            await asyncio.sleep(0.7)
            private_kafka.kill()
            await asyncio.sleep(1)
            private_kafka.start()
            await log.write(traffic.batch(600))
            await all_committed(private_kafka, unique)
            assert sink.is_running
        await compare(log, clickhouse_http, unique)
