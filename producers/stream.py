"""The engine's event stream, read by a thread that reconnects and hands over through a bounded queue."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from producers.calls import backoff_s
from producers.engine import Engine, EngineError, Events
from producers.engine_json import mapping, whole

_log: Final = logging.getLogger("wst.producer")

#: A stream that gave nothing and did not live so long was not there: proxies exist that answer and end at once, s.
_LIVED_S: Final = 5.0
#: Raw messages handed over and not yet taken; when it is full the thread waits, and the engine buffers 1,024 more.
_QUEUE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The stream is open.

    Attributes:
        continues: the stream before was merely silent and its successor takes over within milliseconds.
        again_from_ns: read once more from that time on, as `read_again` asked, engine's clock, ns since the Unix epoch; None: it goes on.
    """

    continues: bool
    again_from_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream broke, or could not be opened; another attempt follows."""

    error: str


class EventReader:
    """Reads events in a thread: the SDK's stream blocks.

    Args:
        since_ns: begin, engine's clock, ns since the Unix epoch; None: from now on.

    Attributes:
        given: messages that the streams gave so far.
    """

    def __init__(self, engine: Engine, since_ns: int | None) -> None:
        self._engine = engine
        self._since_ns = since_ns
        self.given = 0
        self._asked_ns: deque[int] = deque()
        self._queue: queue.Queue[object] = queue.Queue(_QUEUE)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._stop = threading.Event()
        self._go_on = threading.Event()
        self._stream: Events | None = None
        self._thread = threading.Thread(target=self._run, name="engine-events", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def begin_at(self, since_ns: int) -> None:
        """Where to resume while no event was heard yet: a listing of that time has all before."""
        if self._since_ns is None:
            self._since_ns = since_ns

    async def take(self, limit: int) -> list[object]:
        """Waits for something and takes up to `limit` of it: raw messages, Subscribed, Broken."""
        while self._queue.empty():
            self._news.clear()
            if self._queue.empty():
                await self._news.wait()
        taken: list[object] = []
        while len(taken) < limit and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken

    def empty(self) -> bool:
        """Nothing waits to be taken."""
        return self._queue.empty()

    def reconnect(self) -> None:
        """Breaks the present stream: the engine answers nothing else either."""
        stream = self._stream  # the thread may let go of it at any moment
        if stream is not None:
            stream.close()

    def read_again(self, since_ns: int) -> None:
        """Breaks the present stream, or the one being opened, and resumes from a time before what was read last."""
        self._asked_ns.append(since_ns)
        self.reconnect()

    def hurry(self) -> None:
        """Ends the pause before another attempt, if there is one: the engine answers again."""
        self._go_on.set()

    def stop(self) -> None:
        """Ends the thread as soon as it notices."""
        self._stop.set()
        self.hurry()
        self.reconnect()

    def _run(self) -> None:
        attempt = 0
        continues = False
        again_from_ns: int | None = None
        while not self._stop.is_set():
            given, opened_s = self.given, None
            try:
                if again_from_ns is None and self._asked_ns:
                    again_from_ns = self._asked_ns.popleft()
                if again_from_ns is not None:
                    self._since_ns, continues = again_from_ns, False
                self._stream = self._engine.events(self._since_ns)
                opened_s = time.monotonic()
                self._go_on.clear()
                self._hand_over(Subscribed(continues, again_from_ns))
                again_from_ns = None
                self._read(self._stream)
            except EngineError as error:
                continues = error.silent
                if not continues:
                    self._hand_over(Broken(str(error)))
            except Exception as error:
                # Without this thread nothing would be heard until somebody starts the producer anew.
                _log.exception("reading events failed in a way nobody thought of")
                continues = False
                self._hand_over(Broken(f"{type(error).__name__}: {error}"))
            finally:
                self.reconnect()
                self._stream = None
            if not continues:
                if self.given > given or (opened_s is not None and time.monotonic() - opened_s > _LIVED_S):
                    attempt = 0
                self._go_on.wait(backoff_s(attempt))
                self._go_on.clear()
                attempt += 1

    def _read(self, stream: Events) -> None:
        # What was asked while the stream was being opened found none to close.
        if self._stop.is_set() or self._asked_ns:
            raise EngineError("it is opened anew at once")
        for raw in stream:
            self.given += 1
            self._hand_over(raw)
            # The last one's time and not the highest: after a clock that ran back, the highest lies ahead of all to come.
            self._since_ns = whole(mapping(raw).get("timeNano")) or self._since_ns
            if self._stop.is_set():
                return

    def _hand_over(self, item: object) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.5)
            except queue.Full:
                continue
            self._loop.call_soon_threadsafe(self._news.set)
            return
