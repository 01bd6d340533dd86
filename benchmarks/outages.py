"""What an outage costs: how long until all is as before, and whether anything is missing.

    python -m benchmarks.outages worker                       # 1,000 workspaces: SIGKILL of the state and the usage worker
    python -m benchmarks.outages clickhouse                   # 2,000 samples/s: ClickHouse away for 10 minutes
    python -m benchmarks.outages broker                       # a made-up fleet under the real producer: the broker away for 2 minutes

Parts run as in a cluster: Kafka 4, `wst worker`, `wst sink`, ClickHouse's engine behind HTTP. "Behind" is the age of the oldest
record a group has not committed; it has caught up when that is not more than it was, at most, in the half minute before the outage.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks.fold_usage import START_S, TICK_S, Fleet
from benchmarks.sustained import fact
from producers.fleet import FleetPlan
from schemas import topics
from schemas.codec import codec
from schemas.publish import partition_of
from tests.e2e.parts import Part, wst
from tests.faults import checker
from tests.faults.campaign import whereabouts
from tests.faults.keeper import Archive, Broker, Keeper
from tests.faults.site import GROUPS, Site
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until

PARTITIONS: Final = 4
CONTAINERS: Final = 4
PREFIX: Final = "outages."
_NORMAL_S: Final = 30.0
_LOOK_S: Final = 0.1
_LONG_S: Final = 1_800.0


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
        while not self._stop.wait(_LOOK_S):
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
        samples, cpu_ns, facts: how much was handed over, and the sum of the counters in it.
    """

    def __init__(self, bootstrap: str, workspaces: int, events: int) -> None:
        self._workspaces, self._events = workspaces, events
        # Whatever is away, it is in the log when `end` returns.
        settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        self._producer = Producer(settings | {"message.timeout.ms": 600_000})
        self.samples = self.facts = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        encode, stats = codec(topics.DOCKER_STATS.subject).encode, topics.DOCKER_STATS.full(PREFIX)
        began, sent, ticks = time.monotonic(), 0, self._ticks()
        per_s = self._workspaces / TICK_S
        while not self._stop.wait(0.05):
            passed_s = time.monotonic() - began
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


@contextmanager
def cluster(parts: Sequence[tuple[str, ...]]) -> Iterator[tuple[KafkaBroker, ClickHouseHttpServer, dict[str, str], list[Part]]]:
    """A broker, an archive, and parts of wst that run."""
    with ExitStack() as stack:
        broker, archive = stack.enter_context(KafkaBroker()), stack.enter_context(ClickHouseHttpServer())
        settings = {
            "WST_BROKERS": broker.bootstrap, "WST_TOPIC_PREFIX": PREFIX, "WST_PARTITIONS": str(PARTITIONS),
            "WST_CLICKHOUSE_URL": archive.url, "WST_CLICKHOUSE_DATABASE": "outages",
        }  # fmt: skip
        wst("topics", "apply", settings=settings)
        wst("migrate", settings=settings)
        running = []
        for part in parts:
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="wst-outages-"))
            running.append(stack.enter_context(Part(part, settings | {"WST_DATA_DIR": data})))
        yield broker, archive, settings, running


def caught_up(groups: dict[str, Behind], outage: Callable[[], float]) -> dict[str, tuple[float, float]]:
    """Lets things run as they do, makes the outage, which returns when it was over (monotonic); by group: how far behind it was at
    most before, and how long after the end it was no further again, s."""
    for each in groups.values():
        wait_until(lambda: each.seconds < 10, "everything to be folded", _LONG_S)  # noqa: B023
        each.most_s = 0.0
    time.sleep(_NORMAL_S)
    normal = {name: each.most_s for name, each in groups.items()}
    over = outage()
    # What was lost is noticed when the next look is older than that.
    time.sleep(max(normal.values()) + 2 * _LOOK_S)
    took: dict[str, float] = {}

    def all_are() -> bool:
        for name, each in groups.items():
            if each.seconds <= normal[name]:
                took.setdefault(name, time.monotonic() - over)
            else:
                took.pop(name, None)
        return len(took) == len(groups)

    wait_until(all_are, "all to have caught up", _LONG_S)
    return {name: (normal[name], took[name]) for name in groups}


def worker(workspaces: int, events: int, times: int) -> None:
    """SIGKILL of both workers; a supervisor starts them again at once."""
    with cluster([("worker", "state"), ("worker", "usage")]) as (broker, _, _, parts):
        traffic = Traffic(broker.bootstrap, workspaces, events)
        groups = {name: Behind(broker.bootstrap, PREFIX, name) for name in ("state", "usage")}

        def outage() -> float:
            over = time.monotonic()
            for part in parts:
                part.kill()
            for part in parts:
                part.start()
            return over

        print(f"{workspaces:,} workspaces × {CONTAINERS}, {workspaces * CONTAINERS // TICK_S:,} samples/s and {events} events/s")
        time.sleep(TICK_S * 3)
        for _ in range(times):
            for name, (normal_s, took_s) in caught_up(groups, outage).items():
                print(f"  worker {name}: caught up {took_s:.1f} s after SIGKILL (before it was up to {normal_s:.1f} s behind)", flush=True)
        traffic.end()
        for each in groups.values():
            each.close()


