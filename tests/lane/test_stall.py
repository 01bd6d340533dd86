"""What a watchdog takes for standing still: more to read and nothing read, while the broker answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams import stall
from streams.lane import EXIT_ENDED
from streams.stall import Stall
from tests.lane.site import numbers, site_on
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, wait_until


def verdicts(looks: int, *seen: Mapping[Any, tuple[int, int]]) -> list[bool]:
    judge = Stall(looks)
    return [judge.look(standing) is not None for standing in seen]


def test_more_to_read_and_nothing_done_is_standing_still_after_so_many_looks() -> None:
    assert verdicts(3, {"a": (5, 5)}, {"a": (5, 6)}, {"a": (5, 7)}, {"a": (5, 7)}) == [False, False, False, True]


def test_who_moves_a_little_each_time_is_slow_and_not_still() -> None:
    assert not any(verdicts(2, *({"a": (number, 1_000 + number)} for number in range(50))))


def test_an_end_behind_what_nobody_will_ever_read_counts_only_once_it_moves() -> None:
    # Compaction or retention took the last records: the end stays ahead of the reader for ever.
    assert not any(verdicts(2, *[{"a": (5, 9)}] * 50))
    assert verdicts(2, {"a": (5, 9)}, {"a": (5, 10)}, {"a": (5, 10)}) == [False, False, True]


def test_one_of_many_that_stands_still_is_found_among_those_that_move() -> None:
    seen = [{"a": (number, number + 1), "b": (5, 10 + number)} for number in range(4)]
    assert verdicts(3, *seen) == [False, False, False, True]


def test_a_rebalance_or_a_recovery_begins_anew() -> None:
    assert verdicts(2, {"a": (5, 5)}, {"a": (5, 6)}, {}, {"a": (5, 7)}, {"a": (5, 8)}) == [False] * 5


async def test_while_the_broker_does_not_answer_nothing_is_counted() -> None:
    answers = iter([{"a": (5, 5)}, {"a": (5, 6)}, *[None] * 20, {"a": (5, 7)}, {"a": (5, 8)}])
    asked = 0

    async def ask() -> Mapping[Any, tuple[int, int]]:
        nonlocal asked
        asked += 1
        if (answer := next(answers)) is None:
            raise KafkaConnectionError
        return answer

    said: list[tuple[int, str]] = []
    watching = asyncio.create_task(stall.watch(ask, lambda reason: said.append((asked, reason)), looks=3, look_s=0.001))
    await asyncio.gather(watching, return_exceptions=True)
    assert said == [(24, "a stands at 5 of 8 although the broker answers")]


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("hangs", "reason"), [("fetch", "although the broker answers"), ("fold", "the loop that folds has not come round")]
)
def test_a_worker_that_hangs_ends_itself_and_its_successor_does_the_work(
    kafka: KafkaBroker, unique: str, tmp_path: Path, hangs: str, reason: str
) -> None:
    with site_on(kafka, unique, tmp_path) as site:
        now = tmp_path / "now"
        worker = site.start(HANGS=f"{hangs}:{now}", WATCHDOG_S="0.3")
        site.offer(numbers(81, 500))
        site.wait_until_all_is_committed(PATIENCE_S)
        now.touch()

        def has_ended() -> bool:
            site.offer(numbers(82, 20))
            time.sleep(0.1)
            return worker.process.poll() is not None

        wait_until(has_ended, "the worker to end itself", PATIENCE_S)
        assert worker.process.poll() == EXIT_ENDED
        assert reason in worker.said()
        now.unlink()
        site.start()
        site.wait_until_all_is_committed(PATIENCE_S)
        site.check()
