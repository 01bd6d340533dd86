"""What one engine's producer did, counted; said in the log every minute."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

_log: Final = logging.getLogger("wst.producer")


class Counts:
    """Counters by name.

    `calls.*` engine calls by kind · `failures.*` calls that failed after all retries, `retries` · `skipped.*` events and
    containers left out on purpose, by reason · `repeats` events heard twice · `events`, `samples`, `syncs` published ·
    `ticks_skipped` ticks left out as the one before was not done · `malformed` answers, of them
    `dead_letters` published and `dead_letters_left_out` in a flood · `reconnects` of the event stream · `clock_jumps` backward ·
    `details` facts of inspects after events · `expired_requests` for a sync, that nobody waits for any more.
    """

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self._said: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        #: By kind of call: time that answers took, s, and how many answers that was.
        self.seconds: dict[str, float] = {}
        self.timed: Counter[str] = Counter()

    def add(self, name: str, by: int = 1) -> None:
        """Counts."""
        self.total[name] += by

    def took(self, call: str, seconds: float) -> None:
        """The engine answered, after so long."""
        self.seconds[call] = self.seconds.get(call, 0.0) + seconds
        self.timed[call] += 1

    def say(self) -> None:
        """Logs what was counted since it was last said."""
        news = self.total - self._said
        self._said = self.total.copy()
        listed = " ".join(f"{name}={number}" for name, number in sorted(news.items()))
        _log.info("engine %s, last minute: %s", self.engine, listed or "nothing")
