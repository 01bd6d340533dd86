"""When a partition's workspaces owe something although nothing more comes from them: a heap with one entry a key."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

#: Keys looked at a record: finding out anew after a start is spread over the records that follow.
_AT_ONCE: Final = 4


class Owed:
    """Keys by the event time at which they may owe something, ms since the Unix epoch.

    Args:
        keys: looked at soonest, for nobody knows yet what they owe.
    """

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._heap = [(0, key) for key in keys]
        self._waiting = {key for _, key in self._heap}

    def __contains__(self, key: bytes) -> bool:
        return key in self._waiting

    def remember(self, key: bytes, at_ms: int) -> None:
        """Looks at a key that does not wait yet at that time; it is then asked what it owes."""
        self._waiting.add(key)
        heapq.heappush(self._heap, (at_ms, key))

    def due(self, now_ms: int, records: int = 1) -> list[bytes]:
        """Keys whose time has come, a few for each record; each waits no more until it is remembered again."""
        found: list[bytes] = []
        while self._heap and self._heap[0][0] <= now_ms and len(found) < _AT_ONCE * records:
            found.append(heapq.heappop(self._heap)[1])
        self._waiting.difference_update(found)
        return found
