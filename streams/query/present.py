"""The JSON shapes users rely on (State, Event), made here and nowhere else.

Times are RFC 3339, UTC, with milliseconds; what is not known is null, never zero or an empty text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from streams.query.metrics import Metrics

Json = dict[str, Any]

_MB: Final = 1 << 20


def time_text(ns: int | None) -> str | None:
    """RFC 3339 of ns since the Unix epoch; None for None and for 0, which says unknown."""
    if ns is None or ns <= 0:
        return None
    seconds, rest = divmod(ns, 10**9)
    # isoformat takes half of strftime's time, and a list of workspaces holds thousands of times.
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest // 10**6:03d}Z"


def state_json(record: Mapping[str, Any], metrics: Metrics | None = None) -> Json:
    """A workspace as `wst status --json` and `GET /api/v1/workspaces/{id}` show it.

    Args:
        record: a State of the schema.
        metrics: what its running containers used last; None: nothing is known.
    """
    return standing_json(record) | {"metrics": workspace_metrics_json(record, metrics)}


def standing_json(record: Mapping[str, Any]) -> Json:
    """The same without its metrics, which change far more often."""
    return {
        "workspace_id": record["workspace_id"],
        "name": record["workspace_name"],
        "status": record["status"].lower(),
        "condition": record["condition"].lower(),
        "running": record["running"],
        "total": record["total"],
        "status_since": time_text(record["status_since_ns"]),
        "reason": record["reason"],
        "stale": record["stale"],
        "ephemeral": record["ephemeral"],
        "idle_since": time_text(record["idle_since_ns"]),
        "muted_until": time_text(record["muted_until_ns"]),
        "seq": record["seq"],
        "last_updated": time_text(record["last_updated_ns"]),
        "last_sync": time_text(record["last_sync_ns"]),
        "sync_attempts": record["sync_attempts"],
        "last_error": record["last_error"],
        "labels": dict(record["labels"]),
        "container_id": record["container_id"],
        "container_state": record["container_state"],
        "containers": [container_json(container) for container in record["containers"]],
    }


def container_json(container: Mapping[str, Any]) -> Json:
    """One container of a workspace."""
    shown = ("id", "name", "service", "image", "engine", "state", "health", "exit_code", "exit_reason", "error")
    told = ("oom_killed", "stop_requested", "restart_count")
    times = {"started_at": time_text(container["started_at_ns"]), "finished_at": time_text(container["finished_at_ns"])}
    return {name: container[name] for name in (*shown, *told)} | times


def workspace_metrics_json(record: Mapping[str, Any], metrics: Metrics | None) -> Json:
    """The metrics of a workspace's State record; None: nothing is known."""
    shown = metrics_json(metrics)
    sampled_at = shown.pop("sampled_at")
    return {
        **shown,
        "last_activity": time_text(record["last_activity_ns"]),
        "error_count": record["error_count"],
        "last_error_time": time_text(record["last_error_at_ns"]),
        "sampled_at": sampled_at,
    }


def metrics_json(metrics: Metrics | None) -> Json:
    """What containers use; None: nothing is known."""
    metrics = metrics or Metrics()
    return {
        "cpu_percent": metrics.cpu_percent,
        "cpu_percent_of_limit": metrics.cpu_percent_of_limit,
        "cpu_limit_cores": metrics.cpu_limit_cores,
        "memory_usage": metrics.memory_used_bytes,
        "memory_limit": metrics.memory_limit_bytes,
        "memory_percent": metrics.memory_percent,
        "network_rx_bytes_total": metrics.network_rx_total_bytes,
        "network_tx_bytes_total": metrics.network_tx_total_bytes,
        "network_rx_bytes_per_second": metrics.network_rx_bytes_per_second,
        "network_tx_bytes_per_second": metrics.network_tx_bytes_per_second,
        "network_rx_mb": _mb(metrics.network_rx_total_bytes),
        "network_tx_mb": _mb(metrics.network_tx_total_bytes),
        "block_read_bytes_total": metrics.block_read_total_bytes,
        "block_write_bytes_total": metrics.block_write_total_bytes,
        "pids": metrics.pids,
        "uptime_seconds": metrics.uptime_seconds,
        "sampled_at": time_text(metrics.sampled_at_ns),
    }


def _mb(size: int | None) -> float | None:
    return None if size is None else round(size / _MB, 3)


def event_json(record: Mapping[str, Any]) -> Json:
    """An event as `wst events --json`, the API and the WebSocket show it.

    Args:
        record: an Event of the schema.
    """
    kind = record["type"]
    section, shape = _SECTIONS.get(kind, (None, None))
    filled = record.get(section) if section else None
    cause = record["cause"]
    lag_ms = record["detection_lag_ms"]
    return {
        "id": record["id"],
        "stream": record["stream"].lower(),
        "seq": record["seq"],
        "type": kind.lower(),
        "workspace_id": record["workspace_id"],
        "engine_id": record["engine_id"] or None,
        "timestamp": time_text(record["timestamp_ns"]),
        "message": record["message"],
        "correction": record["correction"],
        "detection_lag_seconds": None if lag_ms is None else lag_ms / 1000,
        "data": shape(filled) if shape and filled is not None else {},
        "cause": None if cause is None else {name: cause[name] for name in ("topic", "partition", "offset")},
    }


def _shape(
    *same: str, times: Mapping[str, str] | None = None, seconds: Mapping[str, str] | None = None
) -> Callable[[Mapping[str, Any]], Json]:
    """Makes the data of a section: fields as they are, times from `_ns`, durations in seconds from `_ms`."""

    def data(section: Mapping[str, Any]) -> Json:
        shown = {name: section[name] for name in same}
        shown |= {name: time_text(section[source]) for name, source in (times or {}).items()}
        return shown | {name: section[source] / 1000 for name, source in (seconds or {}).items()}

    return data


_SYNC: Final = _shape(
    "engine",
    "sync_id",
    "request_id",
    "workspace_count",
    "container_count",
    "success_count",
    "error_count",
    "corrections",
    seconds={"duration_seconds": "duration_ms"},
)
_ALERT: Final = _shape("rule", "metric", "value", "threshold", "container_id", "labels", "dedup_key", times={"since": "since_ns"})
_SECTIONS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Json]]]] = {
    "status_changed": (
        "status_changed",
        _shape("old_status", "new_status", "reason", "container_id", times={"changed_at": "changed_at_ns"}),
    ),
    "container_update": (
        "container_update",
        _shape("container_id", "container_name", "old_state", "new_state", "exit_code", "health", times={"updated_at": "updated_at_ns"}),
    ),
    "error": ("error", _shape("error", "code", "retry_count", "context", times={"occurred_at": "occurred_at_ns"})),
    "recovery": (
        "recovery",
        _shape("resolved_error", "recovery_method", times={"recovered_at": "recovered_at_ns"}, seconds={"downtime_seconds": "downtime_ms"}),
    ),
    "metrics_update": ("metrics_update", _shape("old_metrics", "new_metrics", "delta", times={"updated_at": "updated_at_ns"})),
    "sync_start": ("sync", _SYNC),
    "sync_complete": ("sync", _SYNC),
    "alert_raised": ("alert", _ALERT),
    "alert_resolved": ("alert", _ALERT),
}
