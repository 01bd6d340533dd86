"""The sizing guide: its arithmetic, and that the page says what it computes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.sizing import BEGIN, END, MEASURED, PAGE, Choices, Costs, Fleet, plan, table, written

#: A cost that is easy to reckon with: 10 µs in each part, 100 bytes in each topic.
ROUND = Costs(
    producer_us=100.0, kafka_us=10.0, worker_us=10.0, sink_us=10.0, clickhouse_us=10.0, stats_bytes=100.0, usage_bytes=100.0,
    value_bytes=0.0, worker_bytes=1_000.0, archived_bytes=10.0, hourly_bytes=0.0, daily_bytes=0.0,
)  # fmt: skip
CHOICES = Choices(busy=0.5, kafka_copies=1, archive_copies=1, log_days=1.0, sample_days=1.0, price=10.0)


def test_a_fleet_is_reckoned_by_its_samples() -> None:
    found = plan(Fleet(1_000_000, 100, 10.0), ROUND, CHOICES)
    # 100,000 samples/s × 10 µs are one core's time, two at half load; a day of them is 8.64 billion.
    assert (found.samples_per_s, found.hosts, found.workers, found.sinks) == (100_000.0, 10_000, 2, 2)
    assert found.producer_percent == pytest.approx(0.1)
    assert found.worker_gb == pytest.approx(1.0)
    assert found.kafka_tb == pytest.approx(8.64e9 * 200 / 1e12)
    assert found.archive_tb == pytest.approx(8.64e9 * 10 / 1e12)
    assert found.price_per_month == pytest.approx(10 * (found.kafka_tb + found.archive_tb))


def test_twice_the_interval_is_half_the_samples_but_the_same_memory() -> None:
    fast, slow = (plan(Fleet(1_000_000, 100, interval_s), ROUND, CHOICES) for interval_s in (10.0, 20.0))
    assert slow.samples_per_s * 2 == fast.samples_per_s
    assert slow.kafka_tb * 2 == pytest.approx(fast.kafka_tb)
    assert slow.worker_gb == fast.worker_gb


@pytest.mark.parametrize("containers", [100, 10_000, 1_000_000, 100_000_000])
def test_there_is_room_for_twice_the_workers(containers: int) -> None:
    found = plan(Fleet(containers), MEASURED, Choices())
    assert found.partitions >= 2 * found.workers >= 2
    assert found.partitions >= 12


def test_an_archive_has_nodes_for_its_copies_its_disk_and_its_cores() -> None:
    small = plan(Fleet(100), ROUND, Choices(archive_copies=2))
    assert small.archive_nodes == 2
    full = plan(Fleet(), replace(ROUND, archived_bytes=1_000.0), Choices(archive_copies=1, sample_days=30, node_tb=8.0))
    assert (full.archive_nodes - 1) * 4 < full.archive_tb <= full.archive_nodes * 4
    busy = plan(Fleet(), replace(ROUND, clickhouse_us=1_000.0), Choices(archive_copies=1, node_cores=16))
    assert (busy.archive_nodes - 1) * 16 < busy.archive_cores <= busy.archive_nodes * 16


def test_the_page_has_the_table_that_is_computed() -> None:
    page = PAGE.read_text("utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert page == written(page, table(Fleet(), MEASURED, Choices())), "python -m benchmarks.sizing --write"
