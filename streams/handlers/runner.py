"""Delivers events to one handler: filtered, in order, again until it works or becomes a dead letter; only then the position moves."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from schemas.codec import Undecodable
from schemas.errors import Unreachable
from schemas.publish import Publisher, Record
from schemas.topics import WORKSPACE_CHANGES
from streams.core.invalid import InvalidMessage
from streams.dead_letters import Cap, DeadLetters
from streams.handlers.config import HandlerConfig
from streams.handlers.handler import Event, Handler, Rejected, Retry
from streams.handlers.mutes import Muted, never
from streams.handlers.source import EventSource
from streams.query.present import event_json
from streams.sinks.rows import arrived
from streams.sinks.source import Raw

_log: Final = logging.getLogger("wst.handlers")

_FETCH_S: Final = 0.5
_FIRST_S: Final = 0.5
_LONGEST_S: Final = 60.0
_BROKER_AGAIN_S: Final = 2.0
#: A handler refuses as much as it likes: what it does not take is no fault of the log.
_NO_CAP: Final = Cap(run=1 << 62, ratio=2.0)


@dataclass(slots=True)
class HandlerCounts:
    """What a handler has done since its start.

    Attributes:
        passed_over: events its filter does not want, and alerts that are muted.
        busy_since_s: monotonic time at which the attempt under way began; None: there is none.
    """

    delivered: int = 0
    retries: int = 0
    dead: int = 0
    passed_over: int = 0
    busy_since_s: float | None = None


class Runner:
    """One handler at work.

    Args:
        backoff: seconds before the attempt of a number (2, 3, …).
        muted: whether an event is not to be told now.
    """

    def __init__(
        self,
        config: HandlerConfig,
        handler: Handler,
        source: EventSource,
        letters: Publisher,
        prefix: str,
        backoff: Callable[[int], float] | None = None,
        muted: Muted = never,
    ) -> None:
        self._config = config
        self._handler = handler
        self._source = source
        self._letters = letters
        self._backoff = backoff or backoff_s
        self._muted = muted
        self._dead: list[Record] = []
        self._refusing = DeadLetters(f"handler.{config.name}", prefix, self._dead.append, _NO_CAP)
        self._stop = asyncio.Event()
        # A thread cannot be ended from outside: with one, an attempt that hangs is never overtaken by the next.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"handler {config.name}")
        self.counts = HandlerCounts()

    def stop(self) -> None:
        """Ends `run` before the next attempt."""
        self._stop.set()

    async def run(self) -> None:
        """Delivers until `stop`; a broker that is away is waited for."""
        try:
            while not self._stop.is_set():
                await self._deliver_until_unreachable()
        finally:
            self._thread.shutdown(wait=False)
        await self._handler.close()
        await self._letters.close()

    async def _deliver_until_unreachable(self) -> None:
        try:
            await self._source.start()
        except Unreachable as error:
            _log.warning("handler %s: %s", self._config.name, error)
            await self._pause(_BROKER_AGAIN_S)
            return
        try:
            await self._deliver_all()
        except Unreachable as error:
            _log.warning("handler %s: %s", self._config.name, error)
            await self._pause(_BROKER_AGAIN_S)
        finally:
            await self._source.stop()

    async def _deliver_all(self) -> None:
        while not self._stop.is_set():
            for record in await self._source.fetch(_FETCH_S):
                if not await self._done_with(record):
                    return
                await self._source.commit(record)

    async def _done_with(self, record: Raw) -> bool:
        """Delivers a record, or makes a dead letter of it; False: neither, as it is time to end."""
        event = self._event(record)
        if event is None:
            return True
        if not self._config.filter.wants(event) or await self._muted(event):
            self.counts.passed_over += 1
            return True
        why = "no attempt"
        for attempt in range(1, self._config.attempts + 1):
            if attempt > 1:
                self.counts.retries += 1
            if self._stop.is_set():
                return False
            try:
                await self._attempt(event)
            except Rejected as error:
                return await self._bury(record, "rejected", str(error))
            except (Exception, SystemExit, asyncio.CancelledError) as error:  # whatever a plug-in raises harms its own events only
                if isinstance(error, asyncio.CancelledError) and _is_ended():
                    raise
                why = str(error) if isinstance(error, Retry) else f"{type(error).__name__}: {error}"
                _log.warning("handler %s: %s: attempt %d of %d: %s", self._config.name, event["id"], attempt, self._config.attempts, why)
                after_s = error.after_s if isinstance(error, Retry) else None
                if attempt < self._config.attempts:
                    await self._pause(self._backoff(attempt + 1) if after_s is None else after_s)
            else:
                self.counts.delivered += 1
                return True
        return await self._bury(record, "undeliverable", f"{self._config.attempts} attempts, the last: {why}")

    async def _attempt(self, event: Event) -> None:
        """One attempt. A coroutine is cut off when its time is over; a plain function is waited for, and seen to be late."""
        self.counts.busy_since_s = time.monotonic()
        handle: Any = self._handler.handle
        try:
            if inspect.iscoroutinefunction(handle):
                await self._in_time(handle(event))
            else:
                await asyncio.get_running_loop().run_in_executor(self._thread, handle, event)
        finally:
            self.counts.busy_since_s = None

    async def _in_time(self, attempt: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await attempt
        except TimeoutError:
            raise Retry(f"no end within {self._config.timeout_s:g} s") from None

    def _event(self, record: Raw) -> Event | None:
        """The event; None: nobody can read it, which the sink puts on record."""
        try:
            one = arrived(WORKSPACE_CHANGES.name, record.position, record.key, record.value, record.headers, record.timestamp_ms)
        except (Undecodable, InvalidMessage):
            return None
        return event_json(one.record) if one.record is not None else None

    async def _bury(self, record: Raw, code: str, reason: str) -> bool:
        self._refusing.refuse(record, code, reason)
        _log.error("handler %s: event at %s becomes a dead letter: %s", self._config.name, ".".join(map(str, record.position)), reason)
        await self._letters.publish(self._dead)
        self._dead.clear()
        self.counts.dead += 1
        return True

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def backoff_s(attempt: int) -> float:
    """Seconds before an attempt: doubling from half a second to a minute, spread so that not all come back at once."""
    return min(_LONGEST_S, _FIRST_S * 2.0 ** (attempt - 2)) * random.uniform(0.7, 1.3)  # noqa: S311


def _is_ended() -> bool:
    """Whether it is this task that was cancelled, and not one within a plug-in."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
