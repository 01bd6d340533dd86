"""Requests to a producer among bytes that are none: they are got over, and the next request is heard."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from producers.control import Control, JournalControl, KafkaControl
from schemas.journal import Journal
from schemas.publish import Record
from schemas.requests import interval_record, sync_record
from schemas.topics import WORKSPACE_CONTROL
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S

GARBAGE = (b"", b"garbage", b'{"json": 1}', b"\xc3\x01" + bytes(8), b"\xc3\x01\xff", b"\x00\x00\x00\x00\x07x", bytes(1000), None)


def told(prefix: str) -> list[Record]:
    """A request, then all that is none cut from or beside it, then another."""
    first, last = sync_record(prefix, "*", "r1"), interval_record(prefix, "*", "collect", 5)
    whole = first.value or b""
    values = (*GARBAGE, *(whole[:size] for size in range(len(whole))), whole + b"x")
    return [first, *(first._replace(value=value) for value in values), last]


async def kinds(control: Control) -> list[str]:
    """Kinds of the first two records."""
    found: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for record in control.read():
            found += [] if record is None else [record["kind"]]
            if len(found) == 2:
                return found
    return found


async def test_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 4)
    journal.append(told("x."))
    # Partitions are read one after the other, and the two have different keys.
    assert sorted(await kinds(JournalControl(tmp_path / "journal.sqlite", 4, "x."))) == ["interval", "sync_request"]
    journal.close()


@pytest.mark.kafka
async def test_on_kafka(kafka: KafkaBroker, unique: str) -> None:
    topic = WORKSPACE_CONTROL.full(f"{unique}.")
    kafka.create_topic(topic)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for record in told(f"{unique}."):
        producer.produce(topic, key=record.key, value=record.value, timestamp=time.time_ns() // 1_000_000)
    assert await asyncio.to_thread(producer.flush, PATIENCE_S) == 0
    assert await kinds(KafkaControl({"bootstrap_servers": kafka.bootstrap}, f"{unique}.")) == ["sync_request", "interval"]
