"""What holds for every log of ticks: nothing depends on where it is cut, repeated or reordered, and windows are what samples say."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.facts import Position
from streams.core.usage import initial, publish_owed
from streams.core.usage_bytes import from_bytes, to_bytes
from streams.core.window_set import Policy
from tests.core_usage.logs import logs
from tests.core_usage.ticks import (
    HOUR_S,
    NOON_S,
    STEADY,
    Log,
    Record,
    container_windows,
    counters,
    outcomes,
    recomputed,
    recomputed_containers,
    tick,
    version,
    windows,
    without_final,
)

FOREVER_MS = 1000 * (NOON_S + 1000 * HOUR_S)
ALWAYS = Policy(hour_every_ns=1, day_every_ns=1, container_hour_every_ns=1, container_day_every_ns=1)

ADDITIVE = (
    "sample_count", "tick_count", "observed_ns", "covered_ns", "cpu_core_ns", "memory_byte_seconds", "network_rx_bytes", "network_tx_bytes",
    "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults", "late_count",
)  # fmt: skip


def folded(messages: list[Record], policy: Policy = ALWAYS) -> Log:
    log = Log(policy)
    for message in messages:
        log.fold(message)
    return log


@given(logs())
@settings(max_examples=60)
def test_every_window_published_equals_the_aggregate_over_the_samples_up_to_the_position_it_names(messages: list[Record]) -> None:
    log = Log(ALWAYS)
    for message in messages:
        for record in log.fold(message):
            expected = recomputed(log.records) if record["windows"] else {}
            containers = recomputed_containers(log.records) if record["windows"] else {}
            for window in record["windows"]:
                key = (record["engine_id"], window["grain"], window["start_ms"])
                container_id = window["container_id"]
                found = expected[key] if container_id is None else containers[*key, container_id]
                assert {**window, "final": None} == {**found, "final": None}


@given(logs())
def test_all_windows_equal_the_aggregate_over_all_samples_once_what_is_owed_is_published(messages: list[Record]) -> None:
    log = folded(messages, Policy())
    log.records += publish_owed(log.state, FOREVER_MS)
    assert without_final(windows(log.records)) == recomputed(log.records)
    assert without_final(container_windows(log.records)) == recomputed_containers(log.records)


@given(logs(), st.integers(0, 25))
def test_writing_the_value_and_reading_it_back_anywhere_changes_nothing(messages: list[Record], at: int) -> None:
    straight, cut = folded(messages, Policy()), folded(messages[:at], Policy())
    cut.state = from_bytes(to_bytes(cut.state))
    for message in messages[at:]:
        cut.fold(message)
    assert cut.records == straight.records
    assert cut.state == straight.state
    assert to_bytes(cut.state) == to_bytes(straight.state)


@given(logs(), st.data())
def test_a_tick_delivered_again_changes_nothing_and_publishes_nothing(messages: list[Record], data: st.DataObject) -> None:
    log = folded(messages)
    before = to_bytes(log.state)
    number = data.draw(st.integers(1, len(messages)))
    assert log.fold(messages[number - 1], position=Position(1, 3, number)) == []
    assert log.fold(messages[number - 1], position=Position(0, 3, 10**9)) == []
    assert to_bytes(log.state) == before


@given(logs(), st.data())
def test_the_same_tick_at_a_new_offset_is_in_no_window_twice(messages: list[Record], data: st.DataObject) -> None:
    repeated = [message for message in messages for _ in range(data.draw(st.integers(1, 2)))]
    once, twice = folded(messages), folded(repeated)
    for log in (once, twice):
        log.records += publish_owed(log.state, FOREVER_MS)
    assert windows(once.records) == windows(twice.records)


@given(logs(engines=1))
def test_a_day_is_the_merge_of_its_hours(messages: list[Record]) -> None:
    log = folded(messages)
    log.records += publish_owed(log.state, FOREVER_MS)
    found = windows(log.records)
    days = {key: window for key, window in found.items() if key[1] == "day"}
    assert set(days) == {("engine-1", "day", key[2] // 86_400_000 * 86_400_000) for key in found}
    for (_, _, start), day in days.items():
        hours = [window for key, window in found.items() if key[1] == "hour" and start <= key[2] < start + 86_400_000]
        assert {name: day[name] for name in ADDITIVE} == {name: sum(hour[name] for hour in hours) for name in ADDITIVE}
        assert day["cpu_millipercent_max"] == max(hour["cpu_millipercent_max"] for hour in hours)
        assert day["first_read_ns"] == min(hour["first_read_ns"] for hour in hours)


@given(logs())
def test_a_windows_version_never_falls(messages: list[Record]) -> None:
    log = folded(messages)
    seen: dict[tuple[str, str, int, str | None], tuple[int, bool]] = {}
    for record in log.records:
        for window in record["windows"]:
            key = (record["engine_id"], window["grain"], window["start_ms"], window["container_id"])
            assert version(window) > seen.get(key, (0, False))
            seen[key] = version(window)


@given(st.randoms())
def test_no_order_of_different_containers_ticks_changes_a_window(random: Random) -> None:
    def message(container: str, number: int) -> Record:
        second = 3500 + 30 * number + ord(container) % 7
        grown = {"cpu_total_ns": STEADY["cpu_total_ns"] + number * number * 10**9, "network_rx_bytes": 5000 + 100 * number * ord(container)}
        return tick(second, {container: counters(second, network_namespace=ord(container), **grown)})

    queues = {container: [message(container, number) for number in range(9)] for container in "abcd"}
    order = [container for container in queues for _ in range(9)]
    in_turn = [message(container, number) for number in range(9) for container in "abcd"]
    random.shuffle(order)
    shuffled = [queues[container].pop(0) for container in order]
    one, other = folded(in_turn), folded(shuffled)
    for log in (one, other):
        log.records += publish_owed(log.state, FOREVER_MS)
    assert set(outcomes(other.records)) <= {"baseline", "folded", "folded_late"}
    assert [{**window, "late_count": 0} for window in windows(one.records).values()] == [
        {**window, "late_count": 0}
        for _, window in sorted(windows(other.records).items(), key=lambda item: list(windows(one.records)).index(item[0]))
    ]


@given(logs())
def test_the_values_bytes_are_canonical(messages: list[Record]) -> None:
    data = to_bytes(folded(messages).state)
    assert to_bytes(from_bytes(data)) == data


def test_an_empty_value_reads_back() -> None:
    assert from_bytes(to_bytes(initial("shop"))) == initial("shop")
