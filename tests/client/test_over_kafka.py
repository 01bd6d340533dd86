"""Tracker and ResourceMonitor on a real Kafka broker: states from the log, requests through it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused, Unreachable
from schemas.publish import Record, make_record
from schemas.settings import Settings
from schemas.topics import Topic
from streams import ResourceMonitor, Tracker
from streams.agents import StateAgent, Writer
from streams.cli.topic_admin import TopicAdmin
from streams.core.facts import Position
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.topology import workspaces_table
from tests.client.waiting import until, until_forgotten, until_known
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S
from tests.sinks.records import event, position, sample, state, usage


async def put(given: Settings, topic: Topic, key: str, value: dict[str, Any], kind: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=given.brokers)
    await producer.start()
    try:
        made = make_record(topic, given.topic_prefix, key, value, kind=kind, record_id="x", timestamp_ms=int(time.time() * 1000))
        await producer.send_and_wait(made.topic, made.value, key=made.key, headers=list(made.headers))
    finally:
        await producer.stop()


async def answer(given: Settings, asked: list[dict[str, Any]], stop: asyncio.Event) -> None:
    """Answers requests to list as a producer and a worker would; to the second one it says no."""
    consumer = AIOKafkaConsumer(
        topics.WORKSPACE_CONTROL.full(given.topic_prefix), bootstrap_servers=given.brokers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    request = codec("control").decode(record.value)["sync_request"]
                    if request is None:
                        continue
                    asked.append(request)
                    sync = {"sync_id": "s", "engine": "laptop", "request_id": request["id"], "workspace_count": 1}
                    more: dict[str, Any] = {"workspace_id": None, "kind": "sync_complete", "stream": "engine", "sync": sync}
                    if len(asked) > 1:
                        context = {"request_id": request["id"]}
                        error = {"error": "no", "code": "refused", "retry_count": 0, "occurred_at_ns": 1, "context": context}
                        more = {"kind": "error", "error": error, "message": "the engine is away"}
                    told = event(len(asked), **more)
                    await put(given, topics.WORKSPACE_CHANGES, "E1", told, told["type"])
    finally:
        await consumer.stop()


@pytest.mark.kafka
async def test_states_changes_metrics_and_requests_go_through_the_log(kafka: KafkaBroker, unique: str) -> None:
    given = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=2)
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())
    await put(given, topics.WORKSPACE_STATE, "shop@laptop", state("shop@laptop", position(1)), "state")
    heard: list[Any] = []
    asked: list[dict[str, Any]] = []
    stop = asyncio.Event()
    answering = asyncio.create_task(answer(given, asked, stop))
    async with Tracker(given) as tracker, ResourceMonitor(given) as monitor:
        tracker.on_state_change(lambda *change: heard.append(change))
        assert (tracker.get_workspace_state("shop") or {})["status"] == "active"
        read_ns = time.time_ns()
        watching = monitor.watch("shop")
        seen = asyncio.ensure_future(anext(watching))
        used = usage(samples=[sample(read_ns=read_ns, memory_used_bytes=77)], tick_at_ns=read_ns)
        await put(given, topics.WORKSPACE_USAGE, "shop@laptop", used, "samples")
        assert (await asyncio.wait_for(seen, PATIENCE_S))["memory_usage"] == 77

        await put(given, topics.WORKSPACE_STATE, "shop@laptop", state("shop@laptop", position(2), status="inactive", seq=2), "state")
        await until(lambda: heard)
        assert [(name, old["status"], new["status"]) for name, old, new in heard] == [("shop@laptop", "active", "inactive")]

        (answered,) = await tracker.force_sync("shop")
        assert (answered["type"], answered["data"]["engine"], answered["data"]["workspace_count"]) == ("sync_complete", "laptop", 1)
        assert asked[0]["workspace_id"] == "shop@laptop"
        with pytest.raises(Refused, match="the engine is away"):
            await tracker.force_sync()
        stop.set()
        await answering
        with pytest.raises(Unreachable, match="no answer from the producer of E1 within"):
            await tracker.force_sync("shop", timeout_seconds=0.2)

        await tracker.set_sync_interval(15)
        await monitor.set_collect_interval(5)
        # The other one hears it from the log.
        await until(lambda: monitor._source.interval_seconds("sync") == 15)
        await until(lambda: tracker._source.interval_seconds("collect") == 5)
        stats = tracker.stats()
        assert (stats.workspaces, stats.sync_interval_seconds, stats.registered_callbacks, stats.failures) == (1, 15, 1, 0)
        await until(lambda: tracker.stats().lag_records == 0)
        await watching.aclose()  # type: ignore[attr-defined]


async def fold(given: Settings, stop: asyncio.Event) -> None:
    """The state agent over the topic, as a worker runs it, without anything to survive a death."""
    consumer = AIOKafkaConsumer(
        topics.DOCKER_EVENTS.full(given.topic_prefix), bootstrap_servers=given.brokers, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=given.brokers)
    sent: list[Record] = []
    refused = DeadLetters("state", given.topic_prefix, sent.append)
    agent = StateAgent(workspaces_table(), Writer(given.topic_prefix, sent.append, refused), refused)
    await consumer.start()
    await producer.start()
    try:
        for partition in range(given.partitions):
            agent.begin(partition)
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=50)).values():
                for one in records:
                    at = Position(1, one.partition, one.offset)
                    agent.fold(Input(one.topic, at, one.key, one.value, one.headers, one.timestamp))
                agent.finish()
                for record in sent:
                    await producer.send(record.topic, record.value, key=record.key, headers=list(record.headers))
                sent.clear()
    finally:
        await consumer.stop()
        await producer.stop()


@pytest.mark.kafka
async def test_commands_from_two_places_at_once_are_decided_by_the_log_and_each_is_told(kafka: KafkaBroker, unique: str) -> None:
    given = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=2)
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())
    stop = asyncio.Event()
    folding = asyncio.create_task(fold(given, stop))
    async with Tracker(given) as here, Tracker(given) as there:
        for number in range(5):
            name = f"lab-{number}@laptop"
            made = await here.register(name, f"Lab {number}", why="soon", by="ada")
            assert (made or {})["reason"] == "registered by ada: soon"
            await until_known(there, name)
            said = await asyncio.gather(here.archive(name, by="ada"), there.archive(name, by="bob"), return_exceptions=True)
            won = [one for one in said if not isinstance(one, BaseException)]
            lost = [one for one in said if isinstance(one, BaseException)]
            assert ([one["status"] for one in won if one], [str(one) for one in lost]) == (
                ["archived"],
                [f"archive {name}: it is archived already"],
            )
            assert all(isinstance(one, Refused) for one in lost)
            said = await asyncio.gather(here.forget(name), there.unarchive(name), return_exceptions=True)
            assert said[0] is None
            assert not isinstance(said[1], BaseException) or isinstance(said[1], Refused)
            await until_forgotten(here, name)
            await until_forgotten(there, name)
        stop.set()
        await folding
