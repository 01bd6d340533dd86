"""Metrics of workspaces, containers and engines, as the API knows them."""

from __future__ import annotations

from typing import Final

from schemas.metrics.declared import declare

_LOOK: Final = "-"
_W: Final = "workspace"
_C: Final = "workspace engine container container_id"
_E: Final = "engine engine_id"

#: Stands for all workspaces beyond the limit; no id of a workspace has such signs.
OTHERS: Final = "(others)"

WORKSPACES = declare("wst_workspaces", "gauge", "", "Workspaces by status.", _LOOK, "status")
WORKSPACES_BY_CONDITION = declare(
    "wst_workspaces_by_condition",
    "gauge",
    "",
    "Workspaces by condition.",
    "`wst status` shows what is failing first, `wst why` why",
    "condition",
)
WORKSPACES_STALE = declare(
    "wst_workspaces_stale", "gauge", "", "Workspaces of which nothing is known now.", "their engine is silent: `wst engines`"
)
LEFT_OUT = declare(
    "wst_metrics_left_out", "gauge", "", "Beyond the limits: workspaces shown together as (others), containers and engines not shown.",
    "raise WST_METRICS_WORKSPACES or WST_METRICS_CONTAINERS, if Prometheus can bear the series", "kind",
)  # fmt: skip
ALERTS = declare(
    "wst_alerts",
    "gauge",
    "",
    "Alerts that last, by rule.",
    "`wst alerts` says which container, since when, and the value",
    "workspace engine_id rule",
)

INFO = declare("wst_workspace_info", "gauge", "", "Always 1; the name people know the workspace by.", _LOOK, "workspace name")
STATUS = declare("wst_workspace_status", "gauge", "", "1 for the status it has, 0 for the others.", _LOOK, "workspace status")
CONDITION = declare(
    "wst_workspace_condition", "gauge", "", "1 for the condition it is in, 0 for the others.", "`wst why WORKSPACE`", "workspace condition"
)
STALE = declare("wst_workspace_stale", "gauge", "", "1 while nothing is known of it, as its engine is silent.", "`wst engines`", _W)
STATUS_SINCE = declare("wst_workspace_status_since_timestamp_seconds", "gauge", "s", "When it came to its status.", _LOOK, _W)
LAST_ACTIVITY = declare(
    "wst_workspace_last_activity_timestamp_seconds", "gauge", "s", "When somebody last used it.", "`wst idle --dry-run`", _W
)
CONTAINERS = declare("wst_workspace_containers", "gauge", "", "Containers it has.", _LOOK, _W)
RUNNING = declare("wst_workspace_containers_running", "gauge", "", "Containers of it that run.", "`wst why WORKSPACE`", _W)
ERRORS = declare("wst_workspace_errors_total", "counter", "", "Errors told of it.", "`wst events --workspace WORKSPACE --type error`", _W)
CPU = declare(
    "wst_workspace_cpu_usage_cores", "gauge", "cores", "CPU its running containers use.", "`wst history WORKSPACE --metric cpu`", _W
)
MEMORY = declare(
    "wst_workspace_memory_used_bytes",
    "gauge",
    "bytes",
    "Memory they use, as `docker stats` counts it.",
    "`wst history WORKSPACE --metric memory`",
    _W,
)
MEMORY_LIMIT = declare("wst_workspace_memory_limit_bytes", "gauge", "bytes", "Memory they may use.", _LOOK, _W)
RECEIVE = declare(
    "wst_workspace_network_receive_bytes_per_second",
    "gauge",
    "bytes/s",
    "Received over the last interval.",
    "`wst history WORKSPACE --metric network`",
    _W,
)
TRANSMIT = declare(
    "wst_workspace_network_transmit_bytes_per_second",
    "gauge",
    "bytes/s",
    "Sent over the last interval.",
    "`wst history WORKSPACE --metric network`",
    _W,
)
DISK_READ = declare(
    "wst_workspace_disk_read_bytes_per_second",
    "gauge",
    "bytes/s",
    "Read from disks over the last interval.",
    "`wst history WORKSPACE --metric disk`",
    _W,
)
DISK_WRITE = declare(
    "wst_workspace_disk_write_bytes_per_second",
    "gauge",
    "bytes/s",
    "Written to disks over the last interval.",
    "`wst history WORKSPACE --metric disk`",
    _W,
)
PIDS = declare("wst_workspace_pids", "gauge", "", "Processes and threads in its running containers.", _LOOK, _W)
SAMPLED = declare(
    "wst_workspace_sampled_timestamp_seconds", "gauge", "s", "Time of its newest sample.", "`wst doctor`: the producer, or a worker", _W
)

