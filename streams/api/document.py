"""The OpenAPI document: what FastAPI derives from the routes, with the answers that any route may give and an example of each."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

Json = dict[str, Any]

_PROBLEM: Final[Json] = {
    "description": "It cannot be answered: a problem (RFC 9457) that says what is wrong and what to do.",
    "content": {
        "application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": {"type": "about:blank", "title": "no such workspace", "status": 404, "detail": "there is no workspace 'shpo'"},
        }
    },
}
_PROBLEM_SCHEMA: Final[Json] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What kind, always the same for the same kind."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened here, and what to do."},
        "candidates": {"type": "array", "items": {"type": "string"}, "description": "Ids meant by an ambiguous name."},
    },
}

_AT: Final = "2026-01-31T12:00:00.000Z"
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
    "id": "…", "stream": "state", "seq": 42, "type": "status_changed", "workspace_id": "shop@laptop", "timestamp": _AT,
    "message": "shop is inactive: shop-web-1 was stopped", "correction": False, "detection_lag_seconds": None,
    "data": {
        "old_status": "active", "new_status": "inactive", "reason": "shop-web-1 was stopped", "container_id": "4f2a…", "changed_at": _AT,
    },
    "cause": {"topic": "wst.docker.events", "partition": 3, "offset": 1234},
}  # fmt: skip
_FACT: Final[Json] = {"said": "laptop said: shop-web-1 die with exit code 1", "time": _AT, "partition": 3, "offset": 1234}
_ALERT: Final[Json] = {
    "workspace_id": "shop@laptop", "rule": "cpu", "metric": "cpu_percent", "value": 97.0, "threshold": 80.0, "raised_at": _AT,
    "resolved_at": None,
}  # fmt: skip
_FIGURES: Final[Json] = {"cpu_percent": 12.5, "memory_usage": 1048576, "pids": 3}

#: Path → an answer of it, shortened where it goes on in the same way.
EXAMPLES: Final[dict[str, Any]] = {
    "/api/v1/workspaces": [_STATE],
    "/api/v1/workspaces/{workspace}": _STATE,
    "/api/v1/workspaces/{workspace}/containers": [_CONTAINER | {"metrics": _METRICS}],
    "/api/v1/workspaces/{workspace}/history": {
        "workspace_id": "shop@laptop", "since": _AT, "until": "2026-01-31T12:00:10.000Z", "step_seconds": 10.0, "source": "samples",
        "points": [{"start": _AT, "seconds": 10.0, "coverage": 1.0, "cpu_percent_mean": 12.5, "memory_used_bytes_mean": 1048576}],
    },
    "/api/v1/workspaces/{workspace}/usage": {"workspace_id": "shop@laptop", "since": _AT, "until": _AT, "grain": "hour", "windows": []},
    "/api/v1/workspaces/{workspace}/samples": {"workspace_id": "shop@laptop", "since": _AT, "until": _AT, "grain": "sample", "samples": []},
    "/api/v1/workspaces/{workspace}/why": {
        "workspace_id": "shop@laptop", "name": "shop", "at": _AT, "status": "active", "condition": "failing", "status_since": _AT,
        "reason": "shop-web-1 ended unexpectedly: exit code 1",
        "causes": [{"of": "container", "container": "shop-web-1", "facts": [_FACT]}],
        "logs": ["docker logs --since 2026-01-31T11:50:00Z --until 2026-01-31T12:00:01Z shop-web-1"],
    },
    "/api/v1/workspaces/{workspace}/timeline": {
        "workspace_id": "shop@laptop", "since": _AT, "until": _AT, "intervals_cut": False, "next": None, "events": [_EVENT],
        "intervals": [{"status": "active", "condition": "ok", "from": _AT, "to": _AT}],
    },
    "/api/v1/as-of": {"time": _AT, "workspaces": [_STATE]},
    "/api/v1/events": {"events": [_EVENT], "next": "MTc2OTg2MDgwMDAwMDAwMDAwMDo0MjrigKY"},
    "/api/v1/events/live": {"events": [_EVENT], "next": "1769860800-1235.0.17.3", "gap": False},
    "/api/v1/summary": {
        "workspaces": 1, "by_status": {"active": 1, "inactive": 0, "archived": 0}, "by_condition": {"ok": 1}, "stale": 0, "containers": 1,
        "running": 1, "by_container_state": {"running": 1}, "engines": 1, "totals": _FIGURES, "averages": _FIGURES,
        "peaks": {"cpu_percent": {"workspace_id": "shop@laptop", "value": 12.5}},
    },
    "/api/v1/engines": [
        {"id": "8F3C…", "name": "laptop", "workspaces": 1, "containers": 1, "running": 1, "stale": False, "last_sync": _AT},
    ],
    "/api/v1/statistics": {
        "workspaces": 1, "loaded": True, "collect_interval_seconds": 10.0, "sync_interval_seconds": 30.0, "last_sync": _AT,
        "lag": {"wst.workspace.state": 0}, "skipped": 0, "events": 7, "position": "1769860800-1235.0.17.3", "listeners": 2,
    },
    "/api/v1/alerts": {"alerts": [_ALERT]},
    "/healthz": {"status": "ok", "workspaces": 1, "lag": {"wst.workspace.state": 0}, "parts": []},
}  # fmt: skip
#: Answers that are no JSON, or not only.
_KINDS: Final = {
    "/api/v1/query": ("application/json", "text/csv", "application/vnd.apache.parquet"),
    "/api/v1/export/{table}": ("application/vnd.apache.parquet",),
}


def install(app: FastAPI) -> None:
    """Makes the app's document the whole one."""

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, license_info=_LICENSE)
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


_LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _completed(document: Json) -> Json:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "Where one is set: see docs/api.md."}}
    document["security"] = [{}, {"token": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["default"] = _PROBLEM
            _example(path, responses)
    return document


def _example(path: str, responses: Json) -> None:
    good = next((responses[status] for status in ("200", "202") if status in responses), None)
    if good is None:
        return
    if path in _KINDS:
        good["content"] = {kind: {} for kind in _KINDS[path]}
    elif path in EXAMPLES:
        good.setdefault("content", {}).setdefault("application/json", {})["example"] = EXAMPLES[path]
    if path == "/healthz":
        responses["503"] = {"description": "It does not work yet, or not well.", "content": {"application/json": {}}}
