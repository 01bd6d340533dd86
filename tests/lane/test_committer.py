"""The order of a commit, and what a failure at each of its steps leaves behind."""

from __future__ import annotations

import asyncio

import pytest
from faust.types import TP

from tests.lane.harness import SOURCE, Bench, Ended
from tests.lane.tally import reference

NUMBERS = [(b"a", 1), (b"b", 2), (b"a", 3)]
MORE = [(b"a", 10), (b"c", 20)]


async def test_a_commit_awaits_outputs_then_writes_values_then_commits_the_offset() -> None:
    bench = Bench()
    await bench.begin()
    await bench.fold(NUMBERS)
    assert await bench.committer.commit()
    assert bench.steps == ["outputs", "values", "offset"]
    assert bench.offsets == {TP(SOURCE, 0): 3}


async def test_nothing_is_written_while_an_output_is_not_confirmed() -> None:
    bench = Bench()
    bench.log.gate.clear()
    await bench.begin()
    await bench.fold(NUMBERS)
    commit = asyncio.create_task(bench.committer.commit())
    for _ in range(20):
        await asyncio.sleep(0)
    assert bench.steps == []
    bench.log.gate.set()
    await commit
    assert bench.steps == ["outputs", "values", "offset"]


async def test_a_slow_log_is_waited_for_as_long_as_it_takes_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who ended there would fold the same again, and end there again."""
    monkeypatch.setattr("streams.lane.outputs._MAX_SEND_BYTES", 1)
    bench = Bench()
    bench.committer.delivery_s = 0.2
    bench.log.takes_s = 0.05
    await bench.begin()
    for number in range(10):
        await bench.fold(NUMBERS, first_offset=number * len(NUMBERS))
    assert await bench.committer.commit()
    assert bench.steps == ["outputs"] * 10 + ["values", "offset"]


async def test_what_is_folded_during_a_commit_is_not_in_its_copy_but_in_the_next() -> None:
    bench = Bench()
    bench.log.gate.clear()
    await bench.begin()
    await bench.fold(NUMBERS)
    commit = asyncio.create_task(bench.committer.commit())
    await asyncio.sleep(0)
    await bench.fold(MORE, first_offset=3)
    bench.log.gate.set()
    await commit
    assert bench.offsets == {TP(SOURCE, 0): 3}
    heir = bench.successor()
    await heir.begin()
    assert heir.tallies() == reference(NUMBERS)[0]
    await bench.committer.commit()
    heir = bench.successor()
    await heir.begin()
    assert heir.tallies() == reference(NUMBERS + MORE)[0]


async def test_a_commit_without_news_writes_nothing() -> None:
    bench = Bench()
    await bench.begin()
    await bench.fold(NUMBERS)
    await bench.committer.commit()
    bench.steps.clear()
    assert not await bench.committer.commit()
    assert bench.steps == []


@pytest.mark.parametrize("step", ["outputs", "values", "offset"])
async def test_a_failure_at_any_step_ends_the_process_and_the_successor_loses_and_doubles_nothing(step: str) -> None:
    bench = Bench()
    await bench.begin()
    await bench.fold(NUMBERS[:1])
    await bench.committer.commit()
    failure = RuntimeError("scripted")
    if step == "outputs":
        bench.log.gate.clear()
        bench.committer.delivery_s = 0.01
    elif step == "values":
        bench.scripted.failure = failure
    else:
        bench.refuse_offsets = failure
    await bench.fold(NUMBERS[1:], first_offset=1)
    with pytest.raises(Ended, match="commit of src/0 failed"):
        await bench.committer.commit()

    heir = bench.successor()
    bench.scripted.failure = None
    await heir.begin()
    start = heir.offsets[TP(SOURCE, 0)]
    await heir.fold(NUMBERS[start:], first_offset=start)
    await heir.committer.commit()
    tallies, said = reference(NUMBERS)
    assert heir.tallies() == tallies
    assert bench.said() | heir.said() == said


async def test_acknowledgements_are_forgotten_only_after_the_offset_is_committed() -> None:
    bench = Bench()
    await bench.begin()
    await bench.fold(NUMBERS)
    bench.refuse_offsets = RuntimeError("scripted")
    with pytest.raises(Ended):
        await bench.committer.commit()
    track = bench.ledger.get(TP(SOURCE, 0))
    assert track is not None
    assert track.uncommitted
    bench.refuse_offsets = None
    await bench.committer.commit()
    assert bench.offsets == {TP(SOURCE, 0): 3}


async def test_a_failing_send_ends_the_process_at_once() -> None:
    bench = Bench()
    bench.log.failure = ConnectionError("scripted")
    await bench.begin()
    await bench.fold(NUMBERS)
    sender = bench.outputs._sender
    assert sender is not None
    with pytest.raises(Ended, match="outputs could not be sent: ConnectionError"):
        await sender


async def test_partitions_are_committed_one_at_a_time() -> None:
    bench = Bench()
    for partition in (0, 1):
        await bench.begin(partition)
        await bench.fold([(b"p%d" % partition, 5)], partition=partition)
    await asyncio.sleep(0)
    bench.steps.clear()
    await bench.committer.commit()
    assert [step for step in bench.steps if step != "outputs"] == ["values", "offset", "values", "offset"]


async def test_a_copy_of_many_keys_lets_other_work_run_and_holds_back_only_its_own_partition() -> None:
    bench = Bench()
    await bench.begin()
    await bench.begin(1)
    many = [(b"k%d" % i, i) for i in range(60_000)]
    await bench.fold(many)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(others())
    commit = asyncio.create_task(bench.committer.commit())
    await asyncio.sleep(0)
    before = turns
    await bench.fold([(b"other", 1)], partition=1)
    await commit
    ticking.cancel()
    assert turns - before > 3
    heir = bench.successor()
    await heir.begin()
    assert len(heir.table) == len(many)
