"""A cluster's parts as processes on this machine, with what each has used: Kafka, workers, a sink, ClickHouse's engine behind HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas import topics
from schemas.publish import partition_of
from streams import migrate
from streams.sinks.clickhouse import Address, connect
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker

PREFIX: Final = "wst."
#: Exit status of a worker that cannot keep a promise and has lost nothing.
_SUCCESSOR: Final = 70
#: Key, value and time (ms) of a message.
Message = tuple[bytes, bytes, int]


class Part:
    """A process and what it uses; one of ours is started again where it says that its successor folds again, as supervisors do.

    Args:
        begin: starts it; without it the process of the pid is somebody else's.
    """

    def __init__(self, pid: int = 0, begin: Callable[[], subprocess.Popen[bytes]] | None = None) -> None:
        self._begin = begin
        self._process = begin() if begin else None
        self._seen = psutil.Process(self._process.pid if self._process else pid)
        self._spent_s = 0.0
        self.deaths = 0

    def attend(self) -> int:
        """Starts it again where it ended with that status; returns any other it ended with, else 0."""
        if self._process is None or self._begin is None:
            return 0
        found, status, used = os.wait4(self._process.pid, os.WNOHANG)
        if not found:
            return 0
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != _SUCCESSOR:
            return self._process.returncode or 1
        self.deaths += 1
        self._spent_s += used.ru_utime + used.ru_stime
        self._process = self._begin()
        self._seen = psutil.Process(self._process.pid)
        return 0

    def cpu_s(self) -> float:
        """User and system time of all its threads so far, s."""
        times = self._seen.cpu_times()
        return float(times.user + times.system) + self._spent_s

    def resident_mb(self) -> float:
        return float(self._seen.memory_info().rss) / 2**20

    def end(self) -> None:
        """Kills it, if it is ours."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Stack:
    """A broker with the product's topics, and whatever parts were started on it.

    Attributes:
        folder: the parts' data and logs.
        parts: by name; `kafka` is one, `clickhouse` another where there is an archive.
    """

    def __init__(self, broker: KafkaBroker, archive: ClickHouseHttpServer | None, folder: Path, partitions: int) -> None:
        self.broker, self.partitions = broker, partitions
        self.parts = {"kafka": Part(broker.pid)}
        self._environment = os.environ | {
            "WST_BROKERS": broker.bootstrap, "WST_PARTITIONS": str(partitions), "WST_DATA_DIR": str(folder), "WST_TOPIC_PREFIX": PREFIX,
        }  # fmt: skip
        self.folder = folder
        self._asking: dict[str, Consumer] = {}
        for topic in topics.ALL:
            config = {key.replace(".", "_"): value for key, value in topic.kafka_config().items()}
            # The fleet's times may lie in the past: nothing of them is to be deleted as old.
            broker.create_topic(topic.full(PREFIX), partitions, **config | {"retention_ms": "-1"})
        self.archive: Address | None = None
        if archive is not None:
            self.parts["clickhouse"] = Part(archive.pid)
            self._environment["WST_CLICKHOUSE_URL"] = archive.url
            self.archive = Address(archive.url, "wst")
            client = connect(self.archive)
            migrate.apply(self.archive, client)
            client.close()

    def start(self, name: str, *command: str, core: int | None = None) -> Part:
        """`wst COMMAND` as a process; its log is in the folder under its name."""
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]

        def begin() -> subprocess.Popen[bytes]:
            with (self.folder / f"{name}.log").open("ab") as log:
                return subprocess.Popen([*pinned, sys.executable, "-m", "schemas.wst", *command], env=self._environment, stderr=log)

        part = self.parts[name] = Part(begin=begin)
        return part

    def used(self) -> dict[str, float]:
        """CPU time of each part so far, s."""
        return {name: part.cpu_s() for name, part in self.parts.items()}

    def committed(self, group: str, topic: topics.Topic) -> dict[int, int]:
        """What a consumer group is done with, by partition: the next offset."""
        if group not in self._asking:
            settings = {"bootstrap.servers": self.broker.bootstrap, "group.id": f"{PREFIX}{group}", "enable.auto.commit": False}
            self._asking[group] = Consumer(settings)
        wanted = [TopicPartition(topic.full(PREFIX), number) for number in range(self.partitions)]
        try:
            found = self._asking[group].committed(wanted, timeout=30)
        except KafkaException:  # nobody coordinates the group yet
            return {}
        return {each.partition: max(0, each.offset) for each in found}

    def is_done(self, group: str, topic: topics.Topic) -> bool:
        """Whether a group has nothing left of a topic.

        Raises:
            RuntimeError: a part has ended for good, so that nothing will ever be.
        """
        for name, part in self.parts.items():
            if part.attend():
                raise RuntimeError(f"{name} has ended:\n{(self.folder / f'{name}.log').read_text()[-2000:]}")
        return sum(self.committed(group, topic).values()) == sum(self.ends(topic.full(PREFIX)))

    def ends(self, topic: str) -> list[int]:
        """The next offset of each partition of a topic, by its full name."""
        consumer = self._asking.get("") or Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "ends"})
        self._asking[""] = consumer
        return [consumer.get_watermark_offsets(TopicPartition(topic, number), 30)[1] for number in range(self.partitions)]

    def bytes_of(self, topic: str) -> int:
        """What a topic takes on the broker's disk."""
        return sum(file.stat().st_size for file in (self.broker.folder / "log").glob(f"{topic}-*/*.log"))

    def archived(self) -> int:
        """Samples in the archive, repeats not counted."""
        assert self.archive is not None
        client = connect(self.archive)
        found = int(str(client.command("SELECT count() FROM wst.samples")))
        client.close()
        return found

    def produce(self, messages: Iterable[Message]) -> int:
        """Puts samples on their topic; returns how many messages, once they are there."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 20, "batch.size": 500_000})
        source, count = topics.DOCKER_STATS.full(PREFIX), 0
        for key, value, at_ms in messages:
            while True:
                try:
                    producer.produce(source, value, key, partition_of(key, self.partitions), timestamp=at_ms)
                    break
                except BufferError:
                    producer.poll(0.05)
            count += 1
            if not count % 100:
                producer.poll(0)
        producer.flush()
        return count

    def close(self) -> None:
        for asking in self._asking.values():
            asking.close()
        for part in self.parts.values():
            part.end()


@contextmanager
def stack(partitions: int, archive: bool = True) -> Iterator[Stack]:
    """A stack that is gone afterwards."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="wst-stack-")))
        broker = held.enter_context(KafkaBroker())
        made = Stack(broker, held.enter_context(ClickHouseHttpServer()) if archive else None, folder, partitions)
        held.callback(made.close)
        yield made
