"""What the loops of one engine share: identity, registry, clock, outlet, counters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.calls import Calls
from producers.clock import EngineClock
from producers.counts import Counts
from producers.engine_json import InvalidMessage
from producers.facts import At, Origin, dead_letter
from producers.publisher import Outlet
from producers.record import Rules
from producers.registry import Registry
from producers.store import Store


@dataclass(slots=True)
class Shared:
    """One engine's shared parts.

    Attributes:
        order: held while records are made from what is known and handed to the outlet, so that no loop overtakes another.
        now_ns: the producer's clock, ns since the Unix epoch.
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
        """Publishes a dead letter of an answer that is at fault."""
        self.counts.add("dead_letters")
        await self.outlet.publish([dead_letter(self.origin.prefix, self.origin.engine_id, source, raw, error, self.now_ns())])
