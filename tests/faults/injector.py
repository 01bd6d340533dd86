"""Chooses faults at random and does them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from tests.faults.keeper import HOSTS, Broker, FaultPart, Keeper
from tests.faults.report import Round
from tests.faults.site import SESSION_S, Site
from tests.faults.traffic import UPSETS
from tests.platform.clickhouse_http import Fault
from tests.platform.line import TROUBLES

#: By how much a host's clock is off: a second's correction, a machine that slept, a wrong time zone.
CLOCK_STEPS_S: Final = (-3_600.0, -40.0, -1.5, 1.5, 40.0, 3_600.0)


class Injector:
    """Chooses faults and does them."""

    def __init__(self, site: Site, done: Round, draw: random.Random) -> None:
        self._site, self._done, self._draw = site, done, draw
        self._faults: list[tuple[int, Callable[[float], None]]] = [
            (10, self._kill_part),
            (3, self._pause_part),
            (1, self._kill_broker),
            (1, self._pause_broker),
            (2, self._kill_archive),
            (1, self._pause_archive),
            (3, self._fail_archive),
            (2, self._scale),
            (4, self._break_line),
            (2, self._step_clock),
            (2, self._upset_engine),
        ]
        self._extra: list[str] = []

    def strike(self) -> None:
        """One fault."""
        weights = [weight for weight, _ in self._faults]
        self._draw.choices([fault for _, fault in self._faults], weights)[0](time.monotonic())

    def _kill_part(self, now: float) -> None:
        keeper = self._draw.choice(self._killable())
        if keeper.kill(now, self._draw.choice((0.0, 0.2, 1.0, 2.5))):
            self._done.kills[_kind(keeper)] += 1

    def _pause_part(self, now: float) -> None:
        keeper = self._draw.choice(self._killable())
        if keeper.pause(now, self._draw.choice((0.4, SESSION_S * 0.4, SESSION_S * 0.8, SESSION_S * 1.6))):
            self._done.pauses[_kind(keeper)] += 1

    def _kill_broker(self, now: float) -> None:
        self._kill(self._a_broker(), now, self._draw.uniform(0.0, 3.0))

    def _kill_archive(self, now: float) -> None:
        self._kill(self._site.keepers["clickhouse"], now, self._draw.uniform(0.0, 4.0))

    def _kill(self, keeper: Keeper, now: float, down_s: float) -> None:
        if keeper.kill(now, down_s):
            self._done.kills[_kind(keeper)] += 1

    def _pause_broker(self, now: float) -> None:
        if self._a_broker().pause(now, self._draw.uniform(0.3, 4.0)):
            self._done.pauses["broker"] += 1

    def _pause_archive(self, now: float) -> None:
        if self._site.keepers["clickhouse"].pause(now, self._draw.uniform(0.3, 5.0)):
            self._done.pauses["clickhouse"] += 1

    def _fail_archive(self, now: float) -> None:
        del now
        kinds: tuple[Literal["refuse", "lose", "cut", "delay"], ...] = ("refuse", "lose", "cut", "delay")
        kind = self._draw.choice(kinds)
        keeper = self._site.keepers["clickhouse"]
        if not keeper.part.is_running or keeper.is_stopped():
            return
        fault = Fault(kind, "INSERT", times=self._draw.randrange(1, 4), delay_s=self._draw.choice((0.0, 0.5)))
        with suppress(OSError):  # it is just coming back
            self._site.archive.fail(fault)
            self._done.failures[f"clickhouse {kind}"] += 1

    def _scale(self, now: float) -> None:
        """A worker more, or one of those less, in good order."""
        del now
        if self._extra and self._draw.random() < 0.6:
            self._site.drop(self._extra.pop())
            self._done.failures["worker removed"] += 1
        elif len(self._extra) < 2:
            kind = self._draw.choice(("state", "usage"))
            name = f"worker {kind} {3 + sum(self._done.failures.values())}"
            self._site.add(name, ("worker", kind), fault=True)
            self._extra.append(name)
            self._done.failures["worker added"] += 1

    def _break_line(self, now: float) -> None:
        """A host's network to the broker: cut, dead for a while, without answers, slow."""
        del now
        host, trouble = self._draw.choice(tuple(HOSTS)), self._draw.choice(TROUBLES)
        if self._site.break_line(host, trouble, self._draw.choice((0.2, SESSION_S * 0.4, SESSION_S * 0.8, SESSION_S * 1.6))):
            self._done.failures[f"network of {host} {trouble}"] += 1

    def _step_clock(self, now: float) -> None:
        """A host's clock is set, wrongly, and set right."""
        del now
        host, off_s = self._draw.choice(tuple(HOSTS)), self._draw.choice(CLOCK_STEPS_S)
        if self._site.step_clock(host, off_s, self._draw.choice((0.2, 1.0, 3.0, 6.0))):
            self._done.failures[f"clock of {host} {'ahead' if off_s > 0 else 'behind'}"] += 1

    def _upset_engine(self, now: float) -> None:
        del now
        upset = self._draw.choice(UPSETS)
        self._site.upset_engine(upset, self._draw.choice((0.2, 1.0, 3.0, 6.0)))
        self._done.failures[f"engine {upset}"] += 1

    def _killable(self) -> list[Keeper]:
        return [keeper for keeper in self._site.keepers.values() if isinstance(keeper.part, FaultPart)]

    def _a_broker(self) -> Keeper:
        """Half of the partitions have nobody else."""
        return self._draw.choice([keeper for keeper in self._site.keepers.values() if isinstance(keeper.part, Broker)])


def _kind(keeper: Keeper) -> str:
    """A part without its number."""
    return keeper.name.rstrip("0123456789 ")
