"""What is folded many at a time is what is folded tick by tick: every byte of every value and output, and their order."""

from __future__ import annotations

import gc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fold_usage import Fleet
from schemas.codec import codec
from schemas.tick_decoder import FIELDS, TickDecoder, TickNumbers
from schemas.tick_frame import frame_of
from streams.columns.slices import Frame
from streams.core.facts import Position
from streams.lane import Input
from tests.columns.desk import Desk, messages


def of_fleet(fleet: Fleet, ticks: int) -> list[Input]:
    encode = codec("stats_tick").encode
    every = [one for number in range(ticks) for one in fleet.tick(number)]
    return [
        Input("wst.docker.stats", Position(3, 0, offset), one["workspace_id"].encode(), encode(one), (), one["tick_at_ns"] // 10**6)
        for offset, one in enumerate(every, 1)
    ]


def both(some: list[Input], random: Random, most: int) -> Desk:
    """Folds a log both ways, cut into the same slices, and compares them; returns the one that folds many at a time."""
    one, other = Desk(), Desk(singly=True)
    at = 0
    while at < len(some):
        size = random.randint(1, most)
        for desk in (one, other):
            desk.fold(some[at : at + size])
        if random.random() < 0.1:
            hot = random.choice([0, 1, 100])
            for desk in (one, other):
                desk.commit(hot)
        at += size
    assert one.said() == other.said()
    assert one.values() == other.values()
    assert other.ordinary == 0
    return one


@given(st.integers(0, 1 << 32), st.integers(1, 250), st.integers(1, 6), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_any_log_in_any_slices_gives_what_tick_by_tick_gives(seed: int, length: int, workspaces: int, most: int) -> None:
    random = Random(seed)
    both(messages(random, length, workspaces), random, most)


def test_most_of_such_a_log_is_folded_many_at_a_time() -> None:
    found = [both(messages(Random(seed), 400, 5), Random(seed), 30).ordinary for seed in range(3)]
    assert sum(found) > 500, found


@pytest.mark.parametrize("most", [1, 7, 60])
def test_steady_containers_are_all_ordinary_but_for_each_workspaces_first_ticks(most: int) -> None:
    desk = both(of_fleet(Fleet(5, 3), 40), Random(most), most)
    assert desk.ordinary > 5 * 20


def test_a_slice_ends_where_enough_waits_and_the_order_of_what_is_said_stays() -> None:
    desk = both(of_fleet(Fleet(300, 3), 5), Random(1), 2_000)
    assert desk.ordinary == 300 * 4


@pytest.mark.parametrize("singly", [False, True])
def test_a_whole_hour_begins_many_at_a_time(singly: bool) -> None:
    every = of_fleet(Fleet(20, 3), 2)
    desk = Desk(singly=singly)
    desk.fold(every[:20])
    desk.fold(every[20:])
    assert desk.ordinary == (0 if singly else 20)
    assert sum(("wst-type", b"windows") in record.headers for record in desk.sent) == 20


def test_what_grows_cold_is_gone_without_a_collector_of_garbage() -> None:
    # A worker calls the collector for young objects only: what lies in a cycle would stay for ever.
    gc.collect()
    gc.disable()
    try:
        desk = Desk()
        desk.fold(of_fleet(Fleet(30, 2), 3))
        assert desk.ordinary > 0
        desk.commit(0)
        assert [one for one in gc.get_objects() if isinstance(one, Frame)] == []
    finally:
        gc.enable()


@given(st.integers(0, 1 << 32), st.integers(2, 30))
@settings(max_examples=40, deadline=None)
def test_a_tick_that_fits_a_frame_is_what_decoding_gives(seed: int, length: int) -> None:
    values = [message.value or b"" for message in messages(Random(seed), length, 1)]
    decode = TickDecoder().decode
    frames = [frame for value in values if (frame := frame_of(value)) is not None]
    numbers = TickNumbers()
    for value in values:
        for frame in frames:
            counters = frame.read(value, numbers)
            if counters is not None:
                decoded = decode(value)
                assert [sample["counters"] for sample in decoded["samples"]] == counters
                assert tuple(decoded[name] for name in FIELDS[4:11]) == numbers.values
                assert frame_of(value) is not None
                assert (frame_of(value) or frame).links == frame.links


def test_damaged_bytes_fit_no_frame_or_decode_as_read() -> None:
    value = codec("stats_tick").encode(next(iter(Fleet(1, 2).tick(0))))
    frame = frame_of(value)
    assert frame is not None
    decode, numbers, random = TickDecoder().decode, TickNumbers(), Random(5)
    fits = 0
    for _ in range(2_000):
        damaged = bytearray(value)
        for _ in range(random.randint(1, 3)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        some = bytes(damaged[: random.choice([len(damaged)] * 5 + [random.randrange(len(damaged))])])
        counters = frame.read(some, numbers)
        if counters is not None:
            fits += 1
            decoded = decode(some)
            assert [sample["counters"] for sample in decoded["samples"]] == counters
            assert tuple(decoded[name] for name in FIELDS[4:11]) == numbers.values
    assert fits > 100
