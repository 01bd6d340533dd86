"""Workers of the product as a group: what a second one adds, how long one takes to come back, and what memory.

    python -m benchmarks.workers scale                     # the same ticks by one worker and by two, a core each
    python -m benchmarks.workers recovery                  # 100,000 containers: SIGKILL, a new worker, until it has caught up
    python -m benchmarks.workers memory                    # 4,000 containers, two hours of ticks: what each takes of a worker

`wst worker usage` runs as it does in production, on a real Kafka broker on the same machine; the broker takes its share of the same cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks.fold_usage import Fleet
from schemas import topics
from schemas.codec import codec
from schemas.publish import partition_of
from streams.topology import USAGE_APP
from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until

PARTITIONS: Final = 4
CONTAINERS: Final = 4
STATS: Final = topics.DOCKER_STATS
#: Ticks produced at once where a worker is to be measured at its usual pace.
_AT_ONCE: Final = 4
Message = tuple[bytes, bytes, int]


def messages(fleet: Fleet, ticks: range) -> Iterator[Message]:
    """Key, value and time of each message of some ticks."""
    encode = codec(STATS.subject).encode
    for number in ticks:
        for tick in fleet.tick(number):
            yield tick["workspace_id"].encode(), encode(tick), tick["tick_at_ns"] // 10**6


class Group:
    """Workers on topics of their own.

    Args:
        broker: where.
        name: begins every topic's name.
    """

    def __init__(self, broker: KafkaBroker, name: str, folder: Path) -> None:
        self._broker, self._admin, self._prefix = broker, broker.admin(), f"{name}."
        self._group = USAGE_APP.app_id(self._prefix)
        for topic in topics.ALL:
            config = {key.replace(".", "_"): value for key, value in topic.kafka_config().items()}
            # The fleet's times lie in the past: nothing of them is to be deleted as old.
            config |= {"retention_ms": "-1"}
            broker.create_topic(topic.full(self._prefix), PARTITIONS, **config)
        there = {topic.full(self._prefix) for topic in topics.ALL}
        wait_until(lambda: there <= set(self._admin.list_topics(timeout=10).topics), "its topics")  # a worker without them ends
        self._environment = os.environ | {
            "WST_BROKERS": broker.bootstrap, "WST_TOPIC_PREFIX": self._prefix, "WST_PARTITIONS": str(PARTITIONS),
            "WST_DATA_DIR": str(folder),
        }  # fmt: skip
        self._source = STATS.full(self._prefix)
        self._watching = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": self._group, "enable.auto.commit": False})
        self.workers: list[subprocess.Popen[bytes]] = []
        self.produced = 0

    def start(self, core: int) -> subprocess.Popen[bytes]:
        """One more worker, on a core of its own."""
        command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "schemas.wst", "worker", "usage"]
        worker = subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL)
        self.workers.append(worker)
        return worker

    def members(self) -> int:
        """Members that have partitions."""
        try:
            described = self._admin.describe_consumer_groups([self._group], request_timeout=10)[self._group].result()
        except KafkaException:  # nobody coordinates the group yet
            return 0
        return sum(bool(member.assignment and member.assignment.topic_partitions) for member in described.members)

    def produce(self, more: Sequence[Message]) -> None:
        """Puts messages on the topic; returns when they are there."""
        producer = Producer({"bootstrap.servers": self._broker.bootstrap, "linger.ms": 20, "batch.size": 500_000})
        for key, value, at_ms in more:
            while True:
                try:
                    producer.produce(self._source, value, key, partition_of(key, PARTITIONS), timestamp=at_ms)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.flush()
        self.produced += len(more)

    def committed(self) -> int:
        """Messages the group is done with."""
        try:
            found = self._watching.committed([TopicPartition(self._source, number) for number in range(PARTITIONS)], timeout=30)
        except KafkaException:  # a broker that has just started is still looking for its groups
            return 0
        return sum(max(0, each.offset) for each in found)

    def all_committed(self) -> bool:
        """Nothing is left to fold."""
        return self.committed() == self.produced

    def close(self) -> None:
        """Ends what runs."""
        self._watching.close()
        for worker in self.workers:
            worker.kill()
            worker.wait()


@contextmanager
def group(broker: KafkaBroker, name: str) -> Iterator[Group]:
    """A group that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="wst-workers-") as folder:
        made = Group(broker, name, Path(folder))
        try:
            yield made
        finally:
            made.close()


