"""The JSON shapes that users' programs are written against."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import codec
from streams.query.metrics import Metrics
from streams.query.present import event_json, state_json, time_text
from tests.sinks import records
from tests.sinks.records import HOSTILE, position

AT_NS = 1_769_860_800_123_456_789
AT = "2026-01-31T12:00:00.123Z"


def whole(subject: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with all fields, as a reader gets it."""
    return codec(subject).decode(codec(subject).encode(record))


def test_a_state_has_the_shape_of_the_interface() -> None:
    container = records.container_state("c1", "exited", exit_code=3, exit_reason="exit code 3", started_at_ns=AT_NS, finished_at_ns=None)
    record = records.state(
        at=position(1), status_since_ns=AT_NS, last_updated_ns=AT_NS, last_sync_ns=AT_NS, last_activity_ns=AT_NS, error_count=2, seq=42,
        last_error_at_ns=AT_NS, containers=[container], labels={"team": "x"},
    )  # fmt: skip
    metrics = Metrics(
        cpu_percent=12.5, memory_used_bytes=1_048_576, memory_limit_bytes=2_147_483_648, memory_percent=0.049,
        network_rx_total_bytes=1_572_864, network_tx_total_bytes=209_715, pids=3, uptime_seconds=3600, sampled_at_ns=AT_NS,
    )  # fmt: skip
    assert state_json(whole("state", record), metrics) == {
        "workspace_id": "shop@laptop",
        "name": "shop",
        "status": "active",
        "condition": "ok",
        "running": 1,
        "total": 1,
        "status_since": AT,
        "reason": "web-1 runs",
        "stale": False,
        "ephemeral": False,
        "idle_since": None,
        "muted_until": None,
        "seq": 42,
        "last_updated": AT,
        "last_sync": AT,
        "sync_attempts": 0,
        "last_error": None,
        "labels": {"team": "x"},
        "container_id": "c1",
        "container_state": "running",
        "containers": [
            {
                "id": "c1",
                "name": "web-1",
                "service": "web",
                "image": "img:1",
                "engine": "laptop",
                "state": "exited",
                "health": None,
                "exit_code": 3,
                "exit_reason": "exit code 3",
                "error": None,
                "oom_killed": False,
                "stop_requested": False,
                "restart_count": 0,
                "started_at": AT,
                "finished_at": None,
            }
        ],
        "metrics": {
            "cpu_percent": 12.5,
            "cpu_percent_of_limit": None,
            "cpu_limit_cores": None,
            "memory_usage": 1_048_576,
            "memory_limit": 2_147_483_648,
            "memory_percent": 0.049,
            "network_rx_bytes_total": 1_572_864,
            "network_tx_bytes_total": 209_715,
            "network_rx_bytes_per_second": None,
            "network_tx_bytes_per_second": None,
            "network_rx_mb": 1.5,
            "network_tx_mb": 0.2,
            "block_read_bytes_total": None,
            "block_write_bytes_total": None,
            "pids": 3,
            "uptime_seconds": 3600,
            "last_activity": AT,
            "error_count": 2,
            "last_error_time": AT,
            "sampled_at": AT,
        },
    }


def test_without_samples_the_metrics_are_null_but_what_the_state_knows() -> None:
    metrics = state_json(whole("state", records.state(error_count=1)))["metrics"]
    assert {name: value for name, value in metrics.items() if value is not None} == {"error_count": 1}


EVENTS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "status_changed",
        "status_changed",
        {"old_status": "inactive", "new_status": "active", "reason": "r", "container_id": "c1", "changed_at_ns": AT_NS},
        {"old_status": "inactive", "new_status": "active", "reason": "r", "container_id": "c1", "changed_at": AT},
    ),
    (
        "container_update",
        "container_update",
        {"container_id": "c1", "container_name": "web-1", "new_state": "exited", "updated_at_ns": AT_NS, "exit_code": 137},
        {
            "container_id": "c1", "container_name": "web-1", "old_state": None, "new_state": "exited", "updated_at": AT, "exit_code": 137,
            "health": None,
        },
    ),
    (
        "error",
        "error",
        {"error": "e", "code": "oom", "retry_count": 3, "occurred_at_ns": AT_NS, "context": {"a": "b"}},
        {"error": "e", "code": "oom", "retry_count": 3, "occurred_at": AT, "context": {"a": "b"}},
    ),
    (
        "recovery",
        "recovery",
        {"resolved_error": "oom", "recovery_method": "restart", "recovered_at_ns": AT_NS, "downtime_ms": 1500},
        {"resolved_error": "oom", "recovery_method": "restart", "recovered_at": AT, "downtime_seconds": 1.5},
    ),
    (
        "metrics_update",
        "metrics_update",
        {"old_metrics": {"cpu_percent": 1.0}, "new_metrics": {"cpu_percent": 3.0}, "delta": {"cpu_percent": 2.0}, "updated_at_ns": AT_NS},
        {"old_metrics": {"cpu_percent": 1.0}, "new_metrics": {"cpu_percent": 3.0}, "delta": {"cpu_percent": 2.0}, "updated_at": AT},
    ),
    (
        "sync_complete",
        "sync",
        {"sync_id": "s", "engine": "laptop", "workspace_count": 2, "success_count": 2, "duration_ms": 250, "corrections": 1},
        {
            "sync_id": "s", "engine": "laptop", "request_id": "", "workspace_count": 2, "container_count": 0, "success_count": 2,
            "error_count": 0, "duration_seconds": 0.25, "corrections": 1,
        },
    ),
    (
        "alert_raised",
        "alert",
        {"rule": "cpu", "metric": "cpu_percent", "value": 93.5, "threshold": 80.0, "since_ns": AT_NS, "labels": {"a": "b"}},
        {
            "rule": "cpu", "metric": "cpu_percent", "value": 93.5, "threshold": 80.0, "since": AT, "container_id": None,
            "labels": {"a": "b"}, "dedup_key": "",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "section", "told", "shown"), EVENTS, ids=[event[0] for event in EVENTS])
def test_an_event_has_the_shape_of_the_interface(kind: str, section: str, told: dict[str, Any], shown: dict[str, Any]) -> None:
    sync = section == "sync"
    record = records.event(
        42, None if sync else "shop@laptop", kind, AT_NS, **{section: told, "detection_lag_ms": 1500, "correction": True}
    )
    assert event_json(whole("event", record)) == {
        "id": record["id"],
        "stream": "state",
        "seq": 42,
        "type": kind,
        "workspace_id": None if sync else "shop@laptop",
        "engine_id": "E1",
        "timestamp": AT,
        "message": "something happened",
        "correction": True,
        "detection_lag_seconds": 1.5,
        "data": shown,
        "cause": {"topic": "wst.docker.events", "partition": 0, "offset": 420},
    }


def test_an_event_of_a_later_version_is_shown_without_data() -> None:
    shown = event_json(whole("event", records.event(kind="UNKNOWN", cause=None)))
    assert (shown["type"], shown["data"], shown["cause"]) == ("unknown", {}, None)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_of_64_bits_is_a_text_or_null(ns: int) -> None:
    text = time_text(ns)
    assert (text is None) == (ns <= 0)
    assert text is None or (len(text) == 24 and text.endswith("Z"))


def test_hostile_names_stay_values_of_json() -> None:
    shown = state_json(whole("state", records.state(HOSTILE, workspace_name=HOSTILE, labels={HOSTILE: HOSTILE}, reason=HOSTILE)))
    assert json.loads(json.dumps(shown)) == shown
    assert shown["name"] == HOSTILE
