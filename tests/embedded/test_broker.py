"""The embedded log as its readers see it: a real broker process on a real journal, killed and starved."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.journal import Journal
from schemas.publish import Record, partition_of
from streams.embedded.readers import READERS, STORES
from tests.embedded.wire import PARTITIONS, TOPIC, BrokerProcess, Reader, expected, fact
from tests.platform.process import PATIENCE_S


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    Journal(path, PARTITIONS).close()
    return path


@pytest.fixture
def broker(journal: Path) -> Iterator[BrokerProcess]:
    process = BrokerProcess(journal)
    yield process
    process.kill()


async def test_a_record_arrives_whole_in_its_partition_with_its_number_and_within_a_hop(journal: Path, broker: BrokerProcess) -> None:
    log = Journal(journal, PARTITIONS)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, fetch_max_wait_ms=20)
    await consumer.start()
    try:
        partition = partition_of(b"key", PARTITIONS)
        consumer.assign([TopicPartition("wst.workspace.state", partition)])
        await consumer.seek_to_end()
        delays = []
        for number in range(40):
            record = Record(
                "wst.workspace.state", b"key", None if number % 2 else b"v", (("wst-type", b"state"),), 1_700_000_000_000 + number
            )
            began = time.perf_counter()
            seq = log.append([record])
            message = await asyncio.wait_for(consumer.getone(), PATIENCE_S)
            delays.append(time.perf_counter() - began)
            assert (message.key, message.value, message.timestamp) == (record.key, record.value, record.timestamp_ms)
            assert message.headers == (*record.headers, ("wst-position", b"%d" % seq))
            await asyncio.sleep(random.random() / 50)
        # The least: what the wire takes, not what else this machine does.
        assert min(delays) < 0.05
    finally:
        await consumer.stop()


async def test_whatever_moment_the_broker_is_killed_a_reader_has_everything_once_and_in_order(journal: Path) -> None:
    log = Journal(journal, PARTITIONS)
    reader = Reader(journal, "state")
    for reading in ("sink",):  # the other reader of the topic has everything at once
        for partition in range(PARTITIONS):
            log.set_cursor(reading, TOPIC, partition, 1 << 40)
    written = 0
    seed = random.Random(7)
    for _ in range(6):
        broker = BrokerProcess(journal)
        target = min(reader.count + seed.randrange(200, 900), written + 1_000)

        async def write() -> None:
            nonlocal written
            for _ in range(20):
                log.append([fact(written + number) for number in range(50)])
                written += 50
                await asyncio.sleep(0.002)

        await asyncio.gather(write(), reader.read(broker.bootstrap, partial(reader.has, target), at_once=97))
        broker.kill()
    broker = BrokerProcess(journal)
    await asyncio.wait_for(reader.read(broker.bootstrap, lambda: reader.count >= written), PATIENCE_S)
    assert broker.stop() == 0
    assert written == 6_000
    assert reader.have == expected(journal)


async def test_a_paused_reader_loses_nothing_though_the_wire_keeps_five_megabytes(journal: Path, broker: BrokerProcess) -> None:
    log = Journal(journal, PARTITIONS)
    for number in range(0, 6_000, 500):  # 60 MB, 15 a partition
        log.append([fact(number + more, size=10_000) for more in range(500)])
    fast, slow = Reader(journal, "state"), Reader(journal, "sink")
    await asyncio.sleep(1.0)  # nobody reads: what went on the wire unasked would be lost now
    await asyncio.wait_for(
        asyncio.gather(
            fast.read(broker.bootstrap, lambda: fast.count == 6_000), slow.read(broker.bootstrap, lambda: slow.count == 6_000, pause_s=0.05)
        ),
        60,
    )
    assert fast.have == slow.have == expected(journal)
    assert psutil.Process(broker.pid).memory_info().rss < 150_000_000


async def test_a_reader_whose_store_is_gone_gets_everything_from_a_wire_that_begins_anew(journal: Path) -> None:
    log = Journal(journal, PARTITIONS)
    log.append([fact(number) for number in range(1_000)])
    for name in ("state", "sink"):
        for partition in range(PARTITIONS):
            log.set_cursor(name, TOPIC, partition, 901)
    broker = BrokerProcess(journal)
    log.forget_cursors("state")
    status, said = await asyncio.to_thread(broker.wait)
    assert status == 1
    assert "went back to record" in said
    again = BrokerProcess(journal)
    reader = Reader(journal, "state")
    await asyncio.wait_for(reader.read(again.bootstrap, lambda: reader.count == 1_000), PATIENCE_S)
    assert reader.have == expected(journal)
    again.kill()


async def test_a_reader_whose_store_was_removed_while_all_was_down_begins_at_the_beginning(journal: Path) -> None:
    log = Journal(journal, PARTITIONS)
    log.append([fact(number) for number in range(500)])
    for name in ("state", "sink"):
        for partition in range(PARTITIONS):
            log.set_cursor(name, TOPIC, partition, 501)
    BrokerProcess(journal).kill()
    (journal.parent / "state.sqlite").rename(journal.parent / "elsewhere")
    environment = os.environ | {"WST_JOURNAL": str(journal), "WST_DATA_DIR": str(journal.parent)}
    broker = BrokerProcess(journal, environment)
    reader = Reader(journal, "state")
    await asyncio.wait_for(reader.read(broker.bootstrap, lambda: reader.count == 500), PATIENCE_S)
    assert reader.have == expected(journal)
    broker.kill()


def test_the_readers_waited_for_are_those_that_read() -> None:
    from streams.sinks.rows import TOPICS
    from streams.topology import APPS

    read = {name: {topic.name for topic in plan.inputs} for name, plan in APPS.items()} | {"sink": set(TOPICS)}
    assert {name: {topic.name for topic in topics} for name, topics in READERS.items()} == read
    assert set(STORES) == set(READERS)


def test_a_million_facts_in_the_journal_do_not_slow_a_start(journal: Path) -> None:
    log = Journal(journal, PARTITIONS)
    facts = [fact(number, size=60) for number in range(50_000)]
    for _ in range(20):
        log.append(facts)
    for name in ("state", "sink"):
        for partition in range(PARTITIONS):
            log.set_cursor(name, TOPIC, partition, 999_990)
    broker = BrokerProcess(journal)
    reader = Reader(journal, "state")
    asyncio.run(asyncio.wait_for(reader.read(broker.bootstrap, lambda: reader.count >= 11), PATIENCE_S))
    # Its own work, whatever else the machine does; reading the journal through would take ten times as much.
    spent_s = sum(psutil.Process(broker.pid).cpu_times()[:2])
    broker.kill()
    assert spent_s < 1.0
    assert [position for have in reader.have.values() for position, _ in have if position < 999_990] == []


def test_an_idle_broker_sleeps(broker: BrokerProcess) -> None:
    process = psutil.Process(broker.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(3)
    # That it does not spin; how little it costs is measured, not tested: `python -m benchmarks.tree`.
    assert (sum(process.cpu_times()[:2]) - before) / 3 < 0.5


def test_without_a_journal_it_says_what_it_is_for(tmp_path: Path) -> None:
    import subprocess
    import sys

    environment = {name: value for name, value in os.environ.items() if name != "WST_JOURNAL"}
    done = subprocess.run([sys.executable, "-m", "schemas.wst", "broker"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "wst: `wst broker` is a part of `wst up`: run `wst up`, or set WST_JOURNAL to a journal's path\n",
    )
