"""Whether a reader stands still although there is more for it: what a watchdog asks the broker about, never the reader's own client.

A client whose fetches have died silently believes that there is nothing to read. So the ends come from the broker at each
look; where it does not answer, nobody is to blame and nothing is counted. Only an end that has moved since the reader did
counts as more: what compaction or retention took away leaves offsets that nobody will ever read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaError

#: Between two looks, s.
LOOK_S: Final = 15.0
#: So many looks in a row may find more to read and nothing read.
LOOKS: Final = 6

#: What is watched → (how far it is durably done, end), offsets.
Standing = Mapping[Any, tuple[int, int]]


@dataclass(slots=True)
class _Mark:
    done: int
    end: int
    looks: int = 0


class Stall:
    """Counts looks at which something stands still; pure but for its count."""

    def __init__(self, looks: int = LOOKS) -> None:
        self._looks = looks
        self._marks: dict[Any, _Mark] = {}

    def look(self, standing: Standing) -> str | None:
        """Takes in how far things are; says what stands still, None where nothing does."""
        # What is not read at present, as during a rebalance or a recovery, begins anew when it is.
        self._marks = {what: mark for what, mark in self._marks.items() if what in standing}
        for what, (done, end) in standing.items():
            mark = self._marks.setdefault(what, _Mark(done, end))
            if done != mark.done:
                self._marks[what] = _Mark(done, end)
            elif end > mark.end:
                mark.looks += 1
                if mark.looks >= self._looks:
                    return f"{what} stands at {done} of {end} although the broker answers"
        return None


async def watch(ask: Callable[[], Awaitable[Standing]], end: Callable[[str], Any], looks: int = LOOKS, look_s: float = LOOK_S) -> None:
    """Looks again and again until cancelled; tells `end` what stands still.

    Args:
        ask: how far things are, the ends from the broker; empty where there is nothing to judge; raises KafkaError or OSError
            where the broker does not answer.
    """
    stall = Stall(looks)
    while True:
        await asyncio.sleep(look_s)
        try:
            standing = await ask()
        except (KafkaError, OSError):
            continue
        if (reason := stall.look(standing)) is not None:
            end(reason)
