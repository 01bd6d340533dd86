"""Whatever counters say, the fold does not fail, what it publishes fits the schema, and no aggregate takes them in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.counters import COLUMNS
from streams.core import samples
from streams.core.invalid import InvalidMessage
from streams.core.usage import publish_owed
from streams.core.usage_bytes import from_bytes, to_bytes
from streams.core.window_set import Policy
from streams.core.windows import merged
from tests.core_usage.ticks import HOUR_S, NOON_S, Log, Record, counters, outcomes, recomputed, tick, windows, without_final

FOREVER_MS = 1000 * (NOON_S + 1000 * HOUR_S)
LEAST, MOST = -(1 << 63), (1 << 63) - 1
NASTY = st.sampled_from(
    [LEAST, LEAST + 1, -(1 << 62), -2, -1, 0, 1, 1 << 31, 1 << 32, 1 << 46, 1 << 50, (1 << 62) - 1, 1 << 62, (1 << 62) + 1, MOST]
)
READ = (
    "cpu_total_ns", "system_cpu_ns", "throttled_ns", "memory_usage_bytes", "memory_inactive_file_bytes", "page_faults", "pids",
    "online_cpus", "network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes", "started_at_ns", "cpu_limit_nanocpus",
)  # fmt: skip


def log_with(hostile: list[dict[str, int]], **fields: Any) -> Log:
    """Container `a` is sound; `x` says what it is told to, one tick after the other."""
    log = Log(Policy(hour_every_ns=1, day_every_ns=1))
    for number, said in enumerate(hostile):
        second = 10 * number
        read = {"x": counters(second, **{"network_namespace": 44, **said}), "a": counters(second)}
        log.fold(tick(second, read, **fields))
    return log


def published(log: Log) -> dict[tuple[str, str, int], Record]:
    log.records += publish_owed(log.state, FOREVER_MS)
    return windows(log.records)


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), NASTY | st.integers(LEAST, MOST), max_size=6), min_size=1, max_size=8))
@settings(max_examples=150)
def test_any_integers_in_any_columns_are_folded_published_and_kept(hostile: list[dict[str, int]]) -> None:
    log = log_with(hostile)
    found = published(log)
    assert set(outcomes(log.records)) <= set(samples.OUTCOMES)
    for record in log.records:
        assert codec("usage").decode(codec("usage").encode(record)) == record
    assert to_bytes(from_bytes(to_bytes(log.state))) == to_bytes(log.state)
    assert without_final(found) == recomputed(log.records)


@given(st.lists(st.integers(LEAST, MOST) | NASTY, min_size=2, max_size=10), st.sampled_from(READ))
def test_sums_stay_within_what_the_machine_could_have_done(values: list[int], column: str) -> None:
    found = published(log_with([{column: value} for value in values]))
    seconds = 10 * len(values)
    for window in found.values():
        assert 0 <= window["cpu_core_ns"] <= 2 * 4 * seconds * 10**9 * 2
        assert 0 <= window["memory_byte_seconds"] <= (32 << 30) * seconds * 2
        assert 0 <= window["network_rx_bytes"] <= (1 << 40) * seconds * 2


@pytest.mark.parametrize("column", READ)
@pytest.mark.parametrize("value", [-2, LEAST, (1 << 62) + 1, MOST])
def test_an_impossible_value_is_absurd_and_in_no_window(column: str, value: int) -> None:
    log = log_with([{}, {}, {column: value}, {}])
    assert outcomes(log.records)[4] == "absurd"
    without = Log(log.policy)
    for second in (0, 10, 20, 30):
        read = {"x": counters(second, network_namespace=44), "a": counters(second)}
        without.fold(tick(second, {name: read[name] for name in read if (name, second) != ("x", 20)}))
    assert published(log) == published(without)


@given(
    st.integers(LEAST, MOST) | NASTY,
    st.integers(LEAST, MOST) | NASTY,
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(LEAST, MOST) | NASTY,
)
def test_any_integers_in_a_ticks_own_fields_are_survived(interval_ms: int, memory: int, cpus: int, tick_at_ns: int) -> None:
    log = Log()
    for second in (0, 10, 20):
        fields = {"interval_ms": interval_ms, "host_memory_bytes": memory, "host_cpus": cpus, "tick_at_ns": tick_at_ns}
        log.fold(tick(second, {"a": counters(second)}, **fields), timestamp_ms=1000 * (NOON_S + second))
    for record in log.records:
        assert codec("usage").decode(codec("usage").encode(record)) == record
    assert to_bytes(from_bytes(to_bytes(log.state))) == to_bytes(log.state)


@given(st.text(max_size=70), st.text(max_size=70), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_any_names_and_ids_are_kept_as_they_are(container: str, name: str, labels: dict[str, str]) -> None:
    log = Log()
    for second in (0, 10):
        log.fold(
            tick(
                second, [{"container_id": container, "container_name": name, "service": name, "counters": counters(second)}], labels=labels
            )
        )
    assert from_bytes(to_bytes(log.state)) == log.state
    assert [one["container_id"] for record in log.records for one in record["samples"]] == [container] * 2


@pytest.mark.parametrize("container", ["A" * 64, "0123456789abcdef" * 4, "é" * 64, "f" * 63, " " * 64])
def test_a_container_id_reads_back_whether_or_not_it_is_64_hex_digits(container: str) -> None:
    log = Log()
    for second in (0, 10):
        log.fold(tick(second, [{"container_id": container, "container_name": "", "service": None, "counters": counters(second)}]))
    assert from_bytes(to_bytes(log.state)) == log.state


def test_sums_that_hostile_counters_drive_beyond_64_bits_stay_at_the_largest_number() -> None:
    log = Log(Policy(hour_every_ns=1, day_every_ns=1))
    for number in range(200):
        some = {
            f"x{index}": counters(10 * number, network_namespace=100 + index, network_rx_bytes=min(number << 42, 1 << 62))
            for index in range(200)
        }
        log.fold(tick(10 * number, some))
    for _ in range(3):
        for engine in log.state.engines.values():
            for slot in engine.windows.hours.values():
                slot.ticks.put(merged([slot.ticks.window()] * 2))
    engine = log.state.engines["engine-1"]
    for slot in engine.windows.hours.values():
        window = slot.ticks.window()
        window.network_rx_bytes <<= 40
        slot.ticks.put(window)
    found = published(log)
    assert found["engine-1", "hour", 1000 * NOON_S]["network_rx_bytes"] == MOST
    assert from_bytes(to_bytes(log.state)).engines["engine-1"].windows.hours[NOON_S * 10**9].ticks.window().network_rx_bytes == MOST
    for record in log.records[-2:]:
        codec("usage").encode(record)


def test_a_value_of_a_newer_format_is_refused_with_what_to_do() -> None:
    data = to_bytes(Log().state)
    with pytest.raises(ValueError, match="upgrade the worker"):
        from_bytes(b"\x63" + data[1:])


def test_a_value_of_four_containers_with_their_hours_days_and_percentiles_is_small() -> None:
    log = Log()
    for second in range(0, 2 * HOUR_S, 60):
        log.fold(tick(second, {name: counters(second, network_namespace=ord(name)) for name in "abcd"}))
    assert len(to_bytes(log.state)) < 4 * 2000


@pytest.mark.parametrize("generation", [-1, 100_001, 2**31 - 1])
def test_an_absurd_clock_generation_is_refused_and_the_next_tick_is_folded_as_ever(generation: int) -> None:
    log = Log(Policy(hour_every_ns=1, day_every_ns=1))
    log.fold(tick(0, {"a": counters(0)}))
    with pytest.raises(InvalidMessage, match="generation"):
        log.fold(tick(10, {"a": counters(10)}, generation=generation))
    log.fold(tick(20, {"a": counters(20)}))
    assert outcomes(log.records) == [samples.BASELINE, samples.FOLDED]
