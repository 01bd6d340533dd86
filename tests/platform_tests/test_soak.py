"""What the soak calls growth."""

from __future__ import annotations

import random

from benchmarks.soak import trend

HOUR = [10.0 * number for number in range(360)]


def restless(mean: float, an_hour: float, by: float) -> list[tuple[float, float]]:
    """A figure every ten seconds for an hour."""
    draw = random.Random(1)
    return [(at, mean + an_hour * at / 3600 + draw.uniform(-by, by)) for at in HOUR]


def test_what_stays_as_it_is_does_not_grow_however_restless() -> None:
    assert not trend([(at, 100.0) for at in HOUR]).grows
    assert not trend(restless(100, 0, 30)).grows


def test_what_rises_by_a_tenth_of_itself_an_hour_grows_also_where_it_is_restless() -> None:
    found = trend(restless(100, 10, 5))
    assert found.grows
    assert 8 < found.per_hour < 12


def test_what_rises_by_a_hundredth_or_falls_does_not_grow() -> None:
    assert not trend(restless(100, 1, 0.1)).grows
    assert not trend(restless(100, -20, 0.1)).grows


def test_one_descriptor_lost_in_each_minute_is_found() -> None:
    assert trend([(at, 20 + at // 60) for at in HOUR]).grows
