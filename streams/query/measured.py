"""States and samples as figures. How many workspaces and containers are shown one by one is bounded. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from schemas.metrics import Figure, Metric, fleet
from streams.query.metrics import Metrics, Sampled, combine

State = Mapping[str, Any]
#: The latest samples of a workspace's running containers, by container.
SampledOf = Callable[[State], Mapping[str, Sampled]]

STATUSES: Final = ("active", "inactive", "archived")
CONDITIONS: Final = ("ok", "degraded", "failing", "unknown")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many are shown one by one."""

    workspaces: int
    containers: int


class FleetFigures:
    """Makes figures of workspaces one after the other; those that are archived are the first to be taken together."""

    def __init__(self, states: Iterable[State], sampled_of: SampledOf, bounds: Bounds) -> None:
        self._states = sorted(states, key=lambda state: (state["status"].lower() == "archived", state["workspace_id"]))
        self._sampled_of = sampled_of
        self._bounds = bounds
        self._room = bounds.containers
        self._containers_left_out = 0
        self._others: Counter[tuple[Metric, tuple[str, ...]]] = Counter()

    def workspaces(self) -> Iterator[list[Figure]]:
        """One list a workspace, so that others may have the loop in between; the last ones are those of the whole."""
        shown = self._bounds.workspaces
        for state in islice(self._states, shown):
            sampled = self._sampled_of(state)
            yield [*_workspace(state, combine(sampled.values()), sampled.values()), *self._containers(state, sampled)]
        for state in islice(self._states, shown, None):
            sampled = self._sampled_of(state)
            self._add(_additive(state, combine(sampled.values()), sampled.values()))
            self._containers_left_out += len(state["containers"])
            yield []
        yield list(self._whole())

    def _containers(self, state: State, sampled: Mapping[str, Sampled]) -> Iterator[Figure]:
        for container in state["containers"]:
            if self._room > 0:
                self._room -= 1
                yield from _container(state["workspace_id"], container, sampled.get(container["id"]))
            else:
                self._containers_left_out += 1

    def _add(self, figures: Iterable[Figure]) -> None:
        for metric, (_, *more), value in figures:
            self._others[metric, (fleet.OTHERS, *more)] += value  # type: ignore[assignment]  # a Counter of floats adds up as well

    def _whole(self) -> Iterator[Figure]:
        by_status = Counter(state["status"].lower() for state in self._states)
        by_condition = Counter(state["condition"].lower() for state in self._states)
        yield from (fleet.WORKSPACES.at(by_status[status], status) for status in STATUSES)
        yield from (fleet.WORKSPACES_BY_CONDITION.at(by_condition[condition], condition) for condition in CONDITIONS)
        yield fleet.WORKSPACES_STALE.at(sum(state["stale"] for state in self._states))
        yield fleet.LEFT_OUT.at(max(0, len(self._states) - self._bounds.workspaces), "workspaces")
        yield fleet.LEFT_OUT.at(self._containers_left_out, "containers")
        yield from (Figure(metric, labels, value) for (metric, labels), value in self._others.items())


def _workspace(state: State, metrics: Metrics | None, sampled: Iterable[Sampled]) -> Iterator[Figure]:
    """One workspace."""
    workspace_id = state["workspace_id"]
    yield fleet.INFO.at(1, workspace_id, state["workspace_name"])
    yield fleet.STATUS_SINCE.at(state["status_since_ns"] / 1e9, workspace_id)
    yield fleet.ERRORS.at(state["error_count"], workspace_id)
    if state["last_activity_ns"]:
        yield fleet.LAST_ACTIVITY.at(state["last_activity_ns"] / 1e9, workspace_id)
    if metrics is not None and metrics.sampled_at_ns:
        yield fleet.SAMPLED.at(metrics.sampled_at_ns / 1e9, workspace_id)
    yield from _additive(state, metrics, sampled)


