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
from schemas.publish import make_record
from schemas.settings import Settings
from schemas.topics import Topic
from streams import ResourceMonitor, Tracker
from streams.cli.topic_admin import TopicAdmin
from tests.client.waiting import until
from tests.platform.kafka import KafkaBroker
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
        assert (await asyncio.wait_for(seen, 20))["memory_usage"] == 77

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
