"""A `wst broker` process and a reader that does what every reader of an embedded tree has to do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.journal import Journal
from schemas.publish import Record
from streams.embedded.readers import STORES
from tests.platform.process import PATIENCE_S

TOPIC = "wst.docker.events"
PARTITIONS = 4


def fact(number: int, size: int = 200, topic: str = TOPIC) -> Record:
    return Record(topic, f"ws-{number % 11}".encode(), b"%d:" % number + b"x" * size, (("wst-type", b"t"),), int(time.time() * 1000))


class BrokerProcess:
    """`wst broker` on a journal, in a process of its own."""

    def __init__(self, journal: Path, environment: dict[str, str] | None = None) -> None:
        if environment is None:
            for store in STORES.values():
                (journal.parent / store).touch()
            environment = os.environ | {"WST_JOURNAL": str(journal), "WST_DATA_DIR": str(journal.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "schemas.wst", "broker"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("wst-ready "), line + self._process.communicate()[1]
        self.bootstrap = line.split()[1]
        self.pid = self._process.pid

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode

    def wait(self) -> tuple[int, str]:
        _, said = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, said


class Reader:
    """Keeps what it has read in memory that outlives brokers and consumers: its own durable store.

    Attributes:
        have: position and value of each record it took, per partition, in the order taken.
    """

    def __init__(self, journal: Path, name: str, topic: str = TOPIC) -> None:
        self._journal = Journal(journal, PARTITIONS)
        self._name = name
        self._topic = topic
        self.have: dict[int, list[tuple[int, bytes]]] = {partition: [] for partition in range(PARTITIONS)}

    @property
    def count(self) -> int:
        return sum(len(records) for records in self.have.values())

    def has(self, count: int) -> bool:
        return self.count >= count

    async def read(self, bootstrap: str, until: Callable[[], bool], *, at_once: int = 500, pause_s: float = 0.0) -> None:
        """Reads from the wire's beginning until a condition holds, skipping what it has; commits after each fetch."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(self._topic, partition) for partition in range(PARTITIONS)])
            while not until():
                fetched = await consumer.getmany(timeout_ms=50, max_records=at_once)
                for tp, messages in fetched.items():
                    self._take(tp.partition, [(int(dict(m.headers)["wst-position"]), m.value) for m in messages])
                await asyncio.sleep(pause_s)
        finally:
            await consumer.stop()

    def _take(self, partition: int, records: list[tuple[int, bytes]]) -> None:
        have = self.have[partition]
        for position, value in records:
            if not have or position > have[-1][0]:
                have.append((position, value))
        self._journal.set_cursor(self._name, self._topic, partition, have[-1][0] + 1)

    def commit_all(self) -> None:
        """Sets a cursor on every partition, as a reader does at its first commit."""
        for partition, have in self.have.items():
            self._journal.set_cursor(self._name, self._topic, partition, have[-1][0] + 1 if have else 1)


def expected(journal: Path, topic: str = TOPIC) -> dict[int, list[tuple[int, bytes]]]:
    """What the journal has, per partition."""
    log = Journal(journal, PARTITIONS)
    return {
        partition: [(entry.seq, entry.record.value or b"") for entry in log.read_partition(topic, partition, 0, 10_000_000)]
        for partition in range(PARTITIONS)
    }
