"""Calls to the engine from the event loop: in threads, retried with backoff, counted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from producers.counts import Counts
from producers.engine import Engine, EngineError
from producers.engine_json import Json

T = TypeVar("T")

_FIRST_BACKOFF_S: Final = 0.2
_MAX_BACKOFF_S: Final = 10.0


def backoff_s(attempt: int) -> float:
    """Pause before another attempt, s: doubling up to ten, spread so that producers do not fall in step."""
    # Attempts are counted for as long as something is away: after a thousand of them 2.0**attempt is no float any more.
    return min(_FIRST_BACKOFF_S * 2.0 ** min(attempt, 10), _MAX_BACKOFF_S) * random.uniform(0.75, 1.25)  # noqa: S311  # no secret


class Calls:
    """One engine's calls.

    Args:
        max_retries: further attempts after a failed one.

    Attributes:
        answers: signs of life of the engine so far: answers and, counted by its loops, events and samples.
    """

    def __init__(self, engine: Engine, counts: Counts, max_retries: int) -> None:
        self.engine = engine
        self._counts = counts
        self._max_retries = max_retries
        self.answers = 0
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="engine-call")

    async def info(self) -> Json:
        """The engine's `/info`."""
        return await self._retried("info", self.engine.info)

    async def list(self) -> list[object]:
        """All containers."""
        return await self._retried("list", self.engine.list)

    async def inspect(self, container_id: str, *, retry: bool = True) -> Json | None:
        """One container's details; None when it is gone."""
        return await self._retried("inspect", lambda: self.engine.inspect(container_id), retry=retry)

    async def _retried(self, name: str, call: Callable[[], T], *, retry: bool = True) -> T:
        attempts = self._max_retries if retry else 0
        for attempt in range(attempts + 1):
            self._counts.add(f"calls.{name}")
            asked_s = time.monotonic()
            try:
                answer = await asyncio.get_running_loop().run_in_executor(self._threads, call)
            except EngineError:
                if attempt == attempts:
                    self._counts.add(f"failures.{name}")
                    raise
                self._counts.add("retries")
                await asyncio.sleep(backoff_s(attempt))
            else:
                self.answers += 1
                self._counts.took(name, time.monotonic() - asked_s)
                return answer
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """Waits for no call; those under way end by their time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)
