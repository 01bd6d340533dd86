"""How much a misbehaving engine can make a producer say."""

from __future__ import annotations

from producers.quiet import Allowance


def test_an_allowance_is_full_again_a_minute_after_the_first_was_taken() -> None:
    now_s = 1000.0
    allowance = Allowance(2, lambda: now_s)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now_s += 59.9
    assert not allowance.take()
    now_s += 0.1
    assert [allowance.take() for _ in range(3)] == [True, True, False]
