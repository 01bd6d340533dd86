"""A large fleet as fast as two cores go: throughput, lag, memory, what each part costs, and how that grows.

    python -m benchmarks.load fleet                    # 1,000 hosts × 25 workspaces × 4 containers: 100,000 containers, ticks of 10 s
    python -m benchmarks.load grow                     # the usage worker alone: more workspaces, containers, partitions, workers

`fleet`: made-up engines (`producers/fleet.py`) are read and their samples published by the producer's own code, at the pace it can;
`wst worker usage` and `wst sink` follow on a real broker, into ClickHouse's engine behind HTTP. Only the clock is made up: the ticks lie
10 s apart. Where lag grows, that part is the one that is full; CPU time by sample says what each would do on a core of its own.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from benchmarks.fold_usage import Fleet
from benchmarks.stack import PREFIX, Message, Stack, stack
from producers.facts import At, Origin, tick_records
from producers.fleet import FleetPlan, MadeUpEngine, reading
from producers.identity import Policy
from producers.record import Rules, Seen, Who, listed
from producers.sample import Context, counters
from schemas import topics
from schemas.codec import codec
from schemas.identity import hash63
from tests.platform.process import wait_until

CONTAINERS: Final = 4
TICK_S: Final = 10
_PATIENCE_S: Final = 3_600.0
STATS, USAGE = topics.DOCKER_STATS, topics.WORKSPACE_USAGE


class Host:
    """One host's containers, as its producer knows them after a listing."""

    def __init__(self, number: int, workspaces: int, began_ns: int) -> None:
        engine = MadeUpEngine(FleetPlan(number, workspaces, CONTAINERS, 0.0, 0.0), lambda: began_ns)
        info = engine.info()
        name = f"host-{number:04d}"
        self._origin = Origin(PREFIX, info["ID"], name, "load")
        self._header = {"host_cpus": info["NCPU"], "host_memory_bytes": info["MemTotal"], "interval_ms": TICK_S * 1000}
        rules = Rules(name, Policy(), lambda command: command)
        self._began_ns = began_ns
        self._workspaces: defaultdict[str, list[tuple[Who, Context]]] = defaultdict(list)
        for entry in engine.list():
            seen = listed(entry, rules)
            assert isinstance(seen, Seen)
            context = Context(began_ns, hash63("network", info["ID"], seen.who.container["id"]))
            self._workspaces[seen.who.identity.workspace_id].append((seen.who, context))

    def tick(self, at_ns: int) -> Iterator[Message]:
        """A reading of each container, as the producer publishes it."""
        at = At(0, at_ns, at_ns)
        for containers in self._workspaces.values():
            samples = []
            for who, context in containers:
                packed = counters(reading(who.container["id"], self._began_ns, at_ns), context)
                name, service = who.container["name"], who.container["service"]
                samples.append({"container_id": who.container["id"], "container_name": name, "service": service, "counters": packed})
            for record in tick_records(self._origin, at, self._header, who, who.identity.workspace_name, samples):
                yield record.key or b"", record.value or b"", record.timestamp_ms


