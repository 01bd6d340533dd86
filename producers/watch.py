"""One engine watched: its identity, and the three loops that share it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from producers.calls import Calls
from producers.control import control_record
from producers.counts import Counts
from producers.engine import Engine
from producers.engine_json import Json
from producers.events import EventLoop
from producers.facts import At, Origin, no_listing_record
from producers.identity import Policy
from producers.publisher import Outlet
from producers.record import Rules
from producers.registry import Registry
from producers.shared import Shared
from producers.snapshots import SyncLoop, Wanted
from producers.stats import StatsLoop
from producers.store import Store
from schemas.errors import Refused
from schemas.requests import LONGEST_S, SHORTEST_S

_log: Final = logging.getLogger("wst.producer")

_ALIVE_EVERY_S: Final = 10.0
_SAY_EVERY_S: Final = 60.0
#: Requests that are not made again when they come again, which they do within seconds.
_REMEMBERED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often.

    Attributes:
        collect_s, sync_s: intervals, s.
        max_retries: further attempts of a failing engine call.
        speed: seconds that pass at the engine in one here; other than 1 only where a recording is played.
    """

    collect_s: float = 10.0
    sync_s: float = 30.0
    max_retries: int = 3
    speed: float = 1.0


class EngineWatch:
    """The loops of one engine.

    Args:
        given: id and name of the engine.
    """

    def __init__(
        self, engine: Engine, given: tuple[str, str], policy: Policy, pace: Pace, store: Store, outlet: Outlet, prefix: str
    ) -> None:
        engine_id, name = given
        counts = Counts(name)
        origin = Origin(prefix, engine_id, name, store.producer_id)
        rules = Rules(name, policy, store.hash_command)
        self.shared = Shared(
            Calls(engine, counts, pace.max_retries), origin, rules, Registry(engine_id), outlet, store, counts, store.clock(engine_id)
        )
        self.syncs = SyncLoop(self.shared, pace.sync_s)
        self.stats = StatsLoop(self.shared, self.syncs, pace.collect_s, pace.speed)
        self.events = EventLoop(self.shared, lambda cause: self.syncs.want(Wanted(cause)))
        self._began_ns = self.shared.now_ns()
        self._first_here = False
        self._live = self._ran = False
        self._others: dict[tuple[str, str], Json] = {}
        self._answered: dict[str, None] = {}
        self._intervals_at_ns: dict[str, int] = {}
        self._refusal: Json | None = None

    async def run(self) -> None:
        """Watches until cancelled."""
        self._ran = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.events.run(), name="events")
            tasks.create_task(self.syncs.run(self.events), name="syncs")
            tasks.create_task(self.stats.run(), name="stats")
            tasks.create_task(self._say_for_ever(), name="counts")
            tasks.create_task(self._stay_alive(), name="alive")

    def close(self) -> None:
        """Lets go of the engine."""
        self.shared.calls.close()
        self.shared.calls.engine.close()

    async def _say_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY_S)
            self.shared.counts.say()

    async def _stay_alive(self) -> None:
        while True:
            await self._say_alive(_ALIVE_EVERY_S)
            self.shared.store.say_alive()
            await asyncio.sleep(_ALIVE_EVERY_S)

    async def say_goodbye(self) -> None:
        """Tells a successor that it need not wait, and everyone if it was refused."""
        if self._refusal is not None:
            shared = self.shared
            at = At(shared.clock.generation, shared.now_ns(), shared.now_ns())
            await shared.outlet.publish([no_listing_record(shared.origin, at, "refused", self._refusal)])
        if self._ran:
            await self._say_alive(0)

    async def _say_alive(self, for_s: float) -> None:
        """Tells other producers that this engine is watched; for 0 s: no longer."""
        origin = self.shared.origin
        section = {
            "producer_id": origin.producer_id,
            "engine_name": origin.engine_name,
            "host": socket.gethostname(),
            "interval_ms": round(for_s * 1000),
        }
        await self.shared.outlet.publish([control_record(origin.prefix, origin.engine_id, "producer", section, self.shared.now_ns())])

    def obey(self, record: Json) -> None:
        """Takes in a control record.

        Raises:
            Refused: another producer was first at this engine, or with its name.
        """
        origin = self.shared.origin
        section = record.get(record["kind"])
        if section is None:
            return  # of a kind this version does not know, or without what its kind promises
        if record["kind"] == "producer" and origin.engine_name == section["engine_name"]:
            self._meet(record)
        elif record["target"] not in (origin.engine_id, "*"):
            return
        elif record["kind"] == "producer":
            self._meet(record)
        elif record["kind"] == "interval":
            self._set_interval(section["name"], section["interval_ms"] / 1000, record["written_at_ns"])
        elif record["kind"] == "sync_request" and section["id"] not in self._answered:
            self._answered[section["id"]] = None
            if len(self._answered) > _REMEMBERED:
                del self._answered[next(iter(self._answered))]
            self.syncs.want(Wanted("request", section["id"], section["expires_at_ns"]))

    def go_live(self) -> None:
        """All earlier control records are read: whoever has not said goodbye is still here.

        Raises:
            Refused: another producer watches the engine.
        """
        self._live = True
        for record in self._others.values():
            self._judge(record)

    def _meet(self, record: Json) -> None:
        producer_id = record["producer"]["producer_id"]
        if producer_id == self.shared.origin.producer_id:
            self._first_here = self._first_here or record["written_at_ns"] >= self._began_ns
        elif self._live:
            self._judge(record)
        else:
            self._others[producer_id, record["target"]] = record

    def _judge(self, record: Json) -> None:
        """Two producers of one engine read the same topic, so both agree on who was first: the other goes.

        So does one whose engine is another with the same name: what is called `shop@laptop` on both must never be merged.
        """
        section = record["producer"]
        alive_until_ns = record["written_at_ns"] + 3 * section["interval_ms"] * 1_000_000
        if section["interval_ms"] == 0 or alive_until_ns < self.shared.now_ns():
            return
        name, same_engine = self.shared.origin.engine_name, record["target"] == self.shared.origin.engine_id
        if self._first_here:
            tried = "tried to watch it too" if same_engine else "has another engine of that name: it needs another WST_ENGINE_NAME"
            _log.warning("engine %s: another producer (on %s) %s", name, section["host"], tried)
            return
        code = "duplicate_engine_id" if same_engine else "duplicate_engine_name"
        said = f"two live producers for the engine {name}" if same_engine else f"two live engines are called {name}"
        self._refusal = {
            "error": f"{said}: the one on {socket.gethostname()} was refused, as another runs on {section['host']}",
            "error_code": code,
            "sync_interval_ms": round(self.syncs.interval_s * 1000),
        }
        if not same_engine:
            raise Refused(
                f"another producer (on {section['host']}) has an engine called {name} already", "give this one another WST_ENGINE_NAME"
            )
        raise Refused(
            f"another producer (on {section['host']}) watches the engine {name}",
            f"stop that one, or wait {3 * section['interval_ms'] // 1000} s after its end; cloned machines need a WST_ENGINE_ID each",
        )

    def _set_interval(self, name: str, interval_s: float, at_ns: int) -> None:
        """The last word counts; those for all engines and for this one come from different partitions, in any order."""
        changers: dict[str, Callable[[float], None]] = {"collect": self.stats.set_interval, "sync": self.syncs.set_interval}
        if at_ns < self._intervals_at_ns.get(name, 0):
            return
        if name in changers:
            self._intervals_at_ns[name] = at_ns
        if name in changers and SHORTEST_S <= interval_s <= LONGEST_S:
            changers[name](interval_s)
            _log.info("engine %s: %s interval is %gs now", self.shared.origin.engine_name, name, interval_s)
        else:
            _log.warning("an interval %r of %gs was asked for and makes no sense", name[:20], interval_s)
