"""The engine's clock and its generation. Pure.

Facts are ordered by (generation, time): when the engine's clock runs backward, the generation rises, so that what
comes later still sorts later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Clocks are disciplined by little steps and events cross on their way; only beyond this has a clock jumped, ns.
TOLERANCE_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class EngineClock:
    """Highest time seen of an engine.

    Attributes:
        generation: how often the clock ran backward.
        highest_ns: highest time seen in this generation, engine's clock, ns since the Unix epoch.
    """

    generation: int = 0
    highest_ns: int = 0

    def is_behind(self, time_ns: int) -> bool:
        """The time lies clearly before what was seen already: a late event, or a clock that jumped back."""
        return time_ns < self.highest_ns - TOLERANCE_NS

    def saw(self, time_ns: int) -> EngineClock:
        """The clock after an event or a listing of that time."""
        return EngineClock(self.generation, time_ns) if time_ns > self.highest_ns else self

    def read(self, now_ns: int, asked: EngineClock) -> EngineClock:
        """The clock after the engine itself told its time: what is clearly behind what was seen before is a jump.

        Args:
            asked: the clock when the engine was asked. What was seen since may well be later than an answer that was long on its way.
        """
        jumped = asked.generation == self.generation and asked.is_behind(now_ns)
        return EngineClock(self.generation + 1, now_ns) if jumped else self.saw(now_ns)