C_INFO = declare("wst_container_info", "gauge", "", "Always 1; service and image.", _LOOK, f"{_C} service image")
C_STATE = declare("wst_container_state", "gauge", "", "1, with the state it is in.", "`wst why WORKSPACE`", f"{_C} state")
C_HEALTHY = declare(
    "wst_container_healthy",
    "gauge",
    "",
    "1 while its health check succeeds, 0 otherwise; absent without one.",
    "`docker inspect` shows what the check said",
    _C,
)
C_RESTARTS = declare(
    "wst_container_restarts_total",
    "counter",
    "",
    "Restarts by its restart policy; begins anew when it is started by hand.",
    "a crash loop: `wst why WORKSPACE`",
    _C,
)
C_CPU = declare("wst_container_cpu_usage_cores", "gauge", "cores", "CPU used over the last interval.", "`wst top --by cpu`", _C)
C_CPU_LIMIT = declare("wst_container_cpu_limit_cores", "gauge", "cores", "CPU it may use; absent without a limit.", _LOOK, _C)
C_THROTTLED = declare(
    "wst_container_cpu_throttled_ratio",
    "gauge",
    "0 to 1",
    "Part of the last interval in which it was held back by its limit, over its threads.",
    "raise its CPU limit",
    _C,
)
C_MEMORY = declare(
    "wst_container_memory_used_bytes", "gauge", "bytes", "Memory it uses, as `docker stats` counts it.", "`wst top --by memory`", _C
)
C_MEMORY_LIMIT = declare("wst_container_memory_limit_bytes", "gauge", "bytes", "Memory it may use; its host's without a limit.", _LOOK, _C)
C_RECEIVE = declare(
    "wst_container_network_receive_bytes_total",
    "counter",
    "bytes",
    "Received; the same for containers that share a network.",
    "`wst top --by network`",
    _C,
)
C_TRANSMIT = declare(
    "wst_container_network_transmit_bytes_total",
    "counter",
    "bytes",
    "Sent; the same for containers that share a network.",
    "`wst top --by network`",
    _C,
)
C_DISK_READ = declare("wst_container_disk_read_bytes_total", "counter", "bytes", "Read from disks.", "`wst top --by disk`", _C)
C_DISK_WRITE = declare("wst_container_disk_write_bytes_total", "counter", "bytes", "Written to disks.", "`wst top --by disk`", _C)
C_PIDS = declare("wst_container_pids", "gauge", "", "Processes and threads in it.", _LOOK, _C)

ENGINE_UP = declare(
    "wst_engine_up", "gauge", "", "1 while the engine is listed, 0 when it fails or is silent.", "docs/troubleshooting.md#engine-silent", _E
)
ENGINE_PRODUCER = declare(
    "wst_engine_producer_up", "gauge", "", "1 while its producer says that it lives.", "docs/troubleshooting.md#engine-silent", _E
)
ENGINE_LISTED = declare(
    "wst_engine_last_listing_timestamp_seconds", "gauge", "s", "When it was last listed.", "docs/troubleshooting.md#engine-silent", _E
)
ENGINE_LISTING = declare(
    "wst_engine_listing_seconds", "gauge", "s", "How long its last listing took.", "a slow engine: `docker info`, its host's load", _E
)
ENGINE_INTERVAL = declare("wst_engine_sync_interval_seconds", "gauge", "s", "Between two listings.", "`wst set sync-interval`", _E)
ENGINE_WORKSPACES = declare("wst_engine_workspaces", "gauge", "", "Workspaces that have containers on it.", _LOOK, _E)
ENGINE_CONTAINERS = declare("wst_engine_containers", "gauge", "", "Containers on it.", _LOOK, _E)
ENGINE_RUNNING = declare("wst_engine_containers_running", "gauge", "", "Containers on it that run.", _LOOK, _E)
