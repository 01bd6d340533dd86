"""An answer of each route, for the OpenAPI document; a test compares them with real ones, field by field."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

_AT: Final = "2026-01-31T12:00:00.000Z"
_SOON: Final = "2026-01-31T12:00:10.000Z"
_CONTAINER: Final[Json] = {
    "id": "4f2a…", "name": "shop-web-1", "service": "web", "image": "nginx:1.27", "engine": "laptop",
    "state": "running", "health": "healthy",
    "exit_code": None, "exit_reason": None, "error": None, "oom_killed": False, "stop_requested": False, "restart_count": 0,
    "started_at": _AT, "finished_at": None,
}  # fmt: skip
_METRICS: Final[Json] = {
    "cpu_percent": 12.5, "cpu_percent_of_limit": None, "cpu_limit_cores": None, "memory_usage": 1048576, "memory_limit": 2147483648,
    "memory_percent": 0.049, "network_rx_bytes_total": 1572864, "network_tx_bytes_total": 209715, "network_rx_bytes_per_second": 0.0,
    "network_tx_bytes_per_second": 0.0, "network_rx_mb": 1.5, "network_tx_mb": 0.2, "block_read_bytes_total": 0,
    "block_write_bytes_total": 104857, "pids": 3, "uptime_seconds": 3600, "sampled_at": _AT,
}  # fmt: skip
_STATE: Final[Json] = {
    "workspace_id": "shop@laptop", "name": "shop", "status": "active", "condition": "ok", "running": 1, "total": 1, "status_since": _AT,
    "reason": "shop-web-1 runs", "stale": False, "ephemeral": False, "idle_since": None, "muted_until": None,
    "seq": 42, "last_updated": _AT, "last_sync": _AT, "sync_attempts": 0,
    "last_error": None, "labels": {"team": "core"}, "container_id": "4f2a…", "container_state": "running", "containers": [_CONTAINER],
    "metrics": _METRICS | {"last_activity": _AT, "error_count": 0, "last_error_time": None},
}  # fmt: skip
_EVENT: Final[Json] = {
    "id": "state.1.42.shop@laptop", "stream": "state", "seq": 42, "type": "status_changed", "workspace_id": "shop@laptop",
    "engine_id": "8F3C…", "timestamp": _AT,
    "message": "shop is inactive: shop-web-1 was stopped", "correction": False, "detection_lag_seconds": None,
    "data": {
        "old_status": "active", "new_status": "inactive", "reason": "shop-web-1 was stopped", "container_id": "4f2a…", "changed_at": _AT,
    },
    "cause": {"topic": "wst.docker.events", "partition": 3, "offset": 1234},
}  # fmt: skip
_FACT: Final[Json] = {
    "time": _AT, "said": "laptop said: shop-web-1 die with exit code 1", "kind": "engine_event", "engine": "laptop", "id": "9c41…",
    "topic": "wst.docker.events", "partition": 3, "offset": 1234,
    "epoch": 1,
}  # fmt: skip
_FIGURES: Final[Json] = {
    "cpu_percent": 12.5, "memory_usage": 1048576, "network_rx_bytes_per_second": 0.0, "network_tx_bytes_per_second": 0.0, "pids": 3,
}  # fmt: skip
_POINT: Final[Json] = {
    "start": _AT, "seconds": 10.0, "coverage": 1.0, "covered_seconds": 10.0, "observed_seconds": 10.0, "container_count": 1,
    "cpu_core_seconds": 1.25, "cpu_percent_mean": 12.5, "cpu_percent_max": 12.5, "cpu_percent_p50": 12.5, "cpu_percent_p95": 12.5,
    "cpu_percent_p99": 12.5, "memory_used_bytes_p50": 1048576.0, "memory_used_bytes_p95": 1048576.0, "memory_used_bytes_p99": 1048576.0,
    "memory_used_bytes_mean": 1048576.0,
    "memory_used_bytes_max": 1048576, "network_rx_bytes": 0, "network_tx_bytes": 0, "block_read_bytes": 0, "block_write_bytes": 0,
    "throttled_seconds": 0.0, "network_rx_bytes_per_second": 0.0, "network_tx_bytes_per_second": 0.0,
    "block_read_bytes_per_second": 0.0, "block_write_bytes_per_second": 0.0,
}  # fmt: skip
_PERCENTILES: Final[Json] = {
    f"{metric}_{part}": 12.5
    for metric in ("cpu_percent", "memory_used_bytes", "network_rx_bytes_per_second", "network_tx_bytes_per_second")
    for part in ("p50", "p95", "p99")
}
_WINDOW: Final[Json] = {
    "workspace_id": "shop@laptop", "workspace_name": "shop", "engine": "laptop", "engine_id": "8F3C…", "labels": {"team": "core"},
    "hour": _AT, "final": True, "sample_count": 360, "late_count": 0, "tick_count": 360, "container_count": 1,
    "observed_seconds": 3600.0, "covered_seconds": 3600.0, "coverage_ratio": 1.0, "cpu_core_seconds": 450.0,
    "memory_byte_seconds": 3774873600, "network_rx_bytes": 0, "network_tx_bytes": 0, "block_read_bytes": 0, "block_write_bytes": 0,
    "throttled_seconds": 0.0, "page_faults": 0, "cpu_percent_min": 1.0, "cpu_percent_mean": 12.5, "cpu_percent_max": 80.0,
    "cpu_percent_last": 12.5, "memory_used_bytes_min": 1048576, "memory_used_bytes_mean": 1048576.0, "memory_used_bytes_max": 1048576,
    "memory_used_bytes_last": 1048576, **_PERCENTILES, "first_read_at": _AT, "last_read_at": _SOON,
}  # fmt: skip
_SAMPLE: Final[Json] = {
    "workspace_id": "shop@laptop", "workspace_name": "shop", "engine": "laptop", "engine_id": "8F3C…", "container_id": "4f2a…",
    "container_name": "shop-web-1", "service": "web", "read_at": _SOON, "tick_at": _SOON, "outcome": "folded", "interval_seconds": 10.0,
    "cpu_percent": 12.5, "cpu_cores": 0.125, "cpu_percent_of_limit": None, "cpu_percent_of_host": 3.1, "cpu_limit_cores": None,
    "online_cpus": 4, "memory_used_bytes": 1048576, "memory_usage_bytes": 2097152, "memory_limit_bytes": 2147483648,
    "memory_percent": 0.049, "network_rx_bytes_per_second": 0.0, "network_tx_bytes_per_second": 0.0, "block_read_bytes_per_second": 0.0,
    "block_write_bytes_per_second": 0.0, "network_rx_total_bytes": 1572864, "network_tx_total_bytes": 209715,
    "block_read_total_bytes": 0, "block_write_total_bytes": 104857, "throttled_percent": 0.0, "page_faults_per_second": 0.0, "pids": 3,
    "network_namespace": 4026532281, "started_at": _AT, "interval_ns": 10_000_000_000, "cpu_ns": 1_250_000_000, "cpu_millipercent": 12500,
    "memory_byte_seconds": 10485760, "network_rx_bytes": 0, "network_tx_bytes": 0, "network_rx_counted_bytes": 0,
    "network_tx_counted_bytes": 0, "block_read_bytes": 0, "block_write_bytes": 0, "throttled_ns": 0, "page_faults": 0,
}  # fmt: skip
_WEEKS: Final[Json] = {"this_week": 12.5, "last_week": 10.0, "change_percent": 25.0}
_TREND: Final[Json] = {
    "workspace_id": "shop@laptop", "workspace_name": "shop",
    "use": {
        "hour_count": 720, "covered_seconds": 2592000.0, "cpu_core_seconds": 324000.0, "network_bytes": 0.0, "disk_bytes": 0.0,
        "cpu_percent_mean": 12.5, "memory_used_bytes_mean": 1048576.0,
    },
    "slope": {"cpu_percent_per_day": 0.4, "memory_used_bytes_per_day": 1024.0, "network_bytes_per_second_per_day": 0.0},
    "week_over_week": {
        "this_week_covered_seconds": 604800.0, "last_week_covered_seconds": 604800.0, "cpu_percent": _WEEKS,
        "memory_used_bytes": _WEEKS, "network_bytes_per_second": _WEEKS,
    },
    "busiest_hours": [{"hour": 17, "cpu_percent_mean": 40.0}],
    "time_in_state": {"status": {"active": 2592000.0}, "condition": {"ok": 2592000.0}, "active_ratio": 1.0},
}  # fmt: skip
_TOP: Final[Json] = {
    "workspace_id": "shop@laptop", "workspace_name": "shop", "covered_seconds": 3600.0, "cpu_core_seconds": 450.0, "cpu_percent_mean": 12.5,
    "cpu_percent_max": 80.0, "cpu_percent_p95": 60.0, "memory_used_bytes_mean": 1048576.0, "memory_used_bytes_max": 1048576,
    "memory_used_bytes_p95": 1048576.0, "network_bytes": 0.0, "disk_bytes": 0.0,
    "peak": {
        "at": _AT, "value": 80.0, "unit": "percent", "container_id": "4f2a…", "container_name": "shop-web-1", "container_value": 75.0,
        "share": 0.94,
    },
}  # fmt: skip
_ALERT: Final[Json] = {
    "workspace_id": "shop@laptop", "rule": "cpu", "metric": "cpu_percent", "container_id": "4f2a…", "value": 97.0, "threshold": 80.0,
    "since": _AT, "raised_at": _AT, "resolved_at": None, "labels": {"team": "core"}, "dedup_key": "…", "engine_id": "8F3C…",
    "message": "CPU of shop-web-1 over 80 % for 2 min", "muted_until": None,
}  # fmt: skip
_LETTER: Final[Json] = {
    "id": "1760000000.0.4711", "refused_at": _AT, "stage": "state", "code": "undecodable", "reason": "it begins with no known framing",
    "topic": "wst.docker.events", "epoch": 1760000000, "partition": 0, "offset": 4711, "key": "shop@laptop", "value_bytes": 3,
    "replayed": False,
}  # fmt: skip
_SYNC: Final[Json] = {
    "engine": "laptop", "engine_id": "8F3C…", "sync_id": "…", "request_id": "5d1c0ffee", "workspace_count": 1, "container_count": 1,
    "success_count": 1, "error_count": 0, "duration_seconds": 0.01, "corrections": 0,
}  # fmt: skip
_OBEYED: Final[Json] = {"command": "archive", "command_id": "5d1c0ffee", "workspace_id": "shop@laptop", "workspace": _STATE}
_OF_ENGINE: Final[Json] = {"command": "mute", "command_id": "5d1c0ffee", "engine": "laptop", "workspaces": ["shop@laptop"]}
_WORKSPACE: Final = "/api/v1/workspaces/{workspace}"

#: Path → an answer of it, shortened where it goes on in the same way.
EXAMPLES: Final[dict[str, Any]] = {
    "/api/v1/workspaces": [_STATE],
    _WORKSPACE: _STATE,
    f"{_WORKSPACE}/containers": [_CONTAINER | {"metrics": _METRICS}],
    f"{_WORKSPACE}/history": {
        "workspace_id": "shop@laptop", "container": None, "since": _AT, "until": _SOON, "step_seconds": 10.0, "source": "samples",
        "points": [_POINT],
    },
    f"{_WORKSPACE}/usage": {"workspace_id": "shop@laptop", "since": _AT, "until": _SOON, "grain": "hour", "windows": [_WINDOW]},
    f"{_WORKSPACE}/samples": {"workspace_id": "shop@laptop", "since": _AT, "until": _SOON, "grain": "sample", "samples": [_SAMPLE]},
    f"{_WORKSPACE}/why": {
        "workspace_id": "shop@laptop", "name": "shop", "at": _AT, "status": "active", "condition": "failing", "status_since": _AT,
        "reason": "shop-web-1 ended unexpectedly: exit code 1",
        "causes": [{"of": "container", "container": "shop-web-1", "facts": [_FACT]}],
        "logs": ["docker logs --since 2026-01-31T11:50:00Z --until 2026-01-31T12:00:01Z shop-web-1"],
    },
    f"{_WORKSPACE}/timeline": {
        "workspace_id": "shop@laptop", "since": _AT, "until": _SOON, "intervals_cut": False, "next": None, "events": [_EVENT],
        "intervals": [{"status": "active", "condition": "ok", "from": _AT, "to": None}],
    },
    **{f"{_WORKSPACE}/{name}": _OBEYED | {"command": name} for name in ("archive", "unarchive", "forget", "mute", "register", "rename")},
    f"{_WORKSPACE}/restore": _OBEYED | {"command": "unarchive"},
    f"{_WORKSPACE}/unmute": _OBEYED | {"command": "unmute"},
    "/api/v1/engines/{engine}/mute": _OF_ENGINE,
    "/api/v1/engines/{engine}/unmute": _OF_ENGINE | {"command": "unmute"},
    "/api/v1/sync": {"request_id": "5d1c0ffee", "syncs": [_SYNC], "unanswered": [], "failed": []},
    "/api/v1/intervals/{interval}": {"interval": "collect", "seconds": 5.0, "engine": None},
    "/api/v1/as-of": {"time": _AT, "workspaces": [_STATE]},
    "/api/v1/events": {"events": [_EVENT], "next": "MTc2OTg2MDgwMDAwMDAwMDAwMDo0MjrigKY"},
    "/api/v1/events/live": {"events": [_EVENT], "next": "1769860800-1235.0.17.3", "gap": False},
    "/api/v1/summary": {
        "workspaces": 1, "by_status": {"active": 1, "inactive": 0, "archived": 0},
        "by_condition": {"ok": 1, "degraded": 0, "failing": 0, "unknown": 0}, "stale": 0, "containers": 1,
        "running": 1, "by_container_state": {"running": 1}, "engines": 1, "totals": _FIGURES, "averages": _FIGURES,
        "peaks": {name: {"workspace_id": "shop@laptop", "value": value} for name, value in _FIGURES.items()},
    },
    "/api/v1/engines": [
        {
            "id": "8F3C…", "name": "laptop", "workspaces": 1, "containers": 1, "running": 1, "stale": False, "last_sync": _AT,
            "state": "ok",
            "last_listing": _AT, "lag_seconds": 4.2, "silent_since": None, "sync_interval_seconds": 30.0, "listing_seconds": 0.01,
            "problem": None, "error": None, "engine_version": "29.1.0", "api_version": "1.52", "producer_id": "…",
            "producer_host": "laptop", "producer_alive": True,
        },
    ],
    "/api/v1/statistics": {
        "workspaces": 1, "loaded": True, "collect_interval_seconds": 10.0, "sync_interval_seconds": 30.0, "last_sync": _AT,
        "lag": {"wst.workspace.state": 0}, "skipped": 0, "state_changes": 42, "sample_changes": 360, "events": 7,
        "position": "1769860800-1235.0.17.3", "listeners": 2,
    },
    "/api/v1/alerts": {"alerts": [_ALERT], "next": None},
    "/api/v1/trends": {"since": _AT, "until": _SOON, "days": 30, "zone": "UTC", "trends": [_TREND]},
    "/api/v1/top": {"since": _AT, "until": _SOON, "by": "cpu", "source": "hour", "workspaces": [_TOP]},
    "/api/v1/idle": [
        {
            "workspace_id": "shop@laptop", "name": "shop", "verdict": "inactive", "due": _AT, "last_use": _AT,
            "reason": "nobody has used it for 2 d",
        },
    ],
    "/api/v1/query": {
        "meta": [{"name": "one", "type": "UInt8"}], "data": [[1]], "rows": 1,
        "statistics": {"elapsed": 0.001, "rows_read": 1, "bytes_read": 1},
    },
    "/api/v1/export": {
        "migrations": {"0001_tables.sql": "…"}, "epoch": 1, "chunks": [{"table": "samples_rows", "part": "20260131", "rows": 8640}],
    },
    "/api/v1/dead-letters": {"dead_letters": [_LETTER], "next": None},
    "/api/v1/dead-letters/{letter}": _LETTER | {"value_hex": "7b7d0a", "headers_hex": {"wst-type": "66616374"}, "decoded": None},
    "/api/v1/dead-letters/replay": {"replayed": ["1760000000.0.4711"]},
    "/healthz": {"status": "ok", "workspaces": 1, "lag": {"wst.workspace.state": 0}, "parts": []},
    "/readyz": {"ready": True},
}  # fmt: skip
