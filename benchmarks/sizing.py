"""How large a cluster a fleet wants, computed from what was measured: the table of docs/sizing.md.

    python -m benchmarks.sizing                                  # 1,000,000 containers at 10 s, four a workspace, a hundred a host
    python -m benchmarks.sizing --containers 50000 --interval 30 --price 40
    python -m benchmarks.sizing --write                          # puts the table of a million into docs/sizing.md

Pure arithmetic over `MEASURED`, which `python -m benchmarks.load fleet` and `python -m benchmarks.sink` tell; a test holds the page to it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "sizing.md"
BEGIN: Final = "<!-- computed by python -m benchmarks.sizing -->"
END: Final = "<!-- end of what is computed -->"
_TB: Final = 1e12
_DAY_S: Final = 86_400
#: Partition counts that divide among many numbers of workers.
_PARTITIONS: Final = (12, 24, 36, 48, 72, 96, 144, 192, 288, 384)


@dataclass(frozen=True, slots=True)
class Costs:
    """What one sample and one container cost.

    Attributes:
        …_us: CPU time of a part, µs a sample, where each tick of a workspace makes one write of its value.
        …_bytes: on Kafka's disk, one copy, bytes a sample.
        value_bytes: of a container in its workspace's value after a day: what the changelog keeps of it, and is written anew with each of
            its samples where the interval is longer than that of the commits.
        worker_bytes: memory of a usage worker for each container.
        archived_bytes: a sample in ClickHouse, merged.
        hourly_bytes, daily_bytes: windows in ClickHouse, a container and day, its share of its workspace's windows too.
    """

    producer_us: float
    kafka_us: float
    worker_us: float
    sink_us: float
    clickhouse_us: float
    stats_bytes: float
    usage_bytes: float
    value_bytes: float
    worker_bytes: float
    archived_bytes: float
    hourly_bytes: float
    daily_bytes: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is watched."""

    containers: int = 1_000_000
    per_host: int = 100
    interval_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Choices:
    """What one decides oneself.

    Attributes:
        busy: how much of a core is planned with; the rest is for catching up after an outage.
        node_cores, node_tb: of a ClickHouse node.
        price: of a TB of disk a month, in any currency.
    """

    busy: float = 0.5
    kafka_copies: int = 3
    archive_copies: int = 2
    log_days: float = 7.0
    sample_days: float = 30.0
    hourly_days: float = 397.0
    years: float = 5.0
    node_cores: int = 16
    node_tb: float = 8.0
    price: float = 50.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A cluster; cores, TB and GB are of all machines together."""

    samples_per_s: float
    hosts: int
    producer_percent: float
    workers: int
    worker_gb: float
    partitions: int
    sinks: int
    kafka_cores: float
    kafka_mb_per_s: float
    kafka_tb: float
    archive_cores: float
    archive_tb: float
    archive_nodes: int
    price_per_month: float


def plan(fleet: Fleet, costs: Costs, choices: Choices) -> Plan:
    """The cluster for a fleet. Linear in samples but for whole processes and nodes, as the parts were seen to be."""
    rate = fleet.containers / fleet.interval_s

    def cores(microseconds: float) -> float:
        return rate * microseconds / 1e6 / choices.busy

    workers, sinks = ceil(cores(costs.worker_us)), ceil(cores(costs.sink_us))
    # A worker more than there are partitions does nothing, and partitions can never be changed: twice as many as are needed at first.
    partitions = next((count for count in _PARTITIONS if count >= 2 * max(workers, sinks)), 2 * max(workers, sinks))
    logged = rate * _DAY_S * choices.log_days * (costs.stats_bytes + costs.usage_bytes) + fleet.containers * costs.value_bytes
    kept = rate * _DAY_S * choices.sample_days * costs.archived_bytes
    windows = costs.hourly_bytes * choices.hourly_days + costs.daily_bytes * 365 * choices.years
    kafka_tb = logged * choices.kafka_copies / _TB
    archive_tb = (kept + fleet.containers * windows) * choices.archive_copies / _TB
    archive_cores = cores(costs.clickhouse_us) * choices.archive_copies
    # Half of a disk stays free: merges write what they read.
    nodes = max(ceil(archive_cores / choices.node_cores), ceil(archive_tb / (choices.node_tb / 2)), choices.archive_copies)
    return Plan(
        samples_per_s=rate,
        hosts=ceil(fleet.containers / fleet.per_host),
        producer_percent=fleet.per_host / fleet.interval_s * costs.producer_us / 1e4,
        workers=workers,
        worker_gb=fleet.containers * costs.worker_bytes / 1e9,
        partitions=partitions,
        sinks=sinks,
        kafka_cores=cores(costs.kafka_us) * choices.kafka_copies,
        kafka_mb_per_s=rate * (costs.stats_bytes + costs.usage_bytes + costs.value_bytes) / 1e6,
        kafka_tb=kafka_tb,
        archive_cores=archive_cores,
        archive_tb=archive_tb,
        archive_nodes=nodes,
        price_per_month=(kafka_tb + archive_tb) * choices.price,
    )


def table(fleet: Fleet, costs: Costs, choices: Choices) -> Iterator[str]:
    """Markdown."""
    found = plan(fleet, costs, choices)
    yield f"| {fleet.containers:,} containers at {fleet.interval_s:g} s, {found.samples_per_s:,.0f} samples/s | take | computed from |"
    yield "|---|---|---|"
    yield (
        f"| producers | {found.hosts:,}, one a host of {fleet.per_host} containers: {found.producer_percent:.1f} % of a core each "
        f"| {costs.producer_us:,.0f} µs a sample |"
    )
    yield (
        f"| usage workers | {found.workers}, a core each; {found.worker_gb:,.1f} GB of memory together "
        f"| {costs.worker_us:.1f} µs a sample, {costs.worker_bytes / 1000:.1f} KB a container |"
    )
    yield f"| sinks | {found.sinks} | {costs.sink_us:.1f} µs a sample |"
    yield f"| partitions | {found.partitions} | twice the workers, so that there is room to grow |"
    yield (
        f"| Kafka | {found.kafka_cores:.0f} cores and {found.kafka_tb:,.0f} TB over all brokers; "
        f"each copy takes {found.kafka_mb_per_s:,.0f} MB/s; {choices.kafka_copies} copies, {choices.log_days:g} days "
        f"| {costs.kafka_us:.1f} µs, {costs.stats_bytes:.0f} + {costs.usage_bytes:.0f} bytes a sample, "
        f"{costs.value_bytes:,.0f} of changelog |"
    )
    yield (
        f"| ClickHouse | {found.archive_nodes} nodes of {choices.node_cores} cores and {choices.node_tb:g} TB: "
        f"{found.archive_cores:.0f} cores to take samples in, {found.archive_tb:.1f} TB; {choices.archive_copies} copies, "
        f"samples {choices.sample_days:g} days, hours {choices.hourly_days:g}, days {choices.years:g} years "
        f"| {costs.clickhouse_us:.1f} µs, "
        f"{costs.archived_bytes:.1f} bytes a sample, {costs.hourly_bytes + costs.daily_bytes:,.0f} bytes of windows a container and day |"
    )
    yield (f"| disk, a month | {found.price_per_month:,.0f} at {choices.price:g} a TB | put your own price: `--price` |")


def written(page: str, lines: Iterator[str]) -> str:
    """The page with its computed part replaced."""
    inner = "\n".join((BEGIN, *lines, END))
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: inner, page, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=Fleet().containers)
    parser.add_argument("--per-host", type=int, default=Fleet().per_host)
    parser.add_argument("--interval", type=float, default=Fleet().interval_s)
    parser.add_argument("--price", type=float, default=Choices().price)
    parser.add_argument("--write", action="store_true", help="put the table of the defaults into docs/sizing.md")
    asked = parser.parse_args()
    if asked.write:
        PAGE.write_text(written(PAGE.read_text("utf-8"), table(Fleet(), MEASURED, Choices())), "utf-8")
        return
    fleet = Fleet(asked.containers, asked.per_host, asked.interval)
    print("\n".join(table(fleet, MEASURED, Choices(price=asked.price))))


#: 2026-12-01, 2 cores (AMD EPYC), compiled. Worker: `benchmarks.usage_agent` (load 40–50), 28.0 µs with a commit of each tick, as at
#: 10 s, and 5 for the lane; its memory by the same. Producer: `benchmarks.telegraf`. Archive: `benchmarks.sink`, windows' rows included
#: (5.8 µs a sample and 0.078 rows of 115 µs), split between sink and ClickHouse as `benchmarks.load fleet` saw it. Kafka:
#: `benchmarks.load`. Changelog: a day of one workspace of four, encoded.
MEASURED: Final = Costs(
    producer_us=730.0,
    kafka_us=36.3,
    worker_us=33.0,
    sink_us=9.9,
    clickhouse_us=4.9,
    stats_bytes=422.0,
    usage_bytes=493.0,
    value_bytes=4_400.0,
    worker_bytes=9_000.0,
    archived_bytes=11.8,
    hourly_bytes=5_516.0,
    daily_bytes=1_567.0,
)

if __name__ == "__main__":
    main()
