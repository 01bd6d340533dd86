"""The stats loop of one engine: every interval one reading of each running container, one message a workspace."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from producers.engine import EngineError
from producers.engine_json import InvalidMessage, Json
from producers.facts import At, tick_records
from producers.news import wait_for
from producers.record import Skip, Who
from producers.sample import counters
from producers.shared import Shared
from producers.snapshots import SyncLoop

_log: Final = logging.getLogger("wst.producer")

#: Part of the interval after which what was not answered is left out, so that the tick does not run into the next.
_DEADLINE_RATIO: Final = 0.9
#: An engine before 25 may need a second or two: where the interval is shorter, ticks are skipped, not all of them lost.
_PATIENCE_S: Final = 5.0


class StatsLoop:
    """Samples of one engine.

    Args:
        interval_s: between two ticks, s; settable while it runs.
        speed: seconds that pass at the engine in one here.
    """

    def __init__(self, shared: Shared, syncs: SyncLoop, interval_s: float, speed: float = 1.0) -> None:
        self._shared = shared
        self._syncs = syncs
        self.interval_s = interval_s
        self._speed = speed
        self._news = asyncio.Event()
        self._failing = False
        self._told: dict[str, Who] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine-stats")

    def set_interval(self, interval_s: float) -> None:
        """Changes the interval from now on."""
        self.interval_s = interval_s
        self._news.set()

    async def run(self) -> None:
        """Samples until cancelled. Ticks keep their step: a slow engine makes some be skipped, never late."""
        loop = asyncio.get_running_loop()
        await self._syncs.synced()
        due = loop.time()
        try:
            while True:
                await self._tick(due)
                due += self.interval_s
                late = int((loop.time() - due) // self.interval_s) + 1
                if late > 0:
                    self._shared.counts.add("ticks_skipped", late)
                    due += late * self.interval_s
                due = await self._sleep_until(due)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _sleep_until(self, due: float) -> float:
        """Waits for the tick; a new interval makes it come at once."""
        return asyncio.get_running_loop().time() if await wait_for(self._news, due) else due

    async def _tick(self, due: float) -> None:
        shared = self._shared
        loop = asyncio.get_running_loop()
        # The tick's instant on the wall clock; only the monotonic one keeps step.
        tick_at_ns = shared.now_ns() - round((loop.time() - due) * 1e9)
        ids = [container_id for container_id, _ in shared.registry.running()]
        if not ids and not self._told:
            return
        deadline = due + max(self.interval_s * _DEADLINE_RATIO, _PATIENCE_S)
        shared.counts.add("calls.stats", len(ids))
        asked_s = loop.time()
        answers = await loop.run_in_executor(self._thread, lambda: list(shared.calls.engine.stats(ids, deadline)))
        shared.counts.took("stats", loop.time() - asked_s)
        by_workspace: defaultdict[str, list[tuple[Who, Json]]] = defaultdict(list)
        failures = 0
        for container_id, answer in answers:
            if isinstance(answer, EngineError):
                failures += 1
            elif answer is not None:
                await self._sample(container_id, answer, by_workspace)
        shared.calls.answers += len(answers) - failures
        self._tell(failures, len(ids))
        at = At(shared.clock.generation, tick_at_ns, shared.now_ns())
        for sampled in by_workspace.values():
            await self._offer(at, sampled[0][0], [sample for _, sample in sampled])
        await self._tell_what_stopped(at, {workspace_id: sampled[0][0] for workspace_id, sampled in by_workspace.items()})

    async def _offer(self, at: At, who: Who, samples: list[Json]) -> None:
        shared = self._shared
        header = self._syncs.host | {"interval_ms": round(self.interval_s * self._speed * 1000)}
        await shared.outlet.offer(tick_records(shared.origin, at, header, who, shared.registry.workspace_name(who), samples))

    async def _tell_what_stopped(self, at: At, sampled: dict[str, Who]) -> None:
        """A workspace of which nothing runs any more gets one last tick without samples: it uses nothing, which is not unknown."""
        running = {known.who.identity.workspace_id for _, known in self._shared.registry.running()}
        stopped = {workspace_id: who for workspace_id, who in self._told.items() if workspace_id not in running}
        self._told = {workspace_id: who for workspace_id, who in (self._told | sampled).items() if workspace_id not in stopped}
        for who in stopped.values():
            await self._offer(at, who, [])

    async def _sample(self, container_id: str, answer: Json, by_workspace: defaultdict[str, list[tuple[Who, Json]]]) -> None:
        shared = self._shared
        known = shared.registry.get(container_id)
        if known is None:
            return
        try:
            packed = counters(answer, shared.registry.context(container_id, known))
        except InvalidMessage as error:
            await shared.refuse("stats", answer, error)
            return
        if isinstance(packed, Skip):
            shared.counts.add(f"skipped.{packed.reason}")
            return
        container = known.who.container
        sample = {
            "container_id": container_id,
            "container_name": container["name"],
            "service": container["service"],
            "counters": packed,
        }
        by_workspace[known.who.identity.workspace_id].append((known.who, sample))
        shared.counts.add("samples")

    def _tell(self, failures: int, asked: int) -> None:
        self._shared.counts.add("failures.stats", failures)
        if failures and not self._failing:
            _log.warning("engine %s: %d of %d stats calls failed", self._shared.origin.engine_name, failures, asked)
        self._failing = bool(failures)
