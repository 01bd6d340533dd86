"""Rows taken into many windows at once give the bytes that each window gives by itself."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.columns.intake import FEW, take_in
from streams.core import window_bytes
from streams.core.gathering import Kept, take_samples, take_ticks
from streams.core.windows import Window

SECOND_NS = 10**9
#: What values look like, each kind with its own spread: idle, steady, wild, at a bucket's bound, enormous.
KINDS = (
    lambda random: 0,
    lambda random: 5 << 28,
    lambda random: random.randrange(1 << random.randint(1, 45)),
    lambda random: round((1.01 / 0.99) ** random.randint(1, 1_500)) + random.randint(-1, 1),
    lambda random: random.randrange(1 << 62),
    lambda random: -1,
)
USUAL = (40, 40, 40, 20, 1, 1)


def value(random: Random, kind: int) -> int:
    return min(max(KINDS[kind](random), -1), (1 << 63) - 1)


def rows(random: Random, kept: Kept, count: int, at: int) -> bytes:
    """Rows as they are noted, mostly in the order of time."""
    [kind] = random.choices(range(len(KINDS)), USUAL)
    found = b""
    for _ in range(count):
        at += random.choice([10 * SECOND_NS] * 30 + [0, -SECOND_NS])
        some = [value(random, kind) for _ in range(14)]
        interval = random.choice([10 * SECOND_NS, 1, 300 * SECOND_NS])
        row = [at, at - 5, 3, *some[:1], interval, interval, *some[1:11]] if kept.take is take_ticks else [at, interval, *some[:10]]
        found += struct.pack(f"<{len(row)}q", *row)
    return found


def made(random: Random) -> Kept:
    """A window with some history, and rows beside it."""
    kept = Kept(random.choice([take_ticks, take_samples]))
    if random.random() < 0.7:
        kept.packed = window_bytes.pack(Window(name=(random.randint(-1, 9), "web" * random.randint(0, 3), "ü")))
    at = 1_764_000_000 * SECOND_NS
    for _ in range(random.choice([0, 1, 3, 40])):
        kept.noted += rows(random, kept, 16, at)
        kept.window(late=random.random() < 0.05)
        at += 200 * SECOND_NS
    kept.noted += rows(random, kept, random.choice([1, 6, 16, 16]), at)
    return kept


def copy(kept: Kept) -> Kept:
    return Kept(kept.take, kept.packed, bytes(kept.noted))


@given(st.integers(0, 1 << 32), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_many_at_once_are_what_each_is_by_itself(seed: int, count: int) -> None:
    random = Random(seed)
    one_by_one = [made(random) for _ in range(count)]
    together = [copy(kept) for kept in one_by_one]
    for kept in one_by_one:
        kept.window()
    for few in (together[: count // 2], together[count // 2 :]):
        take_in(few, 0)
    assert together == one_by_one


@pytest.mark.skipif(not hasattr(Kept.window, "__code__"), reason="machine code has no subclasses that count; Python's does the same")
def test_most_windows_need_no_look_by_themselves() -> None:
    random = Random(3)
    some = [kept for kept in (made(random) for _ in range(400)) if kept.take is take_samples]
    singly = []

    class Watched(Kept):
        def window(self, late: bool = False) -> Window:
            singly.append(self)
            return super().window(late)

    take_in([Watched(kept.take, kept.packed, bytes(kept.noted)) for kept in some])
    assert len(some) > FEW
    assert len(singly) < len(some) / 2
