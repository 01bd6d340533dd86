"""Which windows are open, closed and gone; what is published when. Times are seconds after noon.

12:00        13:00  13:00:30      14:00:30
  |  running   |  delay |  closed,    | gone into its day
                         corrected
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from streams.core.usage import owed_at_ms, publish_owed
from streams.core.window_set import Policy
from tests.core_usage.ticks import HOUR_S, NOON_S, STEADY, Log, by_container, counters, outcomes, recomputed, tick, windows, without_final

NOON_MS = 1000 * NOON_S
DAY_MS = NOON_MS - 12 * HOUR_S * 1000


def used(at_s: float, cpu_s: float) -> bytes:
    return counters(at_s, cpu_total_ns=STEADY["cpu_total_ns"] + round(cpu_s * 10**9))


def steady(log: Log, first_s: int, last_s: int, container: str = "a") -> None:
    for second in range(first_s, last_s, 10):
        log.fold(tick(second, {container: used(second, second / 10)}))


def hour(log: Log, number: int = 0) -> dict[str, object]:
    return windows(log.records)["engine-1", "hour", NOON_MS + 3_600_000 * number]


def test_a_sample_belongs_to_the_hour_of_its_reading_and_hours_are_half_open() -> None:
    log = Log(Policy(hour_every_ns=1, day_every_ns=1))
    for second in (HOUR_S - 20, HOUR_S - 10, HOUR_S, HOUR_S + 10):
        log.fold(tick(second, {"a": used(second, second)}))
    assert hour(log)["sample_count"] == 1
    assert hour(log)["last_read_ns"] == (NOON_S + HOUR_S - 10) * 10**9
    assert hour(log, 1)["sample_count"] == 2
    assert hour(log, 1)["observed_ns"] == 20 * 10**9
    assert windows(log.records)["engine-1", "day", DAY_MS]["sample_count"] == 3


def test_a_tick_that_straddles_an_hour_is_split_by_the_time_of_each_reading() -> None:
    log = Log(Policy(hour_every_ns=1))
    log.read(HOUR_S - 10, a=used(HOUR_S - 10, 0), b=used(HOUR_S - 10, 0))
    log.read(HOUR_S, a=used(HOUR_S - 0.1, 1), b=used(HOUR_S, 2))
    assert (hour(log)["cpu_core_ns"], hour(log, 1)["cpu_core_ns"]) == (10**9, 2 * 10**9)
    assert (hour(log)["tick_count"], hour(log, 1)["tick_count"]) == (1, 1)


def test_a_window_is_final_once_the_engine_is_past_its_end_and_the_delay() -> None:
    log = Log()
    steady(log, HOUR_S - 100, HOUR_S + 30)
    assert not hour(log)["final"]
    steady(log, HOUR_S + 30, HOUR_S + 100)
    assert hour(log)["final"]
    assert not hour(log, 1)["final"]


@pytest.mark.parametrize(
    ("now_s", "outcome", "in_window"),
    [(HOUR_S + 29, "folded", 2), (HOUR_S + 30, "folded_late", 2), (2 * HOUR_S + 29, "folded_late", 2), (2 * HOUR_S + 30, "late", 1)],
)
def test_a_sample_is_late_by_its_engines_highest_time(now_s: int, outcome: str, in_window: int) -> None:
    log = Log()
    log.read(HOUR_S - 30, a=counters(HOUR_S - 30), b=counters(HOUR_S - 30))
    log.read(HOUR_S - 20, b=counters(HOUR_S - 20))
    log.read(now_s, a=counters(now_s, started_at_ns=1))
    derived = log.read(now_s, b=counters(HOUR_S - 10))
    assert derived["b"]["outcome"] == outcome
    log.records += publish_owed(log.state, NOON_MS + 10**9)
    assert hour(log)["sample_count"] == in_window
    assert hour(log)["late_count"] == (outcome == "folded_late")
    assert without_final(windows(log.records)) == recomputed(log.records)


def test_a_late_sample_raises_the_version_of_a_final_window_and_of_its_day() -> None:
    log = Log(Policy(day_every_ns=1))
    log.read(HOUR_S - 30, b=counters(HOUR_S - 30))
    steady(log, HOUR_S - 30, HOUR_S + 100)
    before, day = hour(log), windows(log.records)["engine-1", "day", DAY_MS]
    assert before["final"]
    log.read(HOUR_S + 110, b=counters(HOUR_S - 20))
    steady(log, HOUR_S + 120, HOUR_S + 200)
    assert hour(log)["final"]
    assert hour(log)["sample_count"] == before["sample_count"] + 1  # type: ignore[operator]
    assert windows(log.records)["engine-1", "day", DAY_MS]["late_count"] == day["late_count"] + 1 == 1
    assert without_final(windows(log.records))["engine-1", "hour", NOON_MS] == recomputed(log.records)["engine-1", "hour", NOON_MS]


def test_an_engine_with_a_fast_clock_makes_no_other_engines_samples_late() -> None:
    log = Log()
    for second in range(HOUR_S - 60, HOUR_S, 10):
        log.fold(tick(second, {"a": counters(second)}))
        log.fold(tick(second + 50, {"b": counters(second + 50)}, engine_id="engine-2"))
    log.records += publish_owed(log.state, NOON_MS + 10**9)
    assert set(outcomes(log.records)) == {"baseline", "folded"}
    assert without_final(windows(log.records)) == recomputed(log.records)


def test_a_running_hour_is_published_when_it_begins_and_then_once_a_minute_of_event_time() -> None:
    log = Log()
    at = []
    for second in range(0, 600, 10):
        if any(window["grain"] == "hour" for record in log.fold(tick(second, {"a": used(second, second)})) for window in record["windows"]):
            at.append(second)
    assert at[0] == 10
    assert at[1] - at[0] <= 60
    assert {later - earlier for earlier, later in pairwise(at[1:])} == {60}


def test_a_window_is_not_published_again_without_a_change() -> None:
    log = Log(Policy(hour_every_ns=1, day_every_ns=1))
    log.read(0, a=counters(0))
    log.read(10, a=counters(10))
    assert [record["kind"] for record in log.fold(tick(20, {"a": counters(10)}))] == ["samples"]


def test_a_stopped_workspaces_last_minute_and_the_end_of_its_windows_are_owed() -> None:
    log = Log()
    steady(log, 0, 90)
    assert hour(log)["sample_count"] < 8  # type: ignore[operator]
    due_ms = owed_at_ms(log.state)
    assert due_ms is not None
    assert due_ms <= NOON_MS + 150_000
    assert publish_owed(log.state, due_ms - 1) == []
    log.records += publish_owed(log.state, due_ms)
    assert hour(log)["sample_count"] == 8
    assert owed_at_ms(log.state) == NOON_MS + 3_630_000
    log.records += publish_owed(log.state, NOON_MS + 3_630_000)
    assert hour(log)["final"]
    log.records += publish_owed(log.state, DAY_MS + 86_430_000)
    assert windows(log.records)["engine-1", "day", DAY_MS]["final"]
    assert owed_at_ms(log.state) is None
    assert without_final(windows(log.records)) == recomputed(log.records)


def test_what_was_owed_and_published_is_no_reason_to_call_later_samples_late() -> None:
    one, other = Log(), Log()
    steady(one, 0, 90)
    steady(other, 0, 90)
    publish_owed(one.state, NOON_MS + 10**8)
    for log in (one, other):
        steady(log, 90, 200)
        log.records += publish_owed(log.state, NOON_MS + 10**9)
    assert outcomes(one.records) == outcomes(other.records)
    assert windows(one.records) == windows(other.records)


class TestAClockThatRunsBackward:
    def test_begins_with_new_baselines_and_corrects_windows_that_are_still_there(self) -> None:
        log = Log()
        steady(log, HOUR_S - 60, HOUR_S + 120)
        derived = [
            by_container(log.fold(tick(second, {"a": used(second, 400 + second)}, generation=1)))["a"]["outcome"]
            for second in (600, 610, 620)
        ]
        assert derived == ["baseline", "folded", "folded"]
        log.records += publish_owed(log.state, NOON_MS + 10**9)
        assert without_final(windows(log.records)) == recomputed(log.records)

    def test_does_not_open_again_what_was_final(self) -> None:
        log = Log(Policy(hour_every_ns=1))
        steady(log, HOUR_S - 60, HOUR_S + 120)
        assert hour(log)["final"]
        again = [
            window
            for second in (600, 610)
            for record in log.fold(tick(second, {"b": counters(second)}, generation=1))
            for window in record["windows"]
        ]
        assert [(window["container_id"], window["final"]) for window in again if window["start_ms"] == NOON_MS] == [
            (None, True),
            ("b" * 64, True),
        ]

    def test_finds_hours_that_have_left_refused(self) -> None:
        log = Log()
        steady(log, 0, 100)
        for second in range(100, 3 * HOUR_S, 250):
            log.fold(tick(second, {"a": used(second, second / 10)}))
        derived = [
            by_container(log.fold(tick(second, {"a": used(second, 9000 + second)}, generation=1)))["a"]["outcome"] for second in (600, 610)
        ]
        assert derived == ["late", "late"]
        log.records += publish_owed(log.state, NOON_MS + 10**9)
        assert without_final(windows(log.records)) == recomputed(log.records)

    def test_from_years_ahead_does_not_make_everything_late_until_then(self) -> None:
        log = Log()
        years = 4 * 365 * 24 * HOUR_S
        steady(log, years, years + 100)
        for second in range(years + 100, years + 4 * HOUR_S, 250):
            log.fold(tick(second, {"a": used(second, second / 10)}))
        log.fold(tick(600, {"a": used(600, 60)}, generation=1))
        tomorrow = 13 * HOUR_S
        for second in range(tomorrow, tomorrow + 60, 10):
            log.fold(tick(second, {"a": used(second, second / 10)}, generation=1))
        assert outcomes(log.records)[-5:] == ["folded"] * 5

    def test_finds_ticks_of_the_time_before_it_out_of_order(self) -> None:
        log = Log()
        log.fold(tick(0, {"a": counters(0)}, generation=1))
        assert outcomes(log.fold(tick(10, {"a": counters(10)}, generation=0))) == ["out_of_order"]
        assert outcomes(log.fold(tick(10, {"b": counters(10)}, generation=0))) == ["out_of_order"]
        assert outcomes(log.fold(tick(7 * HOUR_S, {"b": counters(7 * HOUR_S)}, generation=0))) == ["out_of_order"]
        assert outcomes(log.fold(tick(20, {"a": counters(20)}, generation=1))) == ["folded"]


class TestTheValueStaysBounded:
    def test_containers_unseen_for_longer_than_grace_leave(self) -> None:
        log = Log()
        for number in range(0, 3 * HOUR_S, 60):
            log.fold(tick(number, {f"job-{number}": counters(number, network_namespace=1000 + number), "a": counters(number)}))
        engine = log.state.engines["engine-1"]
        assert len(engine.readings) <= 123
        assert len(engine.namespaces) <= 123
        assert len(engine.windows.hours) <= 3

    def test_a_container_that_comes_back_later_begins_with_a_baseline(self) -> None:
        log = Log()
        log.read(0, a=counters(0), b=counters(0))
        later = 2 * HOUR_S + 120
        for second in range(60, later, 60):
            log.read(second, a=counters(second))
        assert log.read(later, b=counters(later))["b"]["outcome"] == "baseline"

    def test_hours_and_days_past_grace_leave(self) -> None:
        log = Log()
        for second in range(0, 40 * HOUR_S, 200):
            log.fold(tick(second, {"a": used(second, second / 10)}))
        engine = log.state.engines["engine-1"]
        assert len(engine.windows.hours) == 2
        assert len(engine.windows.days) == 1
        log.records += publish_owed(log.state, NOON_MS + 10**9)
        assert without_final(windows(log.records)) == recomputed(log.records)
        assert all(window["final"] for window in windows(log.records).values())

    def test_engines_silent_for_a_week_leave(self) -> None:
        log = Log()
        log.fold(tick(0, {"a": counters(0)}, engine_id="engine-0"))
        week = 7 * 24 * HOUR_S
        log.read(week, a=counters(week))
        assert set(log.state.engines) == {"engine-0", "engine-1"}
        log.read(week + 100, a=counters(week + 100))
        assert set(log.state.engines) == {"engine-1"}
