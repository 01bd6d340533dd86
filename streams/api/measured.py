"""What `/metrics` of the API shows: the fleet, the API itself, and in an embedded tree all its parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from schemas.errors import WstError
from schemas.metrics import Figure, fleet, system
from schemas.metrics.exposition import exposition
from schemas.metrics.process import process_figures
from schemas.metrics.telling import read_figures
from streams.api.site import Site
from streams.query import fleet as all_of_them
from streams.query.measured import Bounds, FleetFigures, engine_figures

#: Name of the API's own part; in an embedded tree the sink is in the same process, which is called `serve`.
_API, _SERVE, _SINK = "api", "serve", "sink"
#: Longest stretch of gathering before others get the loop, s.
_TURN_S: Final = 0.005
_ASK_EVERY_S: Final = 15.0
_PATIENCE_S: Final = 2.0
_MOST_ALERTS: Final = 10_000


class Measured:
    """Makes the text of `/metrics`; who asks while it is being made gets the same one."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bounds = Bounds(site.live.settings.metrics_workspaces, site.live.settings.metrics_containers)
        self._under_way: asyncio.Task[bytes] | None = None
        self._archive: list[Figure] = []
        self._asked_s = float("-inf")

    async def text(self) -> bytes:
        """All figures there are now."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._make())
        # Who goes away must not take it from the others.
        return await asyncio.shield(self._under_way)

    async def _make(self) -> bytes:
        live = self._site.live
        told: list[tuple[str, list[Figure]]] = [(_API, [*self._own(), *await self._of_archive()])]
        if live.loaded.is_set():
            told.append(("", await self._fleet()))
        told += self._of_tree()
        # Escaping tens of thousands of lines is not for the loop.
        return await asyncio.to_thread(exposition, told)

    async def _fleet(self) -> list[Figure]:
        """Workspaces, containers, alerts and engines; the loop is given away in between."""
        live, now_ns = self._site.live, time.time_ns()
        found: list[Figure] = []
        turn_ends = time.perf_counter() + _TURN_S
        for figures in FleetFigures(live.states.all(), live.usage.sampled_of, self._bounds).workspaces():
            found += figures
            if time.perf_counter() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = time.perf_counter() + _TURN_S
        rows = live.engines.listed(now_ns, all_of_them.engines(live.states))
        found += engine_figures(rows, live.engines.listed_s(), self._bounds.workspaces)
        alerts = live.alerts.count(state["workspace_id"] for state in live.states)
        shown = sorted(alerts)[: self._bounds.workspaces]
        found += [fleet.ALERTS.at(alerts[alert], *alert) for alert in shown]
        found.append(fleet.LEFT_OUT.at(len(alerts) - len(shown), "alerts"))
        return found

    def _own(self) -> Iterator[Figure]:
        live = self._site.live
        yield system.API_LOADED.at(live.loaded.is_set())
        yield system.API_SKIPPED.at(live.skipped)
        yield system.API_LISTENERS.at(len(self._site.listeners))
        yield system.API_EVENTS.at(live.states.changes, "states")
        yield system.API_EVENTS.at(live.usage.changes, "samples")
        for partition, behind in live.lag_by_partition().items():
            yield system.API_LAG.at(behind, partition.topic, str(partition.partition))

    def _of_tree(self) -> Iterator[tuple[str, list[Figure]]]:
        """The process, the sink in it, and the parts beside it."""
        settings, sink = self._site.live.settings, self._site.sink_figures
        yield (_API if sink is None else _SERVE), list(process_figures())
        if sink is not None:
            yield _SINK, list(sink())
        for part in self._site.health().get("parts", ()):
            figures = [system.PART_UP.at(part["state"] in ("up", "done")), system.PART_RESTARTS.at(part["restarts"])]
            yield part["name"], figures
        if settings.journal is not None:
            yield from read_figures(settings.data_dir)

    async def _of_archive(self) -> list[Figure]:
        """Whether it answers, asked now and then; an archive that is away holds nobody up."""
        if time.monotonic() - self._asked_s > _ASK_EVERY_S:
            began_s = time.perf_counter()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._ask()
                self._archive = [system.ARCHIVE_UP.at(1), system.ARCHIVE_SECONDS.at(time.perf_counter() - began_s)]
            except (TimeoutError, WstError):
                self._archive = [system.ARCHIVE_UP.at(0)]
            self._asked_s = time.monotonic()
        return self._archive

    async def _ask(self) -> None:
        alerts, archive = self._site.live.alerts, self._site.archive
        if alerts.whole:
            await archive.ask("ping", {})
        else:
            asked = {"workspace_id": "", "open": True, "since_ns": 0, "limit": _MOST_ALERTS, "after_ns": -1, "after_key": ""}
            alerts.take_archived(await archive.ask("alerts", asked))
