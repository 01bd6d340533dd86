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
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.fold_usage import TICK_S
from benchmarks.outages.traffic import CONTAINERS, LOOK_S, PARTITIONS, PREFIX, Behind, Traffic
from producers.fleet import FleetPlan
from schemas import topics
from schemas.codec import codec
from tests.e2e.parts import Part, wst
from tests.faults import checker
from tests.faults.campaign import where
from tests.faults.keeper import Archive, Broker, Keeper
from tests.faults.site import Site
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until

#: How long normal is looked at; and how far behind is too far to begin, s.
_NORMAL_S: Final = 30.0
_LEVEL_S: Final = 10.0
_LONG_S: Final = 1_800.0


class Cluster:
    """A broker, an archive, and parts of wst that a supervisor starts again whenever they end."""

    def __init__(self, stack: ExitStack, parts: Sequence[tuple[str, ...]]) -> None:
        self.broker, self.archive = stack.enter_context(KafkaBroker()), stack.enter_context(ClickHouseHttpServer())
        self.database = "outages"
        settings = {
            "WST_BROKERS": self.broker.bootstrap, "WST_TOPIC_PREFIX": PREFIX, "WST_PARTITIONS": str(PARTITIONS),
            "WST_CLICKHOUSE_URL": self.archive.url, "WST_CLICKHOUSE_DATABASE": self.database,
        }  # fmt: skip
        wst("topics", "apply", settings=settings)
        wst("migrate", settings=settings)
        self.keepers = []
        for part in parts:
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="wst-outages-"))
            running = stack.enter_context(Part(part, settings | {"WST_DATA_DIR": data}))
            self.keepers.append(Keeper(" ".join(part), running))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Until something holds."""

        def holds() -> bool:
            for keeper in self.keepers:
                keeper.look(time.monotonic())
            return condition()

        wait_until(holds, what, _LONG_S)

    def rest(self, seconds: float) -> None:
        """For so long."""
        over = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > over, "time to pass")

    def ends(self) -> str:
        """What parts ended by themselves, how often by status."""
        return ", ".join(f"{keeper.name} {dict(keeper.ends)}" for keeper in self.keepers if keeper.ends) or "none"


def caught_up(cluster: Cluster, groups: dict[str, Behind], outage: Callable[[], float]) -> dict[str, tuple[float, float]]:
    """Lets things run as they do, makes the outage, which returns when it was over (monotonic); by group: how far behind it was at
    most before, and how long after the end it was no further again, s."""
    cluster.wait(lambda: all(each.seconds < _LEVEL_S for each in groups.values()), "everything to be folded")
    for each in groups.values():
        each.most_s = 0.0
    cluster.rest(_NORMAL_S)
    normal = {name: each.most_s for name, each in groups.items()}
    over = outage()
    # What was lost is noticed when the next look is older than that.
    cluster.rest(max(normal.values()) + 2 * LOOK_S)
    took: dict[str, float] = {}

    def all_are() -> bool:
        for name, each in groups.items():
            if each.seconds <= normal[name]:
                took.setdefault(name, time.monotonic() - over)
            else:
                took.pop(name, None)
        return len(took) == len(groups)

    cluster.wait(all_are, "all to have caught up")
    return {name: (normal[name], took[name]) for name in groups}


def worker(workspaces: int, events: int, times: int) -> None:
    """SIGKILL of both workers; a supervisor starts them again at once."""
    with ExitStack() as stack:
        cluster = Cluster(stack, [("worker", "state"), ("worker", "usage")])
        traffic = Traffic(cluster.broker.bootstrap, workspaces, events)
        groups = {name: Behind(cluster.broker.bootstrap, PREFIX, name) for name in ("state", "usage")}

        def outage() -> float:
            over = time.monotonic()
            for keeper in cluster.keepers:
                keeper.kill(over, 0.0)
            return over

        print(f"{workspaces:,} workspaces × {CONTAINERS}, {workspaces * CONTAINERS // TICK_S:,} samples/s and {events} events/s")
        cluster.rest(TICK_S * 3)
        for _ in range(times):
            for name, (normal_s, took_s) in caught_up(cluster, groups, outage).items():
                print(f"  worker {name}: caught up {took_s:.1f} s after SIGKILL (before it was up to {normal_s:.1f} s behind)", flush=True)
        print(f"  ended by themselves: {cluster.ends()}")
        traffic.end()
        for each in groups.values():
            each.close()


def clickhouse(rate: int, events: int, minutes: float) -> None:
    """ClickHouse is killed, and started again after a while."""
    with ExitStack() as stack:
        cluster = Cluster(stack, [("worker", "state"), ("worker", "usage"), ("sink",)])
        traffic = Traffic(cluster.broker.bootstrap, rate * TICK_S // CONTAINERS, events)
        groups = {name: Behind(cluster.broker.bootstrap, PREFIX, name) for name in ("state", "usage", "sink")}
        waiting = []

        def outage() -> float:
            cluster.archive.kill()
            cluster.rest(minutes * 60)
            waiting.append(groups["sink"].seconds)
            cluster.archive.start()
            return time.monotonic()

        cluster.rest(TICK_S * 3)
        normal_s, took_s = caught_up(cluster, groups, outage)["sink"]
        passed_s = time.monotonic() - traffic.began
        rates = f"{traffic.samples / passed_s:,.0f} samples/s and {traffic.facts / passed_s:.0f} events/s"
        print(
            f"{rates}, ClickHouse away for {minutes:g} minutes; the sink was {waiting[0]:.0f} s behind then (before up to {normal_s:.1f}):"
        )
        print(f"  it had caught up {took_s:.1f} s after ClickHouse answered again; ended by themselves: {cluster.ends()}", flush=True)
        traffic.end()
        cluster.wait(lambda: all(each.seconds == 0 for each in groups.values()), "everything to be archived")
        for each in groups.values():
            each.close()
        for keeper in cluster.keepers:
            keeper.part.stop()
        compare(cluster, traffic)


def compare(cluster: Cluster, traffic: Traffic) -> None:
    """Says what of the traffic, of its changes and of its windows is missing in the archive, or more than once."""
    client = cluster.archive.client(database=cluster.database)

    def ask(sql: str) -> list[Any]:
        return list(client.query(sql).result_rows[0])

    log = checker.Topics(cluster.broker.bootstrap, PREFIX)
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
        "events": (ask("SELECT count(), uniqExact(id) FROM docker_events WHERE kind = 'engine_event'"), [traffic.facts] * 2),
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
            report = checker.check(where(site))
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
