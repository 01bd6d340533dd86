"""`wst topics` against a real Kafka broker: plans, creates, refuses what is not ours, marks a new log."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused
from schemas.settings import Settings
from streams.cli.topic_admin import TopicAdmin, all_topics, read_all
from tests.face.test_cli import wst, wst_process
from tests.platform.kafka import KafkaBroker

pytestmark = [pytest.mark.kafka]


def settings(kafka: KafkaBroker, unique: str, **more: Any) -> Settings:
    return Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=2, **more)


async def plan(given: Settings) -> list[str]:
    async with TopicAdmin(given) as admin:
        return [str(step) for step in await admin.plan()]


async def apply(given: Settings) -> None:
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())


async def put(given: Settings, name: str, *values: bytes | None, partition: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=given.brokers)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(name, value, key=b"k", partition=partition)
    finally:
        await producer.stop()


def tick() -> bytes:
    values = {"workspace_id": "w", "workspace_name": "w", "engine_id": "E", "tick_at_ns": 1, "samples": []}
    fields = {field["name"]: field.get("default", 0) for field in codec("stats_tick").schema["fields"]}
    return codec(topics.DOCKER_STATS.subject).encode(fields | values)


async def test_apply_creates_all_topics_with_their_settings_and_marks_a_new_log_once(kafka: KafkaBroker, unique: str) -> None:
    given = settings(kafka, unique)
    planned = await plan(given)
    assert len(planned) == len(all_topics()) == 11
    assert f"create {unique}.docker.events: 2 partitions, 1 replicas, cleanup.policy=delete, max.message.bytes=2097152, " in planned[0]
    await apply(given)
    assert await plan(given) == []
    await apply(given)
    marks = [codec("control").decode(value) for value in await read_all(given, f"{unique}.workspace.control")]
    assert [mark["kind"] for mark in marks] == ["log_epoch"]
    assert marks[0]["log_epoch"]["epoch"] > 1_700_000_000


async def test_a_setting_that_was_changed_is_set_again(kafka: KafkaBroker, unique: str) -> None:
    given = settings(kafka, unique)
    kafka.create_topic(f"{unique}.docker.stats", 2, **{"cleanup.policy": "delete", "retention.ms": "1000"})
    two_days = "message.timestamp.after.max.ms=172800000"
    assert f"set {unique}.docker.stats: max.message.bytes=2097152, {two_days}, retention.ms=604800000" in await plan(given)
    await apply(given)
    assert await plan(given) == []


async def test_another_partition_count_is_refused_with_the_setting_that_fits(kafka: KafkaBroker, unique: str) -> None:
    await asyncio.to_thread(kafka.create_topic, f"{unique}.workspace.state", 3)
    with pytest.raises(Refused, match=rf"topic {unique}\.workspace\.state has 3 partitions, WST_PARTITIONS says 2: set WST_PARTITIONS=3"):
        await plan(settings(kafka, unique))


async def test_a_topic_full_of_someone_elses_records_is_refused_but_one_bad_record_among_ours_is_not(
    kafka: KafkaBroker, unique: str
) -> None:
    given = settings(kafka, unique)
    await apply(given)
    name = f"{unique}.docker.stats"
    ours = tick()
    await put(given, name, b'{"json": 1}')
    with pytest.raises(Refused, match="holds records that are not wst's"):
        await plan(given)
    await put(given, name, ours)
    assert await plan(given) == []


async def test_a_bad_record_alone_in_its_partition_does_not_make_a_topic_with_records_of_ours_someone_elses(
    kafka: KafkaBroker, unique: str
) -> None:
    given = settings(kafka, unique)
    await apply(given)
    name = f"{unique}.docker.stats"
    await put(given, name, b"garbage", partition=0)
    await put(given, name, tick(), partition=1)
    assert await plan(given) == []


def test_the_commands_print_what_is_to_do_and_exit_by_it(kafka: KafkaBroker, unique: str) -> None:
    told = {"WST_BROKERS": kafka.bootstrap, "WST_TOPIC_PREFIX": f"{unique}.", "WST_PARTITIONS": "2"}
    planned = wst("topics", "plan", **told)
    assert (planned.returncode, len(planned.stdout.splitlines())) == (1, 11)
    assert len(json.loads(wst("topics", "plan", "--json", **told).stdout)) == 11
    assert wst("topics", "apply", **told).returncode == 0
    again = wst("topics", "plan", **told)
    assert (again.returncode, again.stdout) == (0, "all topics are as they must be\n")
    refused = wst("topics", "apply", **told | {"WST_PARTITIONS": "5"})
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_broker_out_of_reach_is_3_and_one_line_that_says_where_and_what_to_do(command: str) -> None:
    done = wst_process("topics", command, WST_BROKERS="127.0.0.1:1")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "wst: no Kafka broker answers at 127.0.0.1:1: start it, or set WST_BROKERS\n"
