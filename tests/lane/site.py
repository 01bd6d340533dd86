"""Workers of the lane on a real Kafka broker, in processes that a test kills, pauses and starts again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from schemas.publish import partition_of
from streams.lane.changelog import MARK_KEY
from tests.lane.tally import Tally, reference
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, ROOT, wait_until

PARTITIONS = 4
#: The product's shortest: a test waits as long for a dead member, and a busy machine must deliver within two fifths of it.
SESSION_S = 6.0
Numbers = Sequence[tuple[bytes, int]]


def numbers(seed: int, count: int, keys: int = 40) -> list[tuple[bytes, int]]:
    draw = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201  # shown when the test fails
    return [(b"k%d" % draw.randrange(keys), draw.randrange(1_000)) for _ in range(count)]


@dataclass
class Worker:
    """One worker process."""

    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        return self.process.wait(timeout_s)

    def is_stopped(self) -> bool:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def handles(self, number: int) -> bool:
        """The process has come far enough to handle a signal itself."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (number - 1) & 1)

    def said(self) -> str:
        return self.log.read_text()


@dataclass
class Site:
    """Topics of one test, and the workers on them."""

    broker: KafkaBroker
    name: str
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    offered: list[tuple[bytes, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source, self.out = f"{self.name}.src", f"{self.name}.out"
        self.changelog = f"{self.name}-tally-changelog"
        for topic in (self.source, self.out):
            self.broker.create_topic(topic, PARTITIONS)
        self.broker.create_topic(self.changelog, PARTITIONS, cleanup_policy="compact")
        self._producer = self._new_producer()

    def make_anew(self, topic: str) -> None:
        """Deletes a topic and makes it again, empty."""
        admin = self.broker.admin()
        admin.delete_topics([topic])[topic].result(10)
        wait_until(lambda: topic not in admin.list_topics(timeout=5).topics, f"{topic} to be gone")
        self.broker.create_topic(topic, PARTITIONS)

    def make_source_anew(self) -> None:
        """Offsets of the source topic begin at 0 again."""
        self.make_anew(self.source)
        self.offered.clear()
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        return Producer({"bootstrap.servers": self.broker.bootstrap, "enable.idempotence": True, "linger.ms": 2, "log_level": 2})

    def offer(self, more: Numbers) -> None:
        """Puts numbers on the source topic; returns when they are there."""
        for key, number in more:
            self._producer.produce(self.source, b"%d" % number, key, partition_of(key, PARTITIONS))
            self._producer.poll(0)
        assert self._producer.flush(30) == 0
        self.offered += more

    def start(self, **environment: str) -> Worker:
        log = self.folder / f"worker-{len(self.workers)}.log"
        own = {
            "APP": self.name, "BROKERS": self.broker.bootstrap, "PARTITIONS": str(PARTITIONS), "SOURCE": self.source, "OUT": self.out,
            "SESSION_S": str(SESSION_S), "COMMIT_S": "0.1", "LOG": "WARNING",
        }  # fmt: skip
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.lane.tally_worker"], env=os.environ | own | environment, cwd=ROOT, stderr=file, stdout=file
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        return worker

    def committed(self) -> int:
        """Sum of the offsets the group has committed."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": self.name, "log_level": 2})
        try:
            # A broker that has just come back may not have found its groups yet.
            found = consumer.committed([TopicPartition(self.source, number) for number in range(PARTITIONS)], timeout=10)
        except KafkaException:
            return 0
        finally:
            consumer.close()
        return sum(max(0, each.offset) for each in found)

    def wait_until_all_is_committed(self, timeout_s: float = PATIENCE_S, keep: Callable[[], None] = lambda: None) -> None:
        """Waits until the group has committed everything offered; `keep` may start workers again meanwhile."""

        def done() -> bool:
            keep()
            time.sleep(0.1)
            return self.committed() >= len(self.offered)

        wait_until(done, f"{len(self.offered)} records committed", timeout_s)

    def read(self, topic: str) -> Iterator[Message]:
        """Everything a topic holds, in order per partition."""
        settings = {
            "bootstrap.servers": self.broker.bootstrap,
            "group.id": f"{self.name}-check",
            "enable.auto.commit": False,
            "log_level": 2,
        }
        consumer = Consumer(settings)
        ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1] for number in range(PARTITIONS)}
        left = {number for number, end in ends.items() if end}
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        patience = time.monotonic() + PATIENCE_S
        while left:
            assert time.monotonic() < patience, f"{topic} ends at {ends}, and {left} were not read so far"
            for message in consumer.consume(1_000, 1.0):
                assert message.error() is None, message.error()
                yield message
                number, offset = message.partition(), message.offset()
                if number is not None and offset is not None and offset + 1 >= ends[number]:
                    left.discard(number)
        consumer.close()

    def outputs(self) -> dict[bytes, bytes]:
        """Outputs by id, repeats dropped; a repeat that says something else fails."""
        said: dict[bytes, bytes] = {}
        for message in self.read(self.out):
            identity, value = dict(message.headers() or ())["wst-id"], message.value()
            assert isinstance(identity, bytes)
            assert isinstance(value, bytes)
            assert said.setdefault(identity, value) == value, identity
        return said

    def durable(self) -> dict[bytes, tuple[int, int]]:
        """Tallies as the next recovery would find them: the last record of each key in the changelog."""
        found: dict[bytes, tuple[int, int]] = {}
        for message in self.read(self.changelog):
            key, value = message.key(), message.value()
            assert isinstance(key, bytes)
            assert isinstance(value, bytes)
            if key != MARK_KEY:
                tally = Tally.loads(value)
                found[key] = (tally.count, tally.total)
        return found

    def check(self) -> None:
        """State and outputs are those of a fold of what was offered, once and in order."""
        tallies, said = reference(self.offered)
        assert self.durable() == tallies
        assert self.outputs() == said

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait(PATIENCE_S)


@contextmanager
def site_on(broker: KafkaBroker, name: str, folder: Path) -> Iterator[Site]:
    site = Site(broker, name, folder)
    try:
        yield site
    except BaseException:
        for worker in site.workers:
            print(f"── {worker.log.name} (exit {worker.process.poll()})\n{worker.said()[-4000:]}")  # noqa: T201
        raise
    finally:
        site.close()
