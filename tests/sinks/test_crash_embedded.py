"""The sink of an embedded tree, killed and paused in the middle of inserts: the archive has what the journal has, once."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.journal import Journal
from streams.core.facts import Position
from streams.sinks.rows import TOPICS
from tests.embedded.wire import PARTITIONS, BrokerProcess
from tests.platform.process import wait_until
from tests.sinks.ask import ask
from tests.sinks.process import SinkProcess
from tests.sinks.traffic import PREFIX, Traffic, answers, expected, questions

MIXED_TOPICS = frozenset(PREFIX + name for name in TOPICS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    for store in ("state.sqlite", "usage.sqlite"):
        (tmp_path / store).touch()
    Journal(tmp_path / "journal.sqlite", PARTITIONS).close()
    return tmp_path


@pytest.fixture
def broker(data: Path) -> Iterator[BrokerProcess]:
    process = BrokerProcess(data / "journal.sqlite", os.environ | {"WST_JOURNAL": str(data / "journal.sqlite"), "WST_DATA_DIR": str(data)})
    yield process
    process.kill()


@pytest.fixture
def sink(data: Path, broker: BrokerProcess) -> Iterator[SinkProcess]:
    settings = {
        "WST_JOURNAL": str(data / "journal.sqlite"),
        "WST_DATA_DIR": str(data),
        "WST_BROKERS": broker.bootstrap,
        "WST_PARTITIONS": str(PARTITIONS),
        "WST_CLICKHOUSE_URL": f"chdb://{data / 'archive'}",
    }
    with SinkProcess(settings) as process:
        yield process


def _through(journal: Journal) -> bool:
    """The sink has set its cursor behind the last record of every partition."""
    cursors = {(c.topic, c.partition): c.next_seq for c in journal.cursors() if c.consumer == "sink"}
    last: dict[tuple[str, int], int] = {}
    for entry in journal.read(0, 1_000_000):
        last[entry.record.topic, entry.partition] = entry.seq
    return all(cursors.get(place, 0) > seq for place, seq in last.items() if place[0] in MIXED_TOPICS)


def _follow_as_workers_would(journal: Journal) -> None:
    """The relay waits for all readers: those that are not here have to say that they are through."""
    for reader in ("state", "usage"):
        for topic in MIXED_TOPICS:
            for partition in range(PARTITIONS):
                journal.set_cursor(reader, topic, partition, 1 << 60)


def test_killed_and_paused_in_the_middle_of_inserts_it_loses_and_doubles_nothing(data: Path, sink: SinkProcess) -> None:
    journal = Journal(data / "journal.sqlite", PARTITIONS)
    _follow_as_workers_would(journal)
    chance = random.Random(5)
    traffic = Traffic(seed=5)
    for round_ in range(5):
        for _ in range(6):
            journal.append(traffic.batch(150))
            time.sleep(chance.random() / 20)
        if round_ % 2 == 1:
            sink.pause()
            journal.append(traffic.batch(200))
            time.sleep(0.5)
            sink.resume()
        time.sleep(chance.random())
        sink.kill()
        journal.append(traffic.batch(50))
        sink.start()
    wait_until(lambda: _through(journal), "the sink has everything")
    sink.stop()
    log = [(e.record, Position(journal.epoch, e.partition, e.seq)) for e in journal.read(0, 1_000_000) if e.record.topic in MIXED_TOPICS]
    assert len(log) > 5_000
    must = asyncio.run(expected(log))
    have = answers(ask(data / "archive", *questions("wst")))
    assert {view: len(rows) for view, rows in have.items()} == {view: len(rows) for view, rows in must.items()}
    assert have == must
    assert all(must.values())