def scale(broker: KafkaBroker, workspaces: int, ticks: int) -> None:
    """Prints what one worker does by the clock, and what two do."""
    prepared = list(messages(Fleet(workspaces, CONTAINERS), range(ticks)))
    samples = len(prepared) * CONTAINERS
    cores = sorted(os.sched_getaffinity(0))
    rates = {}
    for count in (1, 2):
        with group(broker, f"scale{count}") as workers:
            for number in range(count):
                workers.start(cores[-1 - number])
            wait_until(lambda: workers.members() == count, f"{count} workers with partitions")  # noqa: B023
            began, used = time.monotonic(), [psutil.Process(worker.pid).cpu_times() for worker in workers.workers]
            workers.produce(prepared)
            wait_until(workers.all_committed, "all to be folded", 1_800)
            took_s = time.monotonic() - began
            now = [psutil.Process(worker.pid).cpu_times() for worker in workers.workers]
            cpu_s = sum(after.user + after.system - before.user - before.system for before, after in zip(used, now, strict=True))
        rates[count] = samples / took_s
        print(
            f"{count}: {samples:,} samples in {took_s:.1f} s, {rates[count]:,.0f} samples/s by the clock, {samples / cpu_s:,.0f} of a core"
        )
    print(f"two workers do {rates[2] / rates[1]:.2f} times as much as one, with {len(cores)} cores for them and the broker")


def recovery(broker: KafkaBroker, workspaces: int) -> None:
    """Prints how long a worker takes from its start to its first commit, and until nothing is left to fold."""
    fleet = Fleet(workspaces, CONTAINERS)
    core = max(os.sched_getaffinity(0))
    with group(broker, "recovery") as workers:
        worker = workers.start(core)
        for number in range(3):
            workers.produce(list(messages(fleet, range(number, number + 1))))
        wait_until(workers.all_committed, "all to be folded", 1_800)
        worker.kill()
        worker.wait()
        before = workers.produced
        workers.produce(list(messages(fleet, range(3, 4))))
        began = time.monotonic()
        workers.start(core)
        wait_until(lambda: workers.committed() > before, "the first commit", 1_800)
        recovered_s = time.monotonic() - began
        wait_until(workers.all_committed, "all to be folded", 1_800)
        print(
            f"{workspaces * CONTAINERS:,} containers, {workspaces:,} workspaces: from a worker's start "
            f"{recovered_s:.1f} s to its first commit, {time.monotonic() - began:.1f} s until a sample of each is folded"
        )


def memory(broker: KafkaBroker, workspaces: int, ticks: int) -> None:
    """Prints a worker's resident memory without a container, and with some when windows of two hours and a day are full."""
    fleet = Fleet(workspaces, CONTAINERS)
    with group(broker, "memory") as workers:
        worker = psutil.Process(workers.start(max(os.sched_getaffinity(0))).pid)
        wait_until(lambda: workers.members() == 1, "a worker with partitions")
        empty = worker.memory_info().rss
        most = 0
        for begin in range(0, ticks, _AT_ONCE):  # as in production a worker is never far behind: what waits to be folded is not kept
            workers.produce(list(messages(fleet, range(begin, min(begin + _AT_ONCE, ticks)))))
            wait_until(workers.all_committed, "all to be folded", 1_800)
            most = max(most, worker.memory_info().rss)
        full = worker.memory_info().rss
        each = (full - empty) / (workspaces * CONTAINERS)
        print(
            f"{workspaces * CONTAINERS:,} containers, {ticks:,} ticks: a worker without any {empty / 2**20:.0f} MiB, with them "
            f"{full / 2**20:.0f} MiB, at most {most / 2**20:.0f}: {each / 1024:.1f} KiB for each container"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["scale", "recovery", "memory"], help="all unless one is named")
    parser.add_argument("--workspaces", type=int, help="500 for scale, 25,000 for recovery, 1,000 for memory")
    parser.add_argument("--ticks", type=int, help="300 for scale, 720 for memory")
    asked = parser.parse_args()
    with KafkaBroker() as broker:
        if asked.what in (None, "scale"):
            scale(broker, asked.workspaces or 500, asked.ticks or 300)
        if asked.what in (None, "recovery"):
            recovery(broker, asked.workspaces or 25_000)
        if asked.what in (None, "memory"):
            memory(broker, asked.workspaces or 1_000, asked.ticks or 720)


if __name__ == "__main__":
    main()