class Lag:
    """The most records that waited for a part at any moment of the block, asked twice a second."""

    def __init__(self, of: Stack) -> None:
        self._of = of
        self.worker = self.sink = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.worker = max(self.worker, self._behind("usage", STATS))
            self.sink = max(self.sink, self._behind("sink", USAGE))

    def _behind(self, group: str, topic: topics.Topic) -> int:
        return sum(self._of.ends(topic.full(PREFIX))) - sum(self._of.committed(group, topic).values())

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def fleet(hosts: int, workspaces: int, ticks: int, partitions: int) -> None:
    """Everything at once; prints what came through, and what each part took for it."""
    containers = hosts * workspaces * CONTAINERS
    now_ns = time.time_ns()
    made = [Host(number, workspaces, now_ns - 3_600 * 10**9) for number in range(hosts)]

    def told(number: int) -> Iterator[Message]:
        at_ns = now_ns + (number - ticks) * TICK_S * 10**9
        return (one for host in made for one in host.tick(at_ns))

    with stack(partitions) as running:
        running.start("worker", "worker", "usage")
        running.start("sink", "sink")
        # The first tick of all makes the keys, and no samples yet: it is no steady state.
        running.produce(told(0))
        wait_until(lambda: running.is_done("usage", STATS), "the first tick to be folded", _PATIENCE_S)
        wait_until(lambda: running.is_done("sink", USAGE), "the first tick to be carried over", _PATIENCE_S)
        sizes = {topic.name: running.bytes_of(topic.full(PREFIX)) for topic in (STATS, USAGE)}
        used, began, own = running.used(), time.monotonic(), time.process_time()
        with Lag(running) as lag:
            for number in range(1, ticks):
                running.produce(told(number))
            produced_s, own = time.monotonic() - began, time.process_time() - own
            wait_until(lambda: running.is_done("usage", STATS), "all to be folded", _PATIENCE_S)
            folded_s = time.monotonic() - began
            wait_until(lambda: running.is_done("sink", USAGE), "all to be carried over", _PATIENCE_S)
            took_s, after = time.monotonic() - began, running.used()
        samples = containers * (ticks - 1)
        print(
            f"{hosts:,} hosts × {workspaces} workspaces × {CONTAINERS} containers = {containers:,}, {ticks - 1} ticks behind the first, "
            f"{partitions} partitions, {len(os.sched_getaffinity(0))} cores\n"
            f"{samples:,} samples: published after {produced_s:.0f} s, folded after {folded_s:.0f} s, in ClickHouse after {took_s:.0f} s: "
            f"{samples / took_s:,.0f} samples/s through everything ({containers / TICK_S:,.0f} would be the fleet's own pace)\n"
            f"most messages that waited for the worker {lag.worker:,}, most records for the sink {lag.sink:,}\n"
            "| part | µs of CPU a sample | a core would do, samples/s | memory, MB |\n|---|---|---|---|"
        )
        spent = {"made-up engines and the producer's code": own} | {name: after[name] - used[name] for name in used}
        for name, cpu_s in spent.items():
            memory = f"{running.parts[name].resident_mb():,.0f}" if name in running.parts else ""
            print(f"| {name} | {cpu_s / samples * 1e6:.1f} | {samples / cpu_s:,.0f} | {memory} |")
        there = running.archived()
        assert there == containers * ticks, f"{there:,} samples are in ClickHouse, {containers * ticks:,} were published"
        grown = {topic.name: running.bytes_of(topic.full(PREFIX)) - sizes[topic.name] for topic in (STATS, USAGE)}
        stored = ", ".join(f"{name} {size / samples:.0f}" for name, size in grown.items())
        held = running.parts["worker"].resident_mb() * 2**20 / containers
        print(f"the worker was started again {running.parts['worker'].deaths} times, having lost nothing")
        print(f"on Kafka's disk, bytes a sample: {stored}; the worker's memory a container: {held / 1000:.1f} KB")


@dataclass(frozen=True, slots=True)
class Case:
    """A load on usage workers alone."""

    workspaces: int
    containers: int = CONTAINERS
    partitions: int = 4
    workers: int = 1


GROWTH: Final = (
    Case(500), Case(5_000), Case(25_000), Case(5_000, containers=1), Case(5_000, containers=16),
    Case(5_000, partitions=12), Case(5_000, partitions=48), Case(5_000, workers=2),
)  # fmt: skip


def grow(case: Case, samples: int) -> None:
    """One row: workers fold about so many samples, after each container was seen once."""
    ticks = max(2, samples // (case.workspaces * case.containers))
    made = Fleet(case.workspaces, case.containers)
    encode = codec(STATS.subject).encode

    def told(numbers: range) -> Iterator[Message]:
        for tick in (one for number in numbers for one in made.tick(number)):
            yield tick["workspace_id"].encode(), encode(tick), tick["tick_at_ns"] // 10**6

    with stack(case.partitions, archive=False) as running:
        for number in range(case.workers):
            running.start(f"worker {number}", "worker", "usage", core=sorted(os.sched_getaffinity(0))[-1 - number])
        running.produce(told(range(1)))
        wait_until(lambda: running.is_done("usage", STATS), "the first tick to be folded", _PATIENCE_S)
        used, began = running.used(), time.monotonic()
        messages = running.produce(told(range(1, ticks + 1)))
        wait_until(lambda: running.is_done("usage", STATS), "all to be folded", _PATIENCE_S)
        took_s, after = time.monotonic() - began, running.used()
        workers = [name for name in used if name.startswith("worker")]
        spent = sum(after[name] - used[name] for name in workers)
        memory = sum(running.parts[name].resident_mb() for name in workers)
    folded = messages * case.containers
    print(
        f"| {case.workspaces:,} | {case.containers} | {case.partitions} | {case.workers} | {spent / folded * 1e6:.1f} "
        f"| {folded / spent:,.0f} | {folded / took_s:,.0f} | {memory:,.0f} | {(after['kafka'] - used['kafka']) / folded * 1e6:.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["fleet", "grow"], help="both unless one is named")
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--workspaces", type=int, default=25, help="of a host")
    parser.add_argument("--ticks", type=int, default=4)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--samples", type=int, default=200_000, help="of each row of `grow`")
    asked = parser.parse_args()
    if asked.what != "grow":
        fleet(asked.hosts, asked.workspaces, asked.ticks, asked.partitions)
    if asked.what != "fleet":
        print("| workspaces | containers | partitions | workers | µs of CPU a sample | a core, samples/s | by the clock | MB | Kafka's |")
        print("|---|---|---|---|---|---|---|---|---|")
        for case in GROWTH:
            grow(case, asked.samples)


if __name__ == "__main__":
    main()
