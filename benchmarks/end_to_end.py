"""Samples at a steady rate through Kafka, `wst worker usage`, `wst sink` and ClickHouse: how old is one when it can be asked for?

    python -m benchmarks.end_to_end                                     # 5,000 workspaces × 4 containers at 1 s: 20,000 samples/s, a minute
    python -m benchmarks.end_to_end --workspaces 25000 --interval 10    # 100,000 containers at 10 s: 10,000 samples/s

All on this machine, the producer of the samples and the broker too. A sample's time is that at which it was made; it is in ClickHouse when
the sink has committed behind it, which it does once the insert is answered: asked every 50 ms, so that the age is up to that much too high.
In the end the archive is asked whether it has every sample.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from benchmarks.fold_usage import Fleet
from benchmarks.stack import PREFIX, Message, Stack, stack
from schemas import topics
from schemas.codec import codec
from tests.platform.process import wait_until

_POLL_S: Final = 0.05
_WARM_S: Final = 10.0
_PATIENCE_S: Final = 600.0
_SINK: Final = "sink"
USAGE: Final = topics.WORKSPACE_USAGE


def paced(fleet: Fleet, workspaces: int, interval_s: float, until_s: float) -> Iterator[Message]:
    """Messages spread evenly over each interval, as hosts that know nothing of one another send them."""
    encode = codec(topics.DOCKER_STATS.subject).encode
    began, number = time.monotonic(), 0
    while (due_s := number * interval_s / workspaces) < until_s:
        if (wait_s := began + due_s - time.monotonic()) > 0:
            time.sleep(wait_s)
        for which in range(number, number + max(1, round(workspaces / interval_s / 200))):
            now_ns = time.time_ns()
            tick = fleet.tick_of(which % workspaces, now_ns, interval_s)
            yield tick["workspace_id"].encode(), encode(tick), now_ns // 10**6
            number += 1


class Commits:
    """When the sink was done with what, seen from outside."""

    def __init__(self, of: Stack) -> None:
        self._of = of
        self._seen: list[tuple[float, dict[int, int]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._seen.append((time.time(), self._of.committed(_SINK, USAGE)))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def when(self, partition: int, offsets: list[int]) -> list[float]:
        """For each offset the time at which it was first seen to be behind a commit; infinity: never."""
        nexts = [found.get(partition, 0) for _, found in self._seen]
        times = [at_s for at_s, _ in self._seen] + [float("inf")]
        return [times[bisect_left(nexts, offset + 1)] for offset in offsets]


def ages(of: Stack, commits: Commits, since_s: float) -> tuple[list[float], int]:
    """Ages of the samples' records in ClickHouse, s, of those made since a time; and the records of all samples there are."""
    consumer = Consumer({"bootstrap.servers": of.broker.bootstrap, "group.id": "ages", "enable.auto.commit": False})
    found: list[float] = []
    count = 0
    for number, end in enumerate(of.ends(USAGE.full(PREFIX))):
        consumer.assign([TopicPartition(USAGE.full(PREFIX), number, 0)])
        made: dict[int, float] = {}
        last = -1
        while last + 1 < end:
            for message in consumer.consume(5_000, 5.0):
                last = message.offset() or 0
                if dict(message.headers() or ())["wst-type"] == b"samples":
                    made[last] = message.timestamp()[1] / 1000
        count += len(made)
        offsets = [offset for offset, at_s in made.items() if at_s >= since_s]
        found += [there_s - made[offset] for offset, there_s in zip(offsets, commits.when(number, offsets), strict=True)]
    consumer.close()
    return found, count


def run(running: Stack, asked: argparse.Namespace) -> None:
    """Warms up, measures, checks, prints."""

    def folded() -> bool:
        return running.is_done("usage", topics.DOCKER_STATS)

    def carried_over() -> bool:
        return running.is_done(_SINK, USAGE)

    def used() -> dict[str, float]:
        return running.used() | {"producing": time.process_time()}

    running.start("worker", "worker", "usage")
    running.start("sink", "sink")
    fleet = Fleet(asked.workspaces, asked.containers)
    sent = running.produce(paced(fleet, asked.workspaces, asked.interval, asked.interval))
    wait_until(folded, "the first samples to be folded", _PATIENCE_S)
    wait_until(carried_over, "the first samples to be carried over", _PATIENCE_S)
    commits = Commits(running)
    sent += running.produce(paced(fleet, asked.workspaces, asked.interval, _WARM_S))
    before, began_s, sent_before = used(), time.time(), sent
    sent += running.produce(paced(fleet, asked.workspaces, asked.interval, asked.seconds))
    took_s, after = time.time() - began_s, used()
    wait_until(folded, "all to be folded", _PATIENCE_S)
    wait_until(carried_over, "all to be carried over", _PATIENCE_S)
    time.sleep(1.0)
    commits.close()
    aged, records = ages(running, commits, began_s)
    aged.sort()
    each = asked.containers
    print(
        f"{asked.workspaces:,} workspaces × {each} containers at {asked.interval:g} s, {asked.partitions} partitions, {took_s:.0f} s: "
        f"{(sent - sent_before) * each / took_s:,.0f} samples/s of {asked.workspaces * each / asked.interval:,.0f} asked for"
    )
    quantiles = ", ".join(f"p{q} {aged[min(len(aged) - 1, len(aged) * q // 100)]:.2f}" for q in (50, 90, 99))
    print(f"sample → ClickHouse, s, {len(aged) * each:,} samples: mean {statistics.fmean(aged):.2f}, {quantiles}, most {aged[-1]:.2f}")
    there = running.archived()
    print(f"of {sent * each:,} samples sent {records * each:,} were published and {there:,} are in ClickHouse")
    for name in before:
        memory = f"{running.parts[name].resident_mb():,.0f} MB" if name in running.parts else ""
        print(f"  {name:<10} {(after[name] - before[name]) / took_s * 100:5.1f} % of a core  {memory}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=5_000)
    parser.add_argument("--containers", type=int, default=4)
    parser.add_argument("--interval", type=float, default=1.0, help="between two samples of a container, s")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured; before it everything is sampled once, then 10 s at the rate")
    parser.add_argument("--partitions", type=int, default=4)
    asked = parser.parse_args()
    with stack(asked.partitions) as running:
        run(running, asked)


if __name__ == "__main__":
    main()
