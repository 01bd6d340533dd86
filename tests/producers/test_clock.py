"""The engine's clock: forward steps raise nothing, a jump back raises the generation once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.clock import TOLERANCE_NS, EngineClock

HOUR_NS = 3_600 * 10**9


def test_a_jump_back_of_an_hour_begins_a_generation() -> None:
    before = EngineClock().saw(10 * HOUR_NS)
    clock = before.read(9 * HOUR_NS, before)
    assert clock == EngineClock(1, 9 * HOUR_NS)
    assert clock.read(9 * HOUR_NS + 5, clock) == EngineClock(1, 9 * HOUR_NS + 5)
    assert clock.read(9 * HOUR_NS, before) == clock, "asked before the jump was known"


def test_a_small_step_back_is_no_jump() -> None:
    clock = EngineClock(3, HOUR_NS)
    assert clock.read(HOUR_NS - TOLERANCE_NS, clock) == clock


def test_an_answer_older_than_what_was_seen_since_it_was_asked_for_is_no_jump() -> None:
    asked = EngineClock(3, HOUR_NS)
    since = asked.saw(2 * HOUR_NS)
    assert since.read(HOUR_NS + 1, asked) == since


@given(st.lists(st.integers(0, 10**19)))
def test_order_by_generation_and_time_never_goes_clearly_back(readings: list[int]) -> None:
    clock = EngineClock()
    for reading in readings:
        before, clock = clock, clock.read(reading, clock)
        assert (clock.generation, clock.highest_ns) >= (before.generation, before.highest_ns)
        assert not clock.is_behind(reading)
