"""What workers of a cluster read beside their inputs, among bytes that are none: the epoch, and the states of all workers."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.codec import codec
from schemas.settings import Settings
from streams.log_epoch import read_epoch
from streams.query.state_view import StateView
from streams.state_follower import StateFollower
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, wait_until
from tests.sinks import records

pytestmark = pytest.mark.kafka

GARBAGE = (b"", b"garbage", b"\xc3\x01" + bytes(8), b"\xc3\x01\xff", b"\x00\x00\x00\x00\x07x", bytes(1000))


def put(kafka: KafkaBroker, topic: str, *told: tuple[str, bytes | None]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for key, value in told:
        producer.produce(topic, key=key.encode(), value=value, partition=0)
    assert producer.flush(PATIENCE_S) == 0


def made(kafka: KafkaBroker, unique: str, topic: topics.Topic) -> tuple[Settings, str]:
    kafka.create_topic(topic.full(f"{unique}."))
    return Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=1, _env_file=None), topic.full(f"{unique}.")


def epoch(number: int) -> bytes:
    section = {"epoch": number, "reason": "topics were created"}
    return codec("control").encode({"kind": "log_epoch", "target": "*", "written_at_ns": 1, "log_epoch": section})


def state(name: str, offset: int) -> bytes:
    return codec("state").encode(records.state(name, records.position(offset)))


async def test_the_epoch_is_found_among_bytes_that_are_no_control_records(kafka: KafkaBroker, unique: str) -> None:
    settings, topic = made(kafka, unique, topics.WORKSPACE_CONTROL)
    garbage = [("*:log_epoch", value) for value in (*GARBAGE, None, epoch(9)[:-1])]
    put(kafka, topic, *garbage, ("*:log_epoch", epoch(7)), *garbage)
    assert await read_epoch(settings) == 7


async def test_states_are_followed_among_bytes_that_are_none(kafka: KafkaBroker, unique: str) -> None:
    settings, topic = made(kafka, unique, topics.WORKSPACE_STATE)
    view = StateView()
    follower = StateFollower(settings, view, end)
    garbage = [("shop", value) for value in (*GARBAGE, state("shop", 3)[:-1], None)]  # a tombstone says by header what it ends
    put(kafka, topic, ("shop", state("shop", 1)), *garbage)
    await follower.start()
    assert view.get("shop")
    put(kafka, topic, *garbage, ("desk", state("desk", 2)))
    await asyncio.to_thread(wait_until, lambda: view.get("desk") is not None, "the state behind it", PATIENCE_S)
    assert follower.refused == 2 * len(garbage)
    await follower.close()


async def test_a_view_that_cannot_be_kept_ends_the_worker(kafka: KafkaBroker, unique: str) -> None:
    settings, topic = made(kafka, unique, topics.WORKSPACE_STATE)
    view = StateView()
    said: list[str] = []

    def noted(reason: str) -> NoReturn:
        said.append(reason)
        raise asyncio.CancelledError

    follower = StateFollower(settings, view, noted)
    await follower.start()

    def fails(*_: object) -> None:
        raise LookupError("shop")

    view.listeners.append(fails)
    put(kafka, topic, ("shop", state("shop", 1)))
    await asyncio.to_thread(wait_until, lambda: bool(said), "the end", PATIENCE_S)
    assert said == ["states are not followed any more: LookupError: shop"]
    await follower.close()


def end(reason: str) -> NoReturn:
    raise AssertionError(reason)