def _additive(state: State, metrics: Metrics | None, sampled: Iterable[Sampled]) -> Iterator[Figure]:
    """What can be added up over workspaces."""
    workspace_id, status, condition = state["workspace_id"], state["status"].lower(), state["condition"].lower()
    yield from (fleet.STATUS.at(status == each, workspace_id, each) for each in STATUSES)
    yield from (fleet.CONDITION.at(condition == each, workspace_id, each) for each in CONDITIONS)
    yield fleet.STALE.at(state["stale"], workspace_id)
    yield fleet.CONTAINERS.at(state["total"], workspace_id)
    yield fleet.RUNNING.at(state["running"], workspace_id)
    if metrics is None:
        return
    known = {
        fleet.CPU: None if metrics.cpu_percent is None else metrics.cpu_percent / 100,
        fleet.MEMORY: metrics.memory_used_bytes,
        fleet.MEMORY_LIMIT: metrics.memory_limit_bytes,
        fleet.RECEIVE: metrics.network_rx_bytes_per_second,
        fleet.TRANSMIT: metrics.network_tx_bytes_per_second,
        fleet.DISK_READ: _rate(sampled, "block_read_bytes"),
        fleet.DISK_WRITE: _rate(sampled, "block_write_bytes"),
        fleet.PIDS: metrics.pids,
    }
    yield from (metric.at(value, workspace_id) for metric, value in known.items() if value is not None)


def _container(workspace_id: str, container: Mapping[str, Any], sampled: Sampled | None) -> Iterator[Figure]:
    labels = workspace_id, container["engine"], container["name"], container["id"][:12]
    yield fleet.C_INFO.at(1, *labels, container["service"] or "", container["image"] or "")
    yield fleet.C_STATE.at(1, *labels, container["state"])
    yield fleet.C_RESTARTS.at(container["restart_count"] or 0, *labels)
    if container["health"] not in (None, "", "none"):
        yield fleet.C_HEALTHY.at(container["health"] == "healthy", *labels)
    if sampled is None:
        return
    cpu = combine([sampled])
    known = {
        fleet.C_CPU: None if cpu is None or cpu.cpu_percent is None else cpu.cpu_percent / 100,
        fleet.C_CPU_LIMIT: (sampled.value("cpu_limit_nanocpus") or 0) / 1e9 or None,
        fleet.C_THROTTLED: _share(sampled, "throttled_ns"),
        fleet.C_MEMORY: sampled.value("memory_used_bytes"),
        fleet.C_MEMORY_LIMIT: sampled.value("memory_limit_bytes") or sampled.host_memory_bytes or None,
        fleet.C_RECEIVE: sampled.value("network_rx_total_bytes"),
        fleet.C_TRANSMIT: sampled.value("network_tx_total_bytes"),
        fleet.C_DISK_READ: sampled.value("block_read_total_bytes"),
        fleet.C_DISK_WRITE: sampled.value("block_write_total_bytes"),
        fleet.C_PIDS: sampled.value("pids"),
    }
    yield from (metric.at(value, *labels) for metric, value in known.items() if value is not None)


def _rate(sampled: Iterable[Sampled], name: str) -> float | None:
    """Sum of what each container did a second of its own interval; None: not known of any."""
    rates = [done * 1e9 / interval for one in sampled if (interval := one.value("interval_ns")) and (done := one.value(name)) is not None]
    return sum(rates) if rates else None


def _share(one: Sampled, name: str) -> float | None:
    interval, part = one.value("interval_ns"), one.value(name)
    return part / interval if interval and part is not None else None


def engine_figures(engines: Iterable[Mapping[str, Any]], listed_s: Mapping[str, float], most: int) -> Iterator[Figure]:
    """The engines as `GET /api/v1/engines` lists them.

    Args:
        listed_s: when each was last listed, by id, seconds since the Unix epoch.
        most: so many are shown.
    """
    rows = list(engines)
    for row in rows[:most]:
        labels = row["name"], row["id"][:64]
        yield fleet.ENGINE_UP.at(row["state"] == "ok", *labels)
        yield fleet.ENGINE_PRODUCER.at(row["producer_alive"], *labels)
        yield fleet.ENGINE_WORKSPACES.at(row["workspaces"], *labels)
        yield fleet.ENGINE_CONTAINERS.at(row["containers"], *labels)
        yield fleet.ENGINE_RUNNING.at(row["running"], *labels)
        if listed_s.get(row["id"]):
            yield fleet.ENGINE_LISTED.at(listed_s[row["id"]], *labels)
        for metric, value in ((fleet.ENGINE_LISTING, row["listing_seconds"]), (fleet.ENGINE_INTERVAL, row["sync_interval_seconds"])):
            if value is not None:
                yield metric.at(value, *labels)
    yield fleet.LEFT_OUT.at(max(0, len(rows) - most), "engines")