def clickhouse(rate: int, events: int, minutes: float) -> None:
    """ClickHouse is killed, and started again after a while."""
    with cluster([("worker", "state"), ("worker", "usage"), ("sink",)]) as (broker, archive, settings, parts):
        traffic = Traffic(broker.bootstrap, rate * TICK_S // CONTAINERS, events)
        groups = {name: Behind(broker.bootstrap, PREFIX, name) for name in ("state", "usage", "sink")}
        waiting = []

        def outage() -> float:
            archive.kill()
            time.sleep(minutes * 60)
            waiting.append(groups["sink"].seconds)
            archive.start()
            return time.monotonic()

        time.sleep(TICK_S * 3)
        normal_s, took_s = caught_up(groups, outage)["sink"]
        print(f"{rate:,} samples/s and {events} events/s, ClickHouse away for {minutes:g} minutes ({waiting[0]:.0f} s behind then):")
        print(f"  the sink had caught up {took_s:.1f} s after it answered again (before it was up to {normal_s:.1f} s behind)", flush=True)
        traffic.end()
        wait_until(lambda: all(each.seconds == 0 for each in groups.values()), "everything to be archived", _LONG_S)
        for each in groups.values():
            each.close()
        for part in parts:
            part.stop()
        compare(broker, archive, settings["WST_CLICKHOUSE_DATABASE"], traffic)


def compare(broker: KafkaBroker, archive: ClickHouseHttpServer, database: str, traffic: Traffic) -> None:
    """Says what of the traffic, of its changes and of its windows is missing in the archive, or more than once."""
    client = archive.client(database=database)

    def ask(sql: str) -> list[Any]:
        return list(client.query(sql).result_rows[0])

    log = checker.Topics(broker.bootstrap, PREFIX)
    event, usage = codec("event").decode, codec("usage").decode
    changes = len({event(record.value)["id"] for record in log.read(topics.WORKSPACE_CHANGES.name)})
    windows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in log.read(topics.WORKSPACE_USAGE.name):
        said = usage(record.value)
        for window in said["windows"]:
            checker.newest(windows, checker.window_key(said, window), window)
    hours = [window["sample_count"] for key, window in windows.items() if key[2] == "hour"]
    pairs = {
        "samples": (ask("SELECT count(), uniqExact(container_id, read_at) FROM samples"), [traffic.samples] * 2),
        "facts": (ask("SELECT count(), uniqExact(id) FROM docker_events"), [traffic.facts] * 2),
        "changes": (ask("SELECT count(), uniqExact(id) FROM workspace_changes"), [changes] * 2),
        "hours and samples in them": (ask("SELECT count(), sum(sample_count) FROM usage_hourly_rows FINAL"), [len(hours), sum(hours)]),
    }
    for what, (have, must) in pairs.items():
        print(f"  {what}: {have[0]:,}, {have[1]:,} archived of {must[0]:,}, {must[1]:,}" + ("" if have == must else ": DIFFERENT"))
    client.close()


def broker_away(minutes: float) -> None:
    """The broker is killed under a producer whose fleet goes on, and started again after a while."""
    with Broker() as broker, Archive() as archive, tempfile.TemporaryDirectory(prefix="wst-outages-") as folder:
        plan = FleetPlan(seed=1, seconds=60 + minutes * 60)
        site = Site([broker], archive, f"outage{time.time_ns() % 10**6}", Path(folder), plan)
        site.settled = True  # no part carries a fault of its own
        try:
            site.begin()
            site.keepers |= {"broker": Keeper("broker", broker), "clickhouse": Keeper("clickhouse", archive)}
            site.run_for(30)
            site.keepers["broker"].kill(time.monotonic(), minutes * 60)
            site.run_for(minutes * 60)
            broker.waited = False
            wait_until(broker._is_ready, "the broker to answer")
            began = time.monotonic()
            wait_until(site.outbox_is_empty, "the outbox to be empty")
            emptied_s = time.monotonic() - began
            site.settle()
            report = checker.check(whereabouts(site))
            print(f"broker away for {minutes:g} minutes, {len(site.heard()):,} events of the engine from 30 s before to 30 s after:")
            print(f"  the producer's outbox was empty {emptied_s:.1f} s after it answered again")
            found = "\n  ".join(report.differences) or "nothing lost, nothing double, order kept"
            print(f"  {sum(report.compared.values()):,} things compared: {found}")
        finally:
            site.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["worker", "clickhouse", "broker"], help="all unless one is named")
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=20, help="state events a second")
    parser.add_argument("--times", type=int, default=5, help="kills of the workers")
    parser.add_argument("--rate", type=int, default=2_000, help="samples a second while ClickHouse is away")
    parser.add_argument("--minutes", type=float, help="of the outage: 10 of ClickHouse, 2 of the broker")
    asked = parser.parse_args()
    if asked.what in (None, "worker"):
        worker(asked.workspaces, asked.events, asked.times)
    if asked.what in (None, "clickhouse"):
        clickhouse(asked.rate, asked.events, asked.minutes or 10.0)
    if asked.what in (None, "broker"):
        broker_away(asked.minutes or 2.0)


if __name__ == "__main__":
    main()
