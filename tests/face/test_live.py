"""The live view on the real embedded broker: what is published is shown, what is broken is skipped, restarts lose nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.errors import Unreachable
from schemas.journal import Journal
from schemas.publish import make_record
from schemas.settings import Settings
from schemas.topics import Topic
from streams.api.live import Live
from streams.api.places import Place
from streams.cli.topic_admin import TopicAdmin
from streams.query.memory import MemoryArchive
from streams.sinks.rows import CAUSE_HEADER
from tests.embedded.wire import PARTITIONS, BrokerProcess
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S
from tests.sinks.records import arrive, event, position, rows_of, sample, state, usage


def put(journal: Journal, topic: Topic, key: str, record: dict[str, Any], kind: str) -> None:
    now_ms = int(time.time() * 1000)
    journal.append([make_record(topic, "wst.", key, record, kind=kind, record_id="x", timestamp_ms=now_ms)])


async def until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@asynccontextmanager
async def following(broker: BrokerProcess, journal: Path, archive: MemoryArchive) -> AsyncIterator[Live]:
    live = Live(Settings(brokers=broker.bootstrap, journal=journal, partitions=PARTITIONS), archive)
    task = asyncio.create_task(live.run())
    try:
        loaded = asyncio.create_task(live.loaded.wait())
        await asyncio.wait([task, loaded], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        assert live.loaded.is_set()
        yield live
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_states_of_the_archive_and_of_the_wire_become_one_view_that_follows(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, PARTITIONS)
    archive = MemoryArchive()
    known = [state("old@laptop", position(1)), state("shop@laptop", position(5), reason="older")]
    for record in known:
        at = position(record["offset"])
        await archive.write(rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, record, at, record["workspace_id"])))
    put(journal, topics.WORKSPACE_STATE, "shop@laptop", state("shop@laptop", position(9), reason="newer"), "state")
    put(journal, topics.WORKSPACE_STATE, "shop@laptop", state("shop@laptop", position(7), reason="in between"), "state")
    broker = BrokerProcess(path)
    async with following(broker, path, archive) as live:
        assert [record["workspace_id"] for record in live.states] == ["old@laptop", "shop@laptop"]
        assert (live.states.get("shop@laptop") or {})["reason"] == "newer"

        put(journal, topics.WORKSPACE_USAGE, "shop@laptop", usage(samples=[sample(memory_used_bytes=77)]), "samples")
        await until(lambda: live.usage.metrics("shop@laptop", {"c1"}) is not None)
        metrics = live.usage.metrics("shop@laptop", {"c1"})
        assert metrics is not None
        assert metrics.memory_used_bytes == 77

        place = live.recent.place
        put(journal, topics.WORKSPACE_CHANGES, "shop@laptop", event(3), "status_changed")
        await asyncio.wait_for(live.recent.wait(place, 10), PATIENCE_S)
        assert [kept.event["seq"] for kept in live.recent.after(place, 10).events] == [3]

        forgotten = make_record(topics.WORKSPACE_STATE, "wst.", "shop@laptop", known[1], kind="state", record_id="x", timestamp_ms=1)
        headers = (*forgotten.headers, (CAUSE_HEADER, b"1.0.12"))
        journal.append([type(forgotten)(forgotten.topic, forgotten.key, None, headers, 1)])
        await until(lambda: live.states.get("shop@laptop") is None)
        assert live.usage.metrics("shop@laptop", {"c1"}) is None
    broker.kill()


@pytest.mark.parametrize("value", [b"", b"\xc3\x01", b"{}", b"\xc3\x01" + bytes(8) + b"x", bytes(1000)])
async def test_what_cannot_be_read_is_skipped_and_counted_and_the_view_goes_on(tmp_path: Path, value: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, PARTITIONS)
    for topic in (topics.WORKSPACE_STATE, topics.WORKSPACE_USAGE, topics.WORKSPACE_CHANGES):
        good = make_record(topic, "wst.", "shop@laptop", _of(topic), kind="x", record_id="x", timestamp_ms=1)
        journal.append([type(good)(good.topic, good.key, value, good.headers, 1), good])
    broker = BrokerProcess(path)
    async with following(broker, path, MemoryArchive()) as live:
        await until(lambda: len(live.recent.after(Place(live.recent.epoch, ()), 9).events) == 1)
        await until(lambda: live.usage.metrics("shop@laptop", {"c1"}) is not None)
        assert len(live.states) == 1
        assert live.skipped == 3
    broker.kill()


def _of(topic: Topic) -> dict[str, Any]:
    if topic is topics.WORKSPACE_STATE:
        return state("shop@laptop")
    return event(1) if topic is topics.WORKSPACE_CHANGES else usage(samples=[sample()])


async def test_a_broker_out_of_reach_is_said_in_one_line() -> None:
    live = Live(Settings(brokers="127.0.0.1:1"), None)
    with pytest.raises(Unreachable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        await live.run()


@asynccontextmanager
async def on_kafka(given: Settings) -> AsyncIterator[Live]:
    live = Live(given, None)
    task = asyncio.create_task(live.run())
    try:
        loaded = asyncio.create_task(live.loaded.wait())
        await asyncio.wait([task, loaded], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        loaded.cancel()
        if task.done():
            task.result()
        yield live
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish(given: Settings, *records: tuple[Topic, str, dict[str, Any]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=given.brokers)
    await producer.start()
    try:
        for topic, key, value in records:
            made = make_record(topic, given.topic_prefix, key, value, kind="x", record_id="x", timestamp_ms=int(time.time() * 1000))
            await producer.send_and_wait(made.topic, made.value, key=made.key, headers=list(made.headers))
    finally:
        await producer.stop()


@pytest.mark.kafka
async def test_in_a_cluster_all_states_are_read_and_events_from_now_on(kafka: KafkaBroker, unique: str) -> None:
    given = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=2)
    with pytest.raises(Unreachable, match=r"has no topic .*: run `wst topics apply`"):
        async with on_kafka(given):
            pass
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())
    names = [f"ws-{number}@laptop" for number in range(50)]
    await publish(
        given,
        *[(topics.WORKSPACE_STATE, name, state(name, position(number + 1))) for number, name in enumerate(names)],
        (topics.WORKSPACE_USAGE, names[0], usage(workspace_id=names[0], samples=[sample(memory_used_bytes=5)])),
        (topics.WORKSPACE_CHANGES, names[0], event(1, workspace_id=names[0])),
    )
    async with on_kafka(given) as live:
        assert [record["workspace_id"] for record in live.states] == sorted(names)
        await until(lambda: live.usage.metrics(names[0], {"c1"}) is not None)
        place = live.recent.place
        await publish(given, (topics.WORKSPACE_CHANGES, names[0], event(2, workspace_id=names[0])))
        await asyncio.wait_for(live.recent.wait(place, 20), PATIENCE_S)
        assert [kept.event["seq"] for kept in live.recent.after(place, 9).events] == [2]
        await until(lambda: set(live.lag().values()) == {0})
