"""All workspaces taken together: totals, peaks, engines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from streams.query.metrics import Metrics
from streams.query.present import time_text

Json = dict[str, Any]
StateRecord = Mapping[str, Any]


def summary(known: Iterable[tuple[StateRecord, Metrics | None]]) -> Json:
    """Totals, averages and peaks; what no workspace knows is null.

    Args:
        known: states and what their running containers use.
    """
    pairs = list(known)
    states = [state for state, _ in pairs]
    used = {state["workspace_id"]: metrics for state, metrics in pairs if metrics is not None}
    containers = [container for state in states for container in state["containers"]]
    return {
        "workspaces": len(states),
        "by_status": dict.fromkeys(("active", "inactive", "archived"), 0) | Counter(state["status"].lower() for state in states),
        "by_condition": dict.fromkeys(("ok", "degraded", "failing", "unknown"), 0) | Counter(s["condition"].lower() for s in states),
        "stale": sum(state["stale"] for state in states),
        "containers": len(containers),
        "running": sum(state["running"] for state in states),
        "by_container_state": dict(Counter(container["state"] for container in containers)),
        "engines": len({container["engine_id"] for container in containers}),
        "totals": {name: _sum(used, field) for name, field in _FIGURES.items()},
        "averages": {name: _mean(used, field) for name, field in _FIGURES.items()},
        "peaks": {name: _peak(used, field) for name, field in _FIGURES.items()},
    }


_FIGURES = {
    "cpu_percent": "cpu_percent",
    "memory_usage": "memory_used_bytes",
    "network_rx_bytes_per_second": "network_rx_bytes_per_second",
    "network_tx_bytes_per_second": "network_tx_bytes_per_second",
    "pids": "pids",
}


def _values(used: Mapping[str, Metrics], field: str) -> list[tuple[float, str]]:
    values = [(getattr(metrics, field), workspace_id) for workspace_id, metrics in used.items()]
    return [(value, workspace_id) for value, workspace_id in values if value is not None]


def _sum(used: Mapping[str, Metrics], field: str) -> float | None:
    values = _values(used, field)
    return round(sum(value for value, _ in values), 3) if values else None


def _mean(used: Mapping[str, Metrics], field: str) -> float | None:
    values = _values(used, field)
    return round(sum(value for value, _ in values) / len(values), 3) if values else None


def _peak(used: Mapping[str, Metrics], field: str) -> Json | None:
    values = _values(used, field)
    if not values:
        return None
    value, workspace_id = max(values, key=lambda each: (each[0], each[1]))
    return {"workspace_id": workspace_id, "value": value}


def engines(states: Iterable[StateRecord]) -> list[Json]:
    """The engines that have containers here, by name. Stale: all its workspaces are, as it has fallen silent."""
    found: dict[str, Json] = {}
    for state in states:
        for engine_id in {container["engine_id"] for container in state["containers"]}:
            own = [container for container in state["containers"] if container["engine_id"] == engine_id]
            row = found.setdefault(engine_id, {"id": engine_id, "name": own[0]["engine"], **_NOTHING})
            row["workspaces"] += 1
            row["containers"] += len(own)
            row["running"] += sum(container["state"] == "running" for container in own)
            row["stale"] = row["stale"] and state["stale"]
            row["last_sync"] = max(row["last_sync"], state["last_sync_ns"] or 0)
    rows = sorted(found.values(), key=lambda row: (row["name"], row["id"]))
    return [row | {"last_sync": time_text(row["last_sync"])} for row in rows]


_NOTHING = {"workspaces": 0, "containers": 0, "running": 0, "stale": True, "last_sync": 0}
