"""Windows are integer monoids: no order of folding or merging changes one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streams.core import samples
from streams.core.gathering import Kept, gather, take_samples, take_ticks
from streams.core.windows import HOUR_NS, LARGEST, Window, merged

START = 490_000 * HOUR_NS


def row(random: Random) -> samples.Row:
    """A folded row: what is not known is -1."""
    interval = random.randrange(1, 10**12)
    values = dict.fromkeys(samples.COLUMNS, -1)
    values |= {"read_ns": START + random.randrange(50), "interval_ns": interval}
    for name in (
        "network_rx_counted_bytes",
        "network_tx_counted_bytes",
        "block_read_bytes",
        "block_write_bytes",
        "throttled_ns",
        "page_faults",
    ):
        values[name] = random.choice([-1, 0, random.randrange(1 << 40)])
    if random.random() < 0.7:
        values["cpu_ns"] = random.randrange(10**13)
        values["cpu_millipercent"] = values["cpu_ns"] * 100_000 // interval
    if random.random() < 0.7:
        values["memory_used_bytes"] = random.randrange(1 << 40)
        values["memory_byte_seconds"] = values["memory_used_bytes"] * interval // 10**9
    return tuple(values.values())


def made_ticks(seed: int) -> list[list[samples.Row]]:
    """Up to five ticks of up to three containers."""
    random = Random(seed)
    return [[row(random) for _ in range(random.randint(1, 3))] for _ in range(random.randrange(6))]


ticks = st.integers(0, 1 << 32).map(made_ticks)
"""Drawn as a seed: drawing each number would take most of a test's time."""


def window(groups: Sequence[Sequence[samples.Row]]) -> Window:
    kept = Kept(take_ticks)
    for group in groups:
        gather(kept, [Kept(take_samples) for _ in group], group, late=False, first_part=True)
    return kept.window()


def merge(one: Window, other: Window) -> Window:
    total = copy.deepcopy(one)
    total.merge(other)
    return total


@given(ticks, st.randoms())
def test_no_order_of_adding_ticks_changes_a_window(groups: list[list[samples.Row]], random: Random) -> None:
    shuffled = list(groups)
    random.shuffle(shuffled)
    assert window(groups) == window(shuffled)


@given(ticks, ticks, ticks)
def test_merging_is_associative_commutative_and_the_empty_window_changes_nothing(
    first: list[list[samples.Row]], second: list[list[samples.Row]], third: list[list[samples.Row]]
) -> None:
    a, b, c = window(first), window(second), window(third)
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)
    assert merge(a, b) == merge(b, a)
    assert merge(a, Window()) == a == merge(Window(), a)


@given(ticks, st.integers(0, 5))
def test_a_merge_of_parts_is_the_window_of_all(groups: list[list[samples.Row]], at: int) -> None:
    assert merged([window(groups[:at]), window(groups[at:])]) == window(groups)


def test_merging_does_not_change_what_is_merged() -> None:
    values = dict.fromkeys(samples.COLUMNS, 5)
    part = window([[tuple(values.values())]])
    before = copy.deepcopy(part)
    for histogram in merged([part, part]).histograms():
        assert histogram is not None
        histogram.add(9)
    assert part == before


def test_a_tick_of_several_containers_is_one_value_the_sum() -> None:
    def row(read_ns: int, cpu: int, used: int) -> samples.Row:
        values = dict.fromkeys(samples.COLUMNS, 0)
        values |= {"read_ns": read_ns, "interval_ns": 10, "cpu_millipercent": cpu, "memory_used_bytes": used}
        return tuple(values.values())

    made = window([[row(START + 1, 10, 100), row(START + 2, 20, -1)], [row(START + 11, 5, 7)]])
    assert (made.cpu_millipercent_min, made.cpu_millipercent_max, made.cpu_last) == (5, 30, (START + 11, 5))
    assert (made.memory_used_bytes_min, made.memory_used_bytes_max, made.memory_last) == (7, 100, (START + 11, 7))
    assert (made.sample_count, made.tick_count, made.observed_ns, made.covered_ns) == (3, 2, 30, 20)
    assert (made.first_read_ns, made.last_read_ns) == (START + 1, START + 11)


def test_of_two_last_values_at_one_instant_the_higher_is_the_last_in_any_order() -> None:
    def row(cpu: int) -> samples.Row:
        values = dict.fromkeys(samples.COLUMNS, 0)
        values |= {"read_ns": START + 1, "interval_ns": 10, "cpu_millipercent": cpu}
        return tuple(values.values())

    assert window([[row(3)], [row(9)]]).cpu_last == window([[row(9)], [row(3)]]).cpu_last == (START + 1, 9)


def test_parts_after_the_first_cover_no_time_of_their_own() -> None:
    values = dict.fromkeys(samples.COLUMNS, 0) | {"read_ns": START, "interval_ns": 10}
    kept = Kept(take_ticks)
    gather(kept, [Kept(take_samples)], [tuple(values.values())], late=False, first_part=True)
    gather(kept, [Kept(take_samples)], [tuple(values.values())], late=False, first_part=False)
    made = kept.window()
    assert (made.covered_ns, made.observed_ns) == (10, 20)


def test_sums_beyond_64_bits_are_published_as_the_largest_number() -> None:
    huge = Window(sample_count=1, cpu_core_ns=LARGEST - 1)
    huge.merge(Window(sample_count=1, cpu_core_ns=5))
    assert (
        dict(zip(("sample_count", "tick_count", "observed_ns", "covered_ns", "cpu_core_ns"), huge.numbers(), strict=False))["cpu_core_ns"]
        == LARGEST
    )
