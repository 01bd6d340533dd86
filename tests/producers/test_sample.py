"""Stats answers → packed counters, for cgroup v1 and v2 as engines gave them, and for nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.engine_json import InvalidMessage
from producers.record import Skip
from producers.sample import Context, counters
from schemas.counters import COLUMNS, unpack
from schemas.identity import hash63
from tests.producers.test_record import JSON

V1: dict[str, Any] = {
    "read": "2026-01-31T12:00:00.5Z",
    "pids_stats": {"current": 2},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 254, "minor": 0, "op": op, "value": value}
            for op, value in (("Read", 10), ("Write", 20), ("Sync", 30), ("Async", 0), ("Total", 30))
        ],
        "io_serviced_recursive": [{"major": 254, "minor": 0, "op": op, "value": value} for op, value in (("Read", 1), ("Write", 2))],
    },
    "cpu_stats": {
        "cpu_usage": {"total_usage": 100, "percpu_usage": [60, 40], "usage_in_kernelmode": 30, "usage_in_usermode": 70},
        "system_cpu_usage": 5000,
        "online_cpus": 2,
        "throttling_data": {"periods": 5, "throttled_periods": 1, "throttled_time": 9},
    },
    "memory_stats": {
        "usage": 720,
        "max_usage": 800,
        "failcnt": 3,
        "limit": 1000,
        "stats": {
            "rss": 1, "total_rss": 200, "cache": 2, "total_cache": 300, "inactive_file": 4, "total_inactive_file": 50,
            "total_pgfault": 16, "total_pgmajfault": 1, "total_swap": 0,
        },
    },
    "networks": {
        "eth0": {f"{way}_{what}": 1 for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")},
        "eth1": dict.fromkeys(("rx_bytes", "tx_bytes"), 10),
    },
}  # fmt: skip
V2: dict[str, Any] = {
    **V1,
    "pids_stats": {"current": 2, "limit": 18446744073709551615},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "read", "value": 7},
            {"major": 8, "minor": 16, "op": "write", "value": 8},
        ],
        "io_serviced_recursive": None,
    },
    "memory_stats": {"usage": 720, "limit": 1000, "stats": {"anon": 100, "file": 200, "inactive_file": 30, "pgfault": 5, "pgmajfault": 0}},
}


def named(raw: object, context: Context | None = None) -> dict[str, int]:
    packed = counters(raw, context or Context())
    assert isinstance(packed, bytes)
    return dict(zip(COLUMNS, unpack(packed), strict=True))


def test_cgroup_v1() -> None:
    got = named(V1, Context(7, 8, 9))
    assert got | {"interfaces_hash": 0, "devices_hash": 0} == {
        "read_ns": 1_769_860_800_500_000_000, "started_at_ns": 7, "online_cpus": 2,
        "cpu_total_ns": 100, "cpu_user_ns": 70, "cpu_kernel_ns": 30, "system_cpu_ns": 5000,
        "throttle_periods": 5, "throttled_periods": 1, "throttled_ns": 9,
        "memory_usage_bytes": 720, "memory_limit_bytes": 1000, "memory_max_bytes": 800, "memory_failures": 3,
        "memory_anon_bytes": 200, "memory_file_bytes": 300, "memory_inactive_file_bytes": 50, "memory_swap_bytes": 0,
        "page_faults": 16, "major_page_faults": 1, "pids": 2, "pids_limit": -1,
        "network_rx_bytes": 11, "network_tx_bytes": 11, "network_rx_packets": 1, "network_tx_packets": 1,
        "network_rx_errors": 1, "network_tx_errors": 1, "network_rx_dropped": 1, "network_tx_dropped": 1,
        "block_read_bytes": 10, "block_write_bytes": 20, "block_read_ops": 1, "block_write_ops": 2,
        "interfaces_hash": 0, "devices_hash": 0, "network_namespace": 8, "cpu_limit_nanocpus": 9,
    }  # fmt: skip
    assert got["interfaces_hash"] == hash63("interfaces", "eth0", "eth1")
    assert got["devices_hash"] == hash63("devices", "254:0")


def test_cgroup_v2() -> None:
    got = named(V2)
    assert (got["memory_anon_bytes"], got["memory_file_bytes"], got["memory_inactive_file_bytes"]) == (100, 200, 30)
    assert (got["memory_max_bytes"], got["memory_failures"], got["memory_swap_bytes"], got["pids_limit"]) == (-1, -1, -1, -1)
    assert (got["block_read_bytes"], got["block_write_bytes"], got["block_read_ops"], got["block_write_ops"]) == (7, 8, -1, -1)
    assert (got["started_at_ns"], got["network_namespace"], got["cpu_limit_nanocpus"]) == (-1, -1, -1)


def test_what_the_engine_left_out_is_absent_and_not_zero() -> None:
    got = named({"read": V1["read"], "cpu_stats": {"cpu_usage": {"total_usage": 1}}})
    assert {name for name, value in got.items() if value != -1} == {"read_ns", "cpu_total_ns"}


def test_the_hosts_network_has_no_counters() -> None:
    got = named({key: value for key, value in V1.items() if key != "networks"}, Context(network_namespace=0))
    assert (got["network_rx_bytes"], got["interfaces_hash"], got["network_namespace"]) == (-1, -1, 0)


def test_the_cpus_are_counted_where_the_engine_does_not_say() -> None:
    assert named({**V1, "cpu_stats": {**V1["cpu_stats"], "online_cpus": 0}})["online_cpus"] == 2


def test_the_zeros_of_a_stopped_container_are_no_sample() -> None:
    stopped = {**V1, "read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}}
    assert counters(stopped, Context()) == Skip("not_running")


@pytest.mark.parametrize("read", ["2262-04-12T00:00:00Z", "6026-11-23T15:06:42.881834155Z", "9999-12-31T23:59:59.999999999Z"])
def test_a_time_that_64_bits_do_not_hold_is_no_time(read: str) -> None:
    assert counters(V1 | {"read": read}, Context()) == Skip("not_running")


@pytest.mark.parametrize("raw", [None, [], {}, {"message": "No such container"}, {"read": V1["read"]}])
def test_what_is_no_stats_answer_is_an_invalid_message(raw: object) -> None:
    with pytest.raises(InvalidMessage):
        counters(raw, Context())


@given(st.dictionaries(st.sampled_from(sorted(V1)), JSON))
def test_reading_a_sample_is_total(odd: dict[str, Any]) -> None:
    for base in (V1, V2):
        try:
            packed = counters({**base, **odd}, Context())
        except InvalidMessage:
            continue
        assert isinstance(packed, Skip) or len(unpack(packed)) == len(COLUMNS)
