"""The engine's clock: forward steps raise nothing, a jump back raises the generation once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.clock import TOLERANCE_NS, EngineClock

HOUR_NS = 3_600 * 10**9


def test_a_jump_back_of_an_hour_begins_a_generation() -> None:
    clock = EngineClock().read(10 * HOUR_NS).read(9 * HOUR_NS)
    assert clock == EngineClock(1, 9 * HOUR_NS)
    assert clock.read(9 * HOUR_NS + 5) == EngineClock(1, 9 * HOUR_NS + 5)


def test_a_small_step_back_is_no_jump() -> None:
    assert EngineClock(3, HOUR_NS).read(HOUR_NS - TOLERANCE_NS) == EngineClock(3, HOUR_NS)


@given(st.lists(st.integers(0, 10**19)))
def test_order_by_generation_and_time_never_goes_clearly_back(readings: list[int]) -> None:
    clock = EngineClock()
    for reading in readings:
        before, clock = clock, clock.read(reading)
        assert (clock.generation, clock.highest_ns) >= (before.generation, before.highest_ns)
        assert not clock.is_behind(reading)
