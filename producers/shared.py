"""What the loops of one engine share: identity, registry, clock, outlet, counters."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from producers.calls import Calls
from producers.clock import EngineClock
from producers.counts import Counts
from producers.engine_json import InvalidMessage
from producers.facts import At, Origin, dead_letter_of_answer
from producers.publisher import Outlet
from producers.quiet import Allowance
from producers.record import Rules
from producers.registry import Registry
from producers.store import Store

_log: Final = logging.getLogger("wst.producer")

#: Enough to see what is wrong with an engine; each is a write to the disk.
LETTERS_A_MINUTE: Final = 100


@dataclass(slots=True)
class Shared:
    """One engine's shared parts.

    Attributes:
        order: held while records are made from what is known and handed to the outlet, so that no loop overtakes another.
        now_ns: the producer's clock, ns since the Unix epoch.
        letters, warnings: dead letters and lines of the log that answers at fault may still make.
    """

    calls: Calls
    origin: Origin
    rules: Rules
    registry: Registry
    outlet: Outlet
    store: Store
    counts: Counts
    clock: EngineClock
    now_ns: Callable[[], int] = time.time_ns
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    letters: Allowance = field(default_factory=lambda: Allowance(LETTERS_A_MINUTE))
    warnings: Allowance = field(default_factory=lambda: Allowance(1))

    def at(self, time_ns: int) -> At:
        """An instant of the engine's clock, in its present generation."""
        return At(self.clock.generation, time_ns, self.now_ns())

    def advance(self, clock: EngineClock) -> None:
        """Moves the clock; a new generation is remembered before anything is published in it."""
        if clock.generation != self.clock.generation:
            self.counts.add("clock_jumps")
            self.store.remember_clock(self.origin.engine_id, clock)
        self.clock = clock

    async def refuse(self, source: str, raw: object, error: InvalidMessage) -> None:
        """Publishes a dead letter of an answer that is at fault; of a flood the first of every minute, the rest is counted."""
        self.counts.add("malformed")
        if self.warnings.take():
            what = f"{source}: {error.reason}"
            _log.warning("engine %s: an answer makes no sense (%s), see the dead letters", self.origin.engine_name, what)
        if not self.letters.take():
            self.counts.add("dead_letters_left_out")
            return
        self.counts.add("dead_letters")
        origin = self.origin
        await self.outlet.publish([dead_letter_of_answer(origin.prefix, origin.engine_id, source, raw, error, self.now_ns())])
