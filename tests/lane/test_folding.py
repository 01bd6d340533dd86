"""Folding: slices that never hold the loop for long, and records that come twice or too early."""

from __future__ import annotations

import asyncio
import time

import pytest
from faust.types import TP

from streams.lane import Input
from streams.lane.batch import Batch, Positions
from tests.lane.harness import EPOCH, SOURCE, Bench, Ended, FetchedRecord
from tests.lane.tally import reference
from tests.platform.process import PATIENCE_S

NUMBERS = [(b"a", 1), (b"b", 2), (b"a", 3)]


class SlowFolder:
    """Takes a millisecond a record."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.slices = 0

    def begin(self, partition: int) -> None:
        """Nothing is kept."""

    def fold(self, record: Input) -> None:
        self.seen.append(record.position.offset)
        time.sleep(0.001)

    def finish(self) -> None:
        self.slices += 1


async def test_a_long_batch_is_folded_in_slices_that_let_others_run() -> None:
    bench = Bench()
    await bench.begin()
    folder = SlowFolder()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    ticking = asyncio.create_task(others())
    await bench.folding.run(bench.batch([(b"k", 1)] * 60), folder)
    ticking.cancel()
    assert folder.seen == list(range(60))
    assert folder.slices >= 6
    assert bench.progress.slices == folder.slices
    assert turns >= folder.slices - 1


async def test_while_a_send_takes_long_nothing_is_folded_that_would_take_the_processor_from_it() -> None:
    bench = Bench()
    bench.log.gate.clear()
    await bench.begin()
    await bench.fold(NUMBERS)
    await asyncio.sleep(0)  # the send begins
    await bench.fold(NUMBERS, first_offset=3)  # of little time, and nobody minds
    bench.clock.now += 1.0
    more = asyncio.create_task(bench.fold(NUMBERS, first_offset=6))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not more.done()
    bench.log.gate.set()
    await more
    await bench.committer.commit()
    assert bench.tallies() == reference(NUMBERS * 3)[0]


async def test_a_commit_between_two_slices_covers_exactly_what_was_folded() -> None:
    bench = Bench(slice_s=0.0)  # every record its own slice
    await bench.begin()
    folding = asyncio.create_task(bench.fold(NUMBERS))
    while not bench.offsets:
        await asyncio.sleep(0)
        await bench.committer.commit()
    covered = bench.offsets[TP(SOURCE, 0)]
    assert 0 < covered < 3
    heir = bench.successor()
    await heir.begin()
    assert heir.tallies() == reference(NUMBERS[:covered])[0]
    await folding


async def test_records_fetched_twice_are_folded_once() -> None:
    bench = Bench()
    await bench.begin()
    await bench.fold(NUMBERS)
    await bench.fold([*NUMBERS[1:], (b"c", 9)], first_offset=1)
    assert bench.tallies() == reference([*NUMBERS, (b"c", 9)])[0]
    assert bench.progress.records == 4


async def test_a_batch_fetched_before_reading_began_anew_is_left_alone() -> None:
    bench = Bench()
    await bench.begin()
    early = bench.batch(NUMBERS)
    bench.ledger.forget()
    await bench.begin()
    await bench.folding.run(early, bench.folder)
    assert bench.tallies() == {}


async def test_a_batch_of_a_partition_that_is_not_read_is_left_alone() -> None:
    bench = Bench()
    await bench.fold(NUMBERS)
    assert bench.tallies() == {}


async def test_what_is_durable_is_skipped_without_folding() -> None:
    bench = Bench()
    await bench.begin()
    await bench.fold(NUMBERS)
    await bench.committer.commit()
    heir = bench.successor()
    heir.offsets.clear()  # the group has forgotten: everything is read again
    await heir.begin()
    await heir.fold([*NUMBERS, (b"c", 4)])
    assert heir.progress.skipped == 3
    assert heir.progress.records == 1
    assert heir.tallies() == reference([*NUMBERS, (b"c", 4)])[0]


async def test_a_folder_that_raises_ends_the_process_and_nothing_of_its_slice_is_sent() -> None:
    bench = Bench()
    await bench.begin()
    bad = Batch(TP(SOURCE, 0), bench.ledger.era, [FetchedRecord(0, 0, b"a", b"1"), FetchedRecord(1, 0, b"a", b"no number")])
    with pytest.raises(Ended, match="folding src/0 at 1 failed: ValueError"):
        await bench.folding.run(bad, bench.folder)
    await asyncio.sleep(0)
    assert bench.log.records == []


async def test_cancelled_between_slices_nothing_is_half_folded() -> None:
    bench = Bench(slice_s=0.0)
    await bench.begin()
    folding = asyncio.create_task(bench.fold(NUMBERS))
    await asyncio.sleep(0)
    folding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await folding
    track = bench.ledger.get(TP(SOURCE, 0))
    assert track is not None
    folded = track.next_offset or 0
    assert folded < 3
    assert bench.tallies() == reference(NUMBERS[:folded])[0]


def test_on_a_wire_the_header_says_the_position() -> None:
    positions = Positions(EPOCH, from_header=True)
    record = FetchedRecord(5, 2, b"a", b"1", headers=[("wst-id", b"x"), ("wst-position", b"812")])
    [(offset, found)] = positions.inputs(Batch(TP(SOURCE, 2), 0, [record]))
    assert (offset, found.position) == (5, (EPOCH, 2, 812))


async def test_a_log_that_lags_behind_holds_up_the_folding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.lane.outputs.MAX_WAITING_BYTES", 500)
    bench = Bench()
    bench.log.gate.clear()
    await bench.begin()
    await asyncio.wait_for(bench.fold(NUMBERS[:2]), PATIENCE_S)
    more = asyncio.create_task(bench.fold(NUMBERS[2:] * 2, first_offset=2))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not more.done()
    bench.log.gate.set()
    await asyncio.wait_for(more, PATIENCE_S)
