"""The latest derived samples of every workspace, in memory: what the state's `metrics` are made of."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.core import samples
from streams.query.metrics import Metrics, Sampled, combine

#: Outcomes of which the reading itself is sound and newer than the one before.
_SOUND: Final = frozenset((samples.FOLDED, samples.FOLDED_LATE, samples.BASELINE, samples.RESET, samples.GAP))


@dataclass(slots=True)
class _Tick:
    """Samples of one engine at one instant, from all its parts that have come."""

    at_ns: int
    sampled: dict[str, Sampled] = field(default_factory=dict)


class UsageView:
    """Workspace id → latest sample per container; what an engine's newest tick no longer shows is dropped."""

    def __init__(self) -> None:
        self._ticks: dict[str, dict[str, _Tick]] = {}
        self._versions: dict[str, int] = {}
        self.changes = 0
        """Counts what changed something, over all workspaces."""
        self.listeners: list[Callable[[str], None]] = []
        """Told of each workspace with newer samples, by its id."""

    def apply(self, record: Mapping[str, Any]) -> bool:
        """Takes a Usage record of the schema; False: it has no samples, or older ones."""
        sound = [sample for sample in record["samples"] if sample["outcome"] in _SOUND]
        if not sound:
            return False
        engines = self._ticks.setdefault(record["workspace_id"], {})
        tick = engines.get(record["engine_id"])
        if tick is not None and record["tick_at_ns"] < tick.at_ns:
            return False
        if tick is None or record["tick_at_ns"] > tick.at_ns:
            tick = engines[record["engine_id"]] = _Tick(record["tick_at_ns"])
        for sample in sound:
            row = samples.unpack(sample["derived"])
            tick.sampled[sample["container_id"]] = Sampled(record["engine_id"], record["host_memory_bytes"], row)
        self.changes += 1
        self._versions[record["workspace_id"]] = self.changes
        for listener in self.listeners:
            listener(record["workspace_id"])
        return True

    def version(self, workspace_id: str) -> int:
        """Another number whenever something is known anew of a workspace; 0: nothing is known."""
        return self._versions.get(workspace_id, 0)

    def metrics(self, workspace_id: str, containers: Container[str]) -> Metrics | None:
        """What a workspace uses; None: nothing is known.

        Args:
            containers: ids of those to count: a stopped container's last sample says nothing about now.
        """
        ticks = self._ticks.get(workspace_id, {}).values()
        return combine(one for tick in ticks for container_id, one in tick.sampled.items() if container_id in containers)

    def metrics_of(self, state: Mapping[str, Any]) -> Metrics | None:
        """What the running and paused containers of a State record use."""
        live = {container["id"] for container in state["containers"] if container["state"] in ("running", "paused")}
        return self.metrics(state["workspace_id"], live)

    def sampled_of(self, state: Mapping[str, Any]) -> dict[str, Sampled]:
        """The latest samples of the running and paused containers of a State record, by container."""
        live = {container["id"] for container in state["containers"] if container["state"] in ("running", "paused")}
        ticks = self._ticks.get(state["workspace_id"], {}).values()
        return {container_id: one for tick in ticks for container_id, one in tick.sampled.items() if container_id in live}

    def forget(self, workspace_id: str) -> None:
        """Drops a workspace."""
        if self._ticks.pop(workspace_id, None) is not None:
            self.changes += 1
        self._versions.pop(workspace_id, None)
