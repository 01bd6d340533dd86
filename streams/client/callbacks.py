"""Callbacks that harm nobody: each has a bounded queue of its own, and what it does there delays nothing else.

An async one runs as a task in the caller's loop, another one in a thread of its own. Both begin with the first call.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_log: Final = logging.getLogger("wst.client")

#: Calls that may wait for one callback; then the oldest are dropped, counted and reported.
CAPACITY: Final = 1_000
#: A call that takes so long is reported as hanging, s.
HANGING_S: Final = 10.0

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class CallbackStats:
    """How one callback does; counts since it was registered.

    Attributes:
        waiting: calls in its queue.
        dropped: calls it never got, as its queue was full.
        running_seconds: how long the present call has been running; None: there is none.
    """

    name: str
    calls: int
    failures: int
    dropped: int
    waiting: int
    running_seconds: float | None

    @property
    def hanging(self) -> bool:
        """Whether its present call takes suspiciously long."""
        return self.running_seconds is not None and self.running_seconds > HANGING_S


class _Queue(ABC):
    """A callback and the calls that wait for it."""

    def __init__(self, function: Function, capacity: int) -> None:
        self.function = function
        self.name = getattr(function, "__qualname__", repr(function))
        self._capacity = capacity
        self._calls: deque[tuple[Any, ...]] = deque()
        self._done = self._failures = self._dropped = 0
        self._began_s: float | None = None

    def put(self, arguments: tuple[Any, ...]) -> None:
        """Queues a call; the oldest one makes room."""
        if len(self._calls) >= self._capacity:
            self._calls.popleft()
            self._dropped += 1
            if self._dropped == 1 or self._dropped % self._capacity == 0:
                _log.warning("callback %s is too slow or hangs: %d calls dropped", self.name, self._dropped)
        self._calls.append(arguments)
        self._wake()

    def stats(self) -> CallbackStats:
        """Counts up to now."""
        began_s = self._began_s
        running_s = None if began_s is None else time.monotonic() - began_s
        return CallbackStats(self.name, self._done, self._failures, self._dropped, len(self._calls), running_s)

    @abstractmethod
    def _wake(self) -> None:
        """Sees to it that what is queued is called."""

    def _begin(self) -> None:
        self._began_s = time.monotonic()

    def _end(self, error: BaseException | None) -> None:
        self._began_s = None
        self._done += 1
        if error is not None:
            self._failures += 1
            _log.error("callback %s raised", self.name, exc_info=error)


class _Task(_Queue):
    """An async callback."""

    _task: asyncio.Task[None] | None = None

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._calls:
            arguments = self._calls.popleft()
            self._begin()
            error: Exception | None = None
            try:
                await self.function(*arguments)
            except Exception as raised:
                error = raised
            finally:
                self._end(error)

    async def close(self, within_s: float) -> None:
        """Lets what waits be called, for so long."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=within_s)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class _Thread(_Queue):
    """A plain function: it may block, hence the thread; a daemon, as nobody can end one that hangs."""

    def __init__(self, function: Function, capacity: int) -> None:
        super().__init__(function, capacity)
        self._news = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._closed = False

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"callback {self.name}"[:60], daemon=True)
            self._thread.start()
        self._idle.clear()
        self._news.release()

    def _run(self) -> None:
        while True:
            self._news.acquire()
            if self._closed:
                return
            try:
                arguments = self._calls.popleft()
            except IndexError:  # it was dropped to make room
                continue
            self._begin()
            error: Exception | None = None
            try:
                self.function(*arguments)
            except Exception as raised:
                error = raised
            finally:
                self._end(error)
                if not self._calls:
                    self._idle.set()

    async def close(self, within_s: float) -> None:
        """Lets what waits be called, for so long."""
        if self._thread is not None:
            await asyncio.to_thread(self._idle.wait, within_s)
        self._closed = True
        self._news.release()


class Callbacks:
    """All callbacks of one kind of news."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._queues: list[_Task | _Thread] = []

    def add(self, function: Function) -> None:
        """Registers one; it is called from the next news on."""
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
        self._queues.append(_Task(function, self._capacity) if is_async else _Thread(function, self._capacity))

    def remove(self, function: Function) -> None:
        """Calls one no more; what waits for it is dropped. Unknown ones are ignored."""
        self._queues = [queue for queue in self._queues if queue.function != function]

    def call(self, *arguments: Any) -> None:
        """Queues a call of each; returns at once."""
        for queue in self._queues:
            queue.put(arguments)

    def stats(self) -> list[CallbackStats]:
        """How each does, in the order they were registered."""
        return [queue.stats() for queue in self._queues]

    def __len__(self) -> int:
        return len(self._queues)

    async def close(self, within_s: float = 2.0) -> None:
        """Lets what waits be called, for so long; then it is dropped."""
        await asyncio.gather(*(queue.close(within_s) for queue in self._queues))
