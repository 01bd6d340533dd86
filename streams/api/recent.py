"""The latest events in the order they came, for those who follow them."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import Refused

KEEP: Final = 10_000

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """Events behind a place, and the place behind them.

    Attributes:
        next: hand it back for what comes after.
        gap: what came between the place asked for and the first event is no longer here: ask the archive.
    """

    events: list[Record]
    next: str
    gap: bool


class RecentEvents:
    """A ring of events. Places are numbers of arrival in this process; its random name tells them from another's."""

    def __init__(self, keep: int = KEEP) -> None:
        self._events: deque[Record] = deque(maxlen=keep)
        self._ids: set[str] = set()
        self._count = 0
        self._name = secrets.token_hex(4)
        self._news = asyncio.Event()
        self._closed = False

    def add(self, event: Record) -> bool:
        """Takes an event; False: it is a redelivery."""
        if event["id"] in self._ids:
            return False
        if len(self._events) == self._events.maxlen:
            self._ids.discard(self._events[0]["id"])
        self._events.append(event)
        self._ids.add(event["id"])
        self._count += 1
        self._news.set()
        return True

    @property
    def place(self) -> str:
        """The place behind the last event."""
        return f"{self._name}-{self._count}"

    def after(self, place: str, limit: int) -> Heard:
        """Events behind a place.

        Raises:
            Refused: it is no place.
        """
        name, _, number = place.partition("-")
        if not number.isdecimal() or len(number) > 18:
            raise Refused(f"{place[:80]!r} is no place in the events", "hand back what the last answer said")
        first = self._count - len(self._events)
        begin = int(number) if name == self._name and int(number) <= self._count else first
        gap = name != self._name or begin < first
        skip = max(0, begin - first)
        events = [event for index, event in enumerate(self._events) if index >= skip][:limit]
        return Heard(events, f"{self._name}-{max(begin, first) + len(events)}", gap)

    async def wait(self, place: str, timeout_s: float) -> None:
        """Waits until something is behind a place, for so long at most."""
        end = asyncio.get_running_loop().time() + timeout_s
        while place == self.place and not self._closed:
            self._news.clear()
            left_s = end - asyncio.get_running_loop().time()
            if left_s <= 0:
                return
            try:
                await asyncio.wait_for(self._news.wait(), left_s)
            except TimeoutError:
                return

    def close(self) -> None:
        """Wakes all who wait, now and later."""
        self._closed = True
        self._news.set()
