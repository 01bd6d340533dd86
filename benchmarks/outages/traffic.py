"""Traffic of now at a steady rate, and how far a group is behind it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks.fold_usage import START_S, TICK_S, Fleet
from benchmarks.sustained import fact
from schemas import topics
from schemas.codec import codec
from schemas.publish import partition_of
from tests.faults.site import GROUPS

PARTITIONS: Final = 4
CONTAINERS: Final = 4
PREFIX: Final = "outages."
LOOK_S: Final = 0.1


class Behind:
    """Watches how far a group is behind the log, in a thread of its own.

    Attributes:
        most_s: since it was last set to 0.
    """

    def __init__(self, bootstrap: str, prefix: str, group: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": prefix + group, "enable.auto.commit": False, "log_level": 0}
        self._consumer = Consumer(settings)
        self._partitions = [TopicPartition(prefix + topic, number) for topic in GROUPS[group] for number in range(PARTITIONS)]
        self._ends: deque[tuple[float, list[int]]] = deque()
        self._seconds = self.most_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                now = time.monotonic()
                self._ends.append((now, [self._consumer.get_watermark_offsets(each, 5)[1] for each in self._partitions]))
                committed = [max(each.offset, 0) for each in self._consumer.committed(self._partitions, timeout=5)]
            except KafkaException:  # nobody leads or coordinates yet
                continue
            while len(self._ends) > 1 and all(have >= end for have, end in zip(committed, self._ends[1][1], strict=True)):
                self._ends.popleft()
            level = all(have >= end for have, end in zip(committed, self._ends[0][1], strict=True))
            self._seconds = now - self._ends[0][0] if not level or len(self._ends) > 1 else 0.0
            self.most_s = max(self.most_s, self._seconds)

    @property
    def seconds(self) -> float:
        """Age of the oldest record that is not committed, s."""
        return self._seconds

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()


class Traffic:
    """Samples and state events at a steady rate, of now, in a thread of its own.

    Attributes:
        began: monotonic, s.
        samples, facts: how much was handed over.
    """

    def __init__(self, bootstrap: str, workspaces: int, events: int) -> None:
        self._workspaces, self._events = workspaces, events
        # Whatever is away, it is in the log when `end` returns.
        settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        self._producer = Producer(settings | {"message.timeout.ms": 600_000})
        self.samples = self.facts = 0
        self.began = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        encode, stats = codec(topics.DOCKER_STATS.subject).encode, topics.DOCKER_STATS.full(PREFIX)
        sent, ticks = 0, self._ticks()
        per_s = self._workspaces / TICK_S
        while not self._stop.wait(0.05):
            passed_s = time.monotonic() - self.began
            while sent < passed_s * per_s:
                tick = next(ticks)
                self._produce(stats, tick["workspace_id"].encode(), encode(tick), tick["tick_at_ns"] // 10**6)
                self.samples += len(tick["samples"])
                sent += 1
            while self.facts < passed_s * self._events:
                which, begins = self.facts % (self._workspaces * CONTAINERS), self.facts // (self._workspaces * CONTAINERS) % 2 == 0
                record, _ = fact(which, "start" if begins else "die")
                self._produce(topics.DOCKER_EVENTS.full(PREFIX), record.key, record.value or b"", record.timestamp_ms)
                self.facts += 1

    def _ticks(self) -> Iterator[dict[str, Any]]:
        fleet, first = Fleet(self._workspaces, CONTAINERS), int(time.time() - START_S) // TICK_S
        for number in range(first, first + 100_000):
            yield from fleet.tick(number)

    def _produce(self, topic: str, key: bytes | None, value: bytes, at_ms: int) -> None:
        self._producer.produce(topic, value, key, partition_of(key or b"", PARTITIONS), timestamp=at_ms)
        self._producer.poll(0)

    def end(self) -> None:
        """No more; all of it is in the log."""
        self._stop.set()
        self._thread.join()
        if self._producer.flush(300):
            raise AssertionError("the broker did not take all of it")
