"""Usage by hour and day, of workspaces and containers, as the stream folded it: percentiles merge, days lie in any time zone."""

from __future__ import annotations

from datetime import date

import pytest

from schemas import topics
from streams.core.usage import publish_owed
from tests.core_usage.ticks import HOUR_S, NOON_S, STEADY, Log, counters, tick
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import arrive, position, rows_of

DAY = date.fromtimestamp(NOON_S)  # noqa: DTZ012 - noon is on the same day everywhere tests run


async def filled(archive: Real) -> None:
    """From 11:50 to 14:10: a uses more and more CPU and its memory grows, b uses nothing that changes."""
    for table in ("samples_rows", "usage_hourly_rows"):  # what is made up lies in the past, further with every year
        archive.client.command(f"ALTER TABLE `{archive.address.database}`.{table} REMOVE TTL")
    log = Log()
    cpu_ns = STEADY["cpu_total_ns"]
    for number, second in enumerate(range(-600, 2 * HOUR_S + 600, 60)):
        cpu_ns += number * 10**9 // 10
        a = counters(second, cpu_total_ns=cpu_ns, memory_usage_bytes=(200 + number) << 20, network_rx_bytes=5000 + 600 * number)
        log.fold(tick(second, {"a": a, "b": counters(second, network_namespace=44)}))
    log.records += publish_owed(log.state, 1000 * (NOON_S + 2 * 24 * HOUR_S))
    arrivals = [arrive(topics.WORKSPACE_USAGE, record, position(offset)) for offset, record in enumerate(log.records)]
    for begin in range(0, len(arrivals), 50):
        await archive.write(rows_of(topics.WORKSPACE_USAGE, *arrivals[begin : begin + 50]))


async def test_percentiles_are_within_one_percent_of_those_of_the_samples_and_of_a_day_come_from_all_of_it(chdb_archive: Real) -> None:
    await filled(chdb_archive)
    exact = (
        "SELECT quantileExactLow(0.5)(cpu_millipercent) / 1000, quantileExactLow(0.95)(assumeNotNull(memory_used_bytes)) FROM {db}.samples"
        " WHERE outcome = 'folded' AND container_name = 'a'"
    )
    [(cpu, memory)] = chdb_archive.rows(exact)
    [(name, count, p50, p95)] = chdb_archive.rows(
        "SELECT container_name, sample_count, cpu_percent_p50, memory_used_bytes_p95 FROM {db}.container_usage_daily"
        " WHERE container_name = 'a'"
    )
    assert (name, count) == ("a", 139)
    assert (p50, p95) == (pytest.approx(cpu, rel=0.02), pytest.approx(memory, rel=0.02))
    hours = chdb_archive.rows(
        "SELECT container_name, sample_count, observed_seconds, cpu_percent_p99, network_rx_bytes FROM {db}.container_usage_hourly"
        " ORDER BY container_name, hour"
    )
    assert [(name, count, seconds, rx) for name, count, seconds, _, rx in hours] == [
        ("a", 9, 540.0, 9 * 600), ("a", 60, 3600.0, 60 * 600), ("a", 60, 3600.0, 60 * 600), ("a", 10, 600.0, 10 * 600),
        ("b", 9, 540.0, 0), ("b", 60, 3600.0, 0), ("b", 60, 3600.0, 0), ("b", 10, 600.0, 0),
    ]  # fmt: skip
    [(rate,)] = chdb_archive.rows("SELECT network_rx_bytes_per_second_p50 FROM {db}.usage_daily")
    assert rate == pytest.approx(10, rel=0.01)


async def test_what_containers_used_adds_up_to_what_their_workspace_used(chdb_archive: Real) -> None:
    await filled(chdb_archive)
    sums = "sum(cpu_core_seconds), sum(memory_byte_seconds), sum(sample_count), sum(observed_seconds), sum(block_write_bytes)"
    for grain in ("hourly", "daily"):
        of_containers = chdb_archive.rows(f"SELECT {sums} FROM {{db}}.container_usage_{grain}")
        assert of_containers == chdb_archive.rows(f"SELECT {sums} FROM {{db}}.usage_{grain}")


async def test_a_day_of_a_time_zone_is_the_merge_of_its_hours(chdb_archive: Real) -> None:
    await filled(chdb_archive)
    of_zone = "SELECT toString(day), sample_count, cpu_percent_p99, memory_used_bytes_max FROM {db}.usage_daily_in(tz = '%s') ORDER BY day"
    utc = chdb_archive.rows("SELECT toString(toDate(day)), sample_count, cpu_percent_p99, memory_used_bytes_max FROM {db}.usage_daily")
    assert chdb_archive.rows(of_zone % "UTC") == utc
    # In Nauru, 12 hours ahead, noon is midnight: the ten minutes before lie on another day.
    days = chdb_archive.rows(of_zone % "Pacific/Nauru")
    assert [(day, count) for day, count, *_ in days] == [(str(DAY), 18), (str(date.fromordinal(DAY.toordinal() + 1)), 260)]


async def test_a_window_from_before_there_were_sketches_has_no_percentiles(chdb_archive: Real) -> None:
    usage = records.usage(windows=[records.window()])
    await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(1))))
    assert chdb_archive.rows("SELECT cpu_percent_p50, memory_used_bytes_p99, sample_count FROM {db}.usage_hourly") == [(None, None, 10)]
    assert [row[2] for row in chdb_archive.rows("SELECT day, sample_count, cpu_percent_p50 FROM {db}.usage_daily_in(tz = 'UTC')")] == [None]
