"""Every rule of rates, as a table: two readings ten seconds apart, and what is derived from them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core_usage.ticks import STEADY, Log, counters

MIB = 1 << 20

# What differs from STEADY in the first and in the second reading (10 s later), and what must come out.
RULES: dict[str, tuple[dict[str, int], dict[str, int], dict[str, Any]]] = {
    "cpu_is_the_difference_and_its_share_of_one_cpu": (
        {},
        {"cpu_total_ns": STEADY["cpu_total_ns"] + 25 * 10**8, "system_cpu_ns": STEADY["system_cpu_ns"] + 40 * 10**9},
        {"outcome": "folded", "interval_ns": 10**10, "cpu_ns": 25 * 10**8, "system_cpu_ns": 40 * 10**9, "cpu_millipercent": 25_000},
    ),
    "several_cpus_are_above_100_percent": (
        {},
        {"cpu_total_ns": STEADY["cpu_total_ns"] + 35 * 10**9},
        {"outcome": "folded", "cpu_millipercent": 350_000},
    ),
    "thousandths_of_a_percent_are_rounded_down": (
        {},
        {"cpu_total_ns": STEADY["cpu_total_ns"] + 199_999},
        {"cpu_millipercent": 1},
    ),
    "an_idle_container_is_zero_and_not_unknown": (
        {},
        {},
        {"outcome": "folded", "cpu_ns": 0, "cpu_millipercent": 0, "network_rx_bytes": 0, "block_read_bytes": 0, "page_faults": 0},
    ),
    "memory_used_is_without_inactive_page_cache": (
        {},
        {},
        {"memory_used_bytes": 200 * MIB, "memory_usage_bytes": 300 * MIB, "memory_byte_seconds": 2000 * MIB},
    ),
    "inactive_page_cache_above_usage_is_not_subtracted": ({}, {"memory_inactive_file_bytes": 400 * MIB}, {"memory_used_bytes": 300 * MIB}),
    "inactive_page_cache_nobody_knows_is_not_subtracted": ({}, {"memory_inactive_file_bytes": -1}, {"memory_used_bytes": 300 * MIB}),
    "memory_nobody_knows_stays_unknown": (
        {},
        {"memory_usage_bytes": -1},
        {"outcome": "folded", "memory_used_bytes": -1, "memory_byte_seconds": -1, "cpu_ns": 0},
    ),
    "a_memory_limit_is_kept": ({}, {}, {"memory_limit_bytes": 1 << 30}),
    "a_memory_limit_above_the_host_is_the_hosts_memory": ({}, {"memory_limit_bytes": 1 << 50}, {"memory_limit_bytes": 16 << 30}),
    "an_unlimited_sentinel_is_the_hosts_memory": ({}, {"memory_limit_bytes": (1 << 63) - 4096}, {"memory_limit_bytes": 16 << 30}),
    "a_memory_limit_of_zero_is_none": ({}, {"memory_limit_bytes": 0}, {"memory_limit_bytes": -1, "outcome": "folded"}),
    "network_and_block_are_differences_beside_their_totals": (
        {},
        {"network_rx_bytes": 6000, "network_tx_bytes": 750, "block_read_bytes": 50_000, "block_write_bytes": 10_000},
        {"network_rx_bytes": 1000, "network_tx_bytes": 50, "block_read_bytes": 9040, "block_write_bytes": 1808,
         "network_rx_counted_bytes": 1000, "network_tx_counted_bytes": 50, "network_rx_total_bytes": 6000,
         "block_write_total_bytes": 10_000},
    ),
    "another_set_of_interfaces_is_a_new_baseline": (
        {},
        {"interfaces_hash": 12, "network_rx_bytes": 9_000_000, "network_tx_bytes": 9_000},
        {"outcome": "folded", "network_rx_bytes": -1, "network_tx_bytes": -1, "network_rx_counted_bytes": -1, "cpu_ns": 0,
         "block_read_bytes": 0},
    ),
    "interfaces_made_anew_under_the_same_names_are_a_new_baseline": (
        {},
        {"network_rx_bytes": 10, "network_tx_bytes": 9_000},
        {"outcome": "folded", "network_rx_bytes": -1, "network_tx_bytes": -1, "network_rx_counted_bytes": -1, "cpu_ns": 0},
    ),
    "another_network_namespace_is_a_new_baseline": (
        {},
        {"network_namespace": 34, "network_rx_bytes": 9_000_000},
        {"outcome": "folded", "network_rx_bytes": -1, "network_rx_counted_bytes": -1},
    ),
    "another_set_of_devices_is_a_new_baseline": (
        {},
        {"devices_hash": 23, "block_read_bytes": 9_000_000},
        {"outcome": "folded", "block_read_bytes": -1, "block_write_bytes": -1, "network_rx_bytes": 0},
    ),
    "the_hosts_network_is_shown_but_not_counted": (
        {"network_namespace": 0},
        {"network_namespace": 0, "network_rx_bytes": 9000},
        {"network_rx_bytes": 4000, "network_rx_counted_bytes": 0, "network_tx_counted_bytes": 0},
    ),
    "an_unknown_namespace_counts_for_itself": (
        {"network_namespace": -1},
        {"network_namespace": -1, "network_rx_bytes": 9000},
        {"network_rx_bytes": 4000, "network_rx_counted_bytes": 4000},
    ),
    "an_absent_network_is_unknown": (
        {"network_rx_bytes": -1, "network_tx_bytes": -1},
        {"network_rx_bytes": -1, "network_tx_bytes": -1},
        {"outcome": "folded", "network_rx_bytes": -1, "network_rx_total_bytes": -1, "cpu_ns": 0},
    ),
    "a_counter_that_appears_has_no_difference_yet": ({"page_faults": -1}, {"page_faults": 500}, {"outcome": "folded", "page_faults": -1}),
    "throttling_and_faults_are_differences": (
        {},
        {"throttled_ns": 3 * 10**9, "page_faults": 1234},
        {"throttled_ns": 3 * 10**9, "page_faults": 234, "pids": 7},
    ),
    "a_hosts_cpu_time_that_went_back_is_unknown_and_no_reset": (
        {},
        {"system_cpu_ns": STEADY["system_cpu_ns"] - 1},
        {"outcome": "folded", "system_cpu_ns": -1, "cpu_ns": 0},
    ),
    "cpus_nobody_knows_are_the_hosts": ({}, {"online_cpus": -1}, {"online_cpus": 4}),
    "a_cpu_limit_is_kept": ({}, {"cpu_limit_nanocpus": 5 * 10**8}, {"cpu_limit_nanocpus": 5 * 10**8}),
    "no_cpu_limit_is_unknown": ({}, {"cpu_limit_nanocpus": 0}, {"cpu_limit_nanocpus": -1}),
    "cpu_that_went_back_is_a_reset": (
        {},
        {"cpu_total_ns": 10, "network_rx_bytes": 9000},
        {"outcome": "reset", "interval_ns": 0, "cpu_ns": -1, "network_rx_bytes": -1, "memory_used_bytes": 200 * MIB,
         "network_rx_total_bytes": 9000},
    ),
    "another_start_is_a_reset_even_if_counters_grew": (
        {},
        {"started_at_ns": STEADY["started_at_ns"] + 1, "cpu_total_ns": 90 * 10**9},
        {"outcome": "reset", "cpu_ns": -1},
    ),
    "more_cpu_than_the_machine_has_is_absurd": (
        {},
        {"cpu_total_ns": STEADY["cpu_total_ns"] + 1000 * 10**9},
        {"outcome": "absurd", "cpu_ns": -1, "memory_used_bytes": -1},
    ),
    "more_bytes_than_any_network_carries_are_absurd": ({}, {"network_rx_bytes": 1 << 60}, {"outcome": "absurd", "network_rx_bytes": -1}),
    "more_bytes_than_any_disk_reads_are_absurd": ({}, {"block_write_bytes": 1 << 60}, {"outcome": "absurd", "block_write_bytes": -1}),
    "more_bytes_sent_than_any_network_carries_are_absurd": ({}, {"network_tx_bytes": 1 << 60}, {"outcome": "absurd"}),
    "more_bytes_than_any_disk_gives_are_absurd": ({}, {"block_read_bytes": 1 << 60}, {"outcome": "absurd"}),
    "more_throttling_than_the_machine_has_is_absurd": ({}, {"throttled_ns": 1000 * 10**9}, {"outcome": "absurd", "throttled_ns": -1}),
    "more_faults_than_any_machine_takes_are_absurd": ({}, {"page_faults": 1 << 60}, {"outcome": "absurd", "page_faults": -1}),
    "a_negative_counter_is_absurd": ({}, {"network_rx_bytes": -2}, {"outcome": "absurd", "network_rx_total_bytes": -1}),
    "a_counter_above_2_to_62_is_absurd": ({}, {"page_faults": (1 << 62) + 1}, {"outcome": "absurd", "page_faults": -1}),
    "more_memory_than_the_host_can_have_is_absurd": ({}, {"memory_usage_bytes": 33 << 30}, {"outcome": "absurd", "memory_usage_bytes": -1}),
    "a_reading_at_time_zero_is_absurd": ({}, {"read_ns": 0}, {"outcome": "absurd"}),
    "a_reading_before_1970_is_absurd": ({}, {"read_ns": -62_135_596_800_000_000}, {"outcome": "absurd"}),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_two_readings_ten_seconds_apart(rule: str) -> None:
    first, second, expected = RULES[rule]
    log = Log()
    assert log.read(0, a=counters(0, **first))["a"]["outcome"] == "baseline"
    derived = log.read(10, a=counters(10, **second))["a"]
    assert {name: derived[name] for name in expected} == expected


def test_the_first_reading_is_a_baseline_with_gauges_and_totals() -> None:
    derived = Log().read(0, a=counters(0))["a"]
    assert derived["outcome"] == "baseline"
    assert derived["memory_used_bytes"] == 200 * MIB
    assert derived["network_rx_total_bytes"] == 5000
    assert {derived[name] for name in ("cpu_ns", "cpu_millipercent", "network_rx_bytes", "network_rx_counted_bytes", "page_faults")} == {-1}
    assert derived["interval_ns"] == 0


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        ({"cpu_total_ns": 10}, "reset"),
        ({"cpu_total_ns": 10**16}, "absurd"),
        ({"network_rx_bytes": 1 << 60}, "absurd"),
        ({"page_faults": -7}, "absurd"),
        ({"read_ns": 1 << 62}, "future"),
        ({"interfaces_hash": 99}, "folded"),
    ],
)
def test_after_a_bad_reading_the_next_ones_are_sound_again(bad: dict[str, int], outcome: str) -> None:
    log = Log()
    log.read(0, a=counters(0))
    assert log.read(10, a=counters(10, **bad))["a"]["outcome"] == outcome
    log.read(20, a=counters(20))
    derived = log.read(30, a=counters(30, cpu_total_ns=STEADY["cpu_total_ns"] + 10**9, network_rx_bytes=5100))["a"]
    assert (derived["outcome"], derived["cpu_millipercent"], derived["network_rx_bytes"]) == ("folded", 10_000, 100)


def test_a_reading_not_newer_than_the_last_is_out_of_order_and_changes_nothing() -> None:
    log = Log()
    log.read(0, a=counters(0))
    log.read(10, a=counters(10))
    assert log.read(11, a=counters(10, cpu_total_ns=60 * 10**9))["a"]["outcome"] == "out_of_order"
    assert log.read(12, a=counters(5))["a"]["outcome"] == "out_of_order"
    derived = log.read(20, a=counters(20, cpu_total_ns=STEADY["cpu_total_ns"] + 10**9))["a"]
    assert (derived["cpu_ns"], derived["interval_ns"]) == (10**9, 10 * 10**9)


def test_a_reading_more_than_a_minute_ahead_of_its_record_is_of_the_future() -> None:
    log = Log()
    log.read(0, a=counters(0))
    assert log.read(10, a=counters(10 + 61))["a"]["outcome"] == "future"
    assert log.read(20, a=counters(20 + 59))["a"]["outcome"] == "folded"
    assert log.state.engines["engine-1"].highest_ns == 1_764_072_000 // 86_400 * 86_400 * 10**9 + (12 * 3600 + 79) * 10**9


def test_readings_too_far_apart_are_a_gap_with_differences_but_in_no_window() -> None:
    log = Log()
    log.read(0, a=counters(0))
    derived = log.read(301, a=counters(301, cpu_total_ns=STEADY["cpu_total_ns"] + 10**9))["a"]
    assert (derived["outcome"], derived["cpu_ns"], derived["network_rx_bytes"]) == ("gap", 10**9, 0)
    assert (derived["network_rx_counted_bytes"], derived["memory_byte_seconds"]) == (-1, -1)
    assert log.read(311, a=counters(311, cpu_total_ns=STEADY["cpu_total_ns"] + 10**9))["a"]["outcome"] == "folded"
    assert not any(window["cpu_core_ns"] for record in log.records for window in record["windows"])


class TestASharedNetworkNamespace:
    def test_is_counted_once_whichever_container_is_read_first(self) -> None:
        log = Log()
        log.read(0, a=counters(0), b=counters(0.5, network_rx_bytes=5040))
        total = 0
        for step in range(1, 6):
            second = 10 * step
            read = {
                "a": counters(second, network_rx_bytes=5000 + 1000 * step),
                "b": counters(second + 0.5, network_rx_bytes=5040 + 1000 * step),
            }
            derived = log.read(second, **(read if step % 2 else dict(reversed(read.items()))))
            assert {one["network_rx_bytes"] for one in derived.values()} == {1000}
            total += sum(one["network_rx_counted_bytes"] for one in derived.values())
        assert total == 5040 + 5000 - 5000

    def test_is_counted_on_when_one_of_its_containers_leaves(self) -> None:
        log = Log()
        log.read(0, a=counters(0), b=counters(0))
        log.read(10, a=counters(10, network_rx_bytes=6000), b=counters(10, network_rx_bytes=6000))
        assert log.read(20, b=counters(20, network_rx_bytes=6500))["b"]["network_rx_counted_bytes"] == 500
        derived = log.read(30, a=counters(30, network_rx_bytes=7000), b=counters(30, network_rx_bytes=7000))
        assert derived["a"]["network_rx_bytes"] == 1000
        assert derived["a"]["network_rx_counted_bytes"] + derived["b"]["network_rx_counted_bytes"] == 500

    def test_is_not_counted_again_by_a_container_that_joins(self) -> None:
        log = Log()
        log.read(0, a=counters(0))
        derived = log.read(10, b=counters(9, network_rx_bytes=5900), a=counters(10, network_rx_bytes=6000))
        assert (derived["b"]["outcome"], derived["b"]["network_rx_counted_bytes"]) == ("baseline", -1)
        assert derived["a"]["network_rx_counted_bytes"] == 1000

    def test_begins_anew_with_another_set_of_interfaces(self) -> None:
        log = Log()
        log.read(0, a=counters(0), b=counters(0))
        new = {"interfaces_hash": 12}
        derived = log.read(10, a=counters(10, **new, network_rx_bytes=90_000), b=counters(10.1, **new, network_rx_bytes=90_100))
        assert derived["a"]["network_rx_counted_bytes"] == -1
        assert (derived["b"]["network_rx_bytes"], derived["b"]["network_rx_counted_bytes"]) == (-1, 100)
        derived = log.read(20, a=counters(20, **new, network_rx_bytes=90_500), b=counters(20.1, **new, network_rx_bytes=90_500))
        assert [one["network_rx_counted_bytes"] for one in derived.values()] == [400, 0]

    def test_is_counted_no_further_by_another_reading_of_the_same_instant(self) -> None:
        log = Log()
        log.read(0, a=counters(0), b=counters(0))
        derived = log.read(10, a=counters(10, network_rx_bytes=6000), b=counters(10, network_rx_bytes=6050))
        assert [one["network_rx_counted_bytes"] for one in derived.values()] == [1000, 0]
        derived = log.read(20, a=counters(20, network_rx_bytes=7000), b=counters(20, network_rx_bytes=7050))
        assert [one["network_rx_counted_bytes"] for one in derived.values()] == [1000, 0]

    def test_loses_nothing_to_a_container_that_comes_back_after_a_gap(self) -> None:
        log = Log()
        log.read(0, a=counters(0), b=counters(0))
        for second in range(10, 410, 10):
            log.read(second, a=counters(second, network_rx_bytes=5000 + second))
        back = log.read(411, b=counters(411, network_rx_bytes=5411))["b"]
        assert (back["outcome"], back["network_rx_counted_bytes"]) == ("gap", -1)
        assert log.read(420, a=counters(420, network_rx_bytes=5420))["a"]["network_rx_counted_bytes"] == 20
