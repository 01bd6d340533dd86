"""`ResourceMonitor`: what workspaces use now, as a stream and as a summary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from schemas.settings import Settings
from streams.client.source import Json, Source, source_of, the_one

Metrics = Mapping[str, Any]
"""A workspace's `metrics`, as in `wst status --json`."""

#: What is added up over workspaces.
_TOTALS: Final = (
    "cpu_percent",
    "memory_usage",
    "network_rx_bytes_total",
    "network_tx_bytes_total",
    "network_rx_bytes_per_second",
    "network_tx_bytes_per_second",
    "block_read_bytes_total",
    "block_write_bytes_total",
    "pids",
)
#: Of which the average over active workspaces and the peak since the monitor's start are told.
_GAUGES: Final = ("cpu_percent", "memory_usage", "memory_percent", "network_rx_bytes_per_second", "network_tx_bytes_per_second", "pids")


@dataclass(frozen=True, slots=True)
class MonitorStats:
    """How a monitor does; counts since its start.

    Attributes:
        active_monitors: iterators of `watch` that are open.
        collect_interval_seconds: between two samples of a container.
        collections: readings of workspaces taken.
        failures: records or answers that could not be used, and times the other side was away.
        conflated: readings a slow watcher never saw, as a newer one had come.
        cache_workspaces: workspaces in memory.
        cache_hits, cache_misses: states asked for that were there, or were not.
    """

    active_monitors: int
    collect_interval_seconds: float
    collections: int
    failures: int
    conflated: int
    cache_workspaces: int
    cache_hits: int
    cache_misses: int


class _Watch:
    """A slot for one reading: a newer one takes the place of the older."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def put(self) -> bool:
        """Says that there is a newer one; False: the last one was not fetched yet."""
        fresh = not self.news.is_set()
        self.news.set()
        return fresh


class ResourceMonitor:
    """Metrics in memory that follow the samples. Use it as an async context.

    Args:
        settings: None: those of the environment. With `brokers` set (WST_BROKERS) it reads Kafka, else the API (WST_API).
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._source: Source = source_of(settings)
        self._watches: dict[str, list[_Watch]] = {}
        self._peaks: dict[str, Json] = {}
        self._conflated = 0

    async def __aenter__(self) -> Self:
        """Connects, and returns when all states are known.

        Raises:
            Unreachable: neither broker nor API answers.
        """
        try:
            await self._source.start()
        except BaseException:
            await self._source.close()
            raise
        self._source.listeners.sampled.append(self._sampled)
        for workspace_id in self._source.ids():
            self._see_peaks(workspace_id)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Disconnects."""
        await self._source.close()

    async def watch(self, workspace: str) -> AsyncIterator[Metrics]:
        """A workspace's metrics: what is known now, then each newer reading; whoever is slow gets the newest only.

        Args:
            workspace: an id, or a name that only it has; an id nobody knows yet is waited for.

        Raises:
            Refused: several workspaces have that name.
        """
        workspace_id = the_one(self._source, workspace) or workspace
        watch = _Watch()
        self._watches.setdefault(workspace_id, []).append(watch)
        try:
            if (metrics := self._metrics(workspace_id)) is not None:
                yield metrics
            while True:
                await watch.news.wait()
                watch.news.clear()
                if (metrics := self._metrics(workspace_id)) is not None:
                    yield metrics
        finally:
            watches = self._watches[workspace_id]
            watches.remove(watch)
            if not watches:
                del self._watches[workspace_id]

    def _metrics(self, workspace_id: str) -> Metrics | None:
        state = self._source.state(workspace_id)
        return None if state is None or state["metrics"]["sampled_at"] is None else state["metrics"]

    def _sampled(self, workspace_id: str) -> None:
        for watch in self._watches.get(workspace_id, ()):
            self._conflated += not watch.put()
        self._see_peaks(workspace_id)

    def _see_peaks(self, workspace_id: str) -> None:
        metrics = self._metrics(workspace_id)
        for name in _GAUGES if metrics is not None else ():
            value = metrics[name]  # type: ignore[index]  # not None here
            if value is not None and value > self._peaks.get(name, {"value": -1})["value"]:
                self._peaks[name] = {"value": value, "workspace_id": workspace_id, "at": metrics["sampled_at"]}  # type: ignore[index]

    async def set_collect_interval(self, seconds: float) -> None:
        """Sets how often containers are sampled, for all producers and their next starts.

        Raises:
            SettingError: it is no interval between 1 s and 1 h.
        """
        await self._source.set_interval("collect", seconds)

    def get_resource_summary(self) -> Json:
        """Everything added up: totals and averages over active workspaces, peaks since the monitor's start, engines.

        A total over nothing known is None, not 0.
        """
        states = [state for workspace_id in self._source.ids() if (state := self._source.state(workspace_id)) is not None]
        used = [state["metrics"] for state in states if state["status"] == "active" and state["metrics"]["sampled_at"] is not None]
        return {
            "workspaces": len(states),
            "active_workspaces": sum(state["status"] == "active" for state in states),
            "active_containers": sum(state["running"] for state in states),
            "containers": sum(state["total"] for state in states),
            "measured_workspaces": len(used),
            "totals": {name: _total(used, name) for name in _TOTALS},
            "averages": {name: _mean(used, name) for name in _GAUGES},
            "peaks": {name: dict(peak) for name, peak in self._peaks.items()},
            "engines": self._source.engines(),
        }

    def stats(self) -> MonitorStats:
        """True counts."""
        counts = self._source.counts
        return MonitorStats(
            active_monitors=sum(map(len, self._watches.values())),
            collect_interval_seconds=self._source.interval_seconds("collect"),
            collections=counts.metrics_taken,
            failures=counts.failures,
            conflated=self._conflated,
            cache_workspaces=len(self._source.ids()),
            cache_hits=counts.found,
            cache_misses=counts.looked_up - counts.found,
        )


def _known(metrics: list[Metrics], name: str) -> list[float]:
    return [each[name] for each in metrics if each[name] is not None]


def _total(metrics: list[Metrics], name: str) -> float | None:
    known = _known(metrics, name)
    return round(sum(known), 3) if known else None


def _mean(metrics: list[Metrics], name: str) -> float | None:
    known = _known(metrics, name)
    return round(sum(known) / len(known), 3) if known else None
