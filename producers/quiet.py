"""Limits of what a misbehaving engine can make a producer say and publish: a flood is counted, not repeated."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

_MINUTE_S: Final = 60.0


class Allowance:
    """So many a minute, beginning with the first; what is beyond is left to counters.

    Args:
        now_s: a clock that only runs forward, s.
    """

    def __init__(self, a_minute: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._now_s = now_s
        self._began_s = -math.inf
        self._left = 0

    def take(self) -> bool:
        """Takes one, if one is left."""
        now = self._now_s()
        if now - self._began_s >= _MINUTE_S:
            self._began_s, self._left = now, self._a_minute
        if self._left == 0:
            return False
        self._left -= 1
        return True
