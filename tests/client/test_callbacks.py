"""Callbacks: each is called in order, and one that raises, blocks or hangs harms no other."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streams.client.callbacks import Callbacks
from tests.client.waiting import until


async def test_sync_and_async_ones_are_called_in_order() -> None:
    callbacks = Callbacks()
    in_task: list[int] = []
    in_thread: list[int] = []

    async def later(number: int) -> None:
        await asyncio.sleep(0)
        in_task.append(number)

    callbacks.add(later)
    callbacks.add(in_thread.append)
    for number in range(500):
        callbacks.call(number)
    await until(lambda: len(in_task) == len(in_thread) == 500)
    assert in_task == in_thread == list(range(500))
    assert [(stats.calls, stats.failures, stats.dropped) for stats in callbacks.stats()] == [(500, 0, 0)] * 2
    await callbacks.close()


async def test_one_that_raises_is_reported_and_called_again(caplog: pytest.LogCaptureFixture) -> None:
    callbacks = Callbacks()
    heard: list[int] = []

    async def broken(number: int) -> None:
        raise ValueError(f"no {number}")

    def broken_too(number: int) -> None:
        raise ValueError(f"no {number}")

    for callback in (broken, broken_too, heard.append):
        callbacks.add(callback)
    for number in range(3):
        callbacks.call(number)
    await until(lambda: [stats.calls for stats in callbacks.stats()] == [3, 3, 3])
    assert heard == [0, 1, 2]
    assert [stats.failures for stats in callbacks.stats()] == [3, 3, 0]
    assert caplog.text.count("raised") == 6
    await callbacks.close()


async def test_one_that_hangs_delays_no_other_and_what_it_misses_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    callbacks = Callbacks(capacity=5)
    heard: list[int] = []
    release, never = threading.Event(), asyncio.Event()

    def blocked(_: int) -> None:
        release.wait()

    async def hanging(_: int) -> None:
        await never.wait()

    for callback in (blocked, hanging, heard.append):
        callbacks.add(callback)
    for number in range(20):
        callbacks.call(number)
        await until(lambda number=number: len(heard) == number + 1)  # type: ignore[misc]
    first, second, third = callbacks.stats()
    assert heard == list(range(20))
    # One call is under way, five wait, the others were dropped.
    assert (first.waiting, first.dropped, first.calls) == (second.waiting, second.dropped, second.calls) == (5, 14, 0)
    assert third.dropped == 0
    assert first.running_seconds is not None
    assert "too slow or hangs" in caplog.text
    await callbacks.close(within_s=0.01)
    release.set()


async def test_the_latest_calls_are_kept_when_old_ones_are_dropped() -> None:
    callbacks = Callbacks(capacity=3)
    heard: list[int] = []
    release = threading.Event()

    def slow(number: int) -> None:
        release.wait()
        heard.append(number)

    callbacks.add(slow)
    callbacks.call(0)
    await until(lambda: callbacks.stats()[0].running_seconds is not None)
    for number in range(1, 10):
        callbacks.call(number)
    release.set()
    await until(lambda: heard[-1:] == [9])
    assert heard == [0, 7, 8, 9]
    await callbacks.close()


async def test_one_that_was_removed_is_called_no_more() -> None:
    callbacks = Callbacks()
    heard: list[int] = []
    other: list[int] = []
    callbacks.add(heard.append)
    callbacks.add(other.append)
    callbacks.call(1)
    await until(lambda: heard == other == [1])
    callbacks.remove(callbacks._queues[0].function)
    callbacks.call(2)
    await until(lambda: other == [1, 2])
    assert (heard, len(callbacks)) == ([1], 1)
    await callbacks.close()
