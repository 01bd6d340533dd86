"""Changes: what a fold tells everyone downstream, numbered per workspace, and their record for schemas/avro/event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.core.facts import Position

STREAM: Final = "state"


class StatusChanged(NamedTuple):
    """A workspace's status became another."""

    old_status: str
    new_status: str
    reason: str
    container_id: str | None
    changed_at_ns: int


class ContainerUpdate(NamedTuple):
    """A container's state or health became another; `old_state` None: it is new to the workspace."""

    container_id: str
    container_name: str
    old_state: str | None
    new_state: str
    updated_at_ns: int
    exit_code: int | None
    health: str | None


class ErrorDetail(NamedTuple):
    """Something went wrong; `code` is for programs. The context is untrusted."""

    error: str
    code: str
    retry_count: int
    occurred_at_ns: int
    context: Mapping[str, str]


class Recovery(NamedTuple):
    """An error is over; it lasted `downtime_ms`."""

    resolved_error: str
    recovery_method: str
    recovered_at_ns: int
    downtime_ms: int


class Alert(NamedTuple):
    """Something that someone should know, from raise to resolve one episode; `dedup_key` is the same in both. Labels are untrusted."""

    rule: str
    metric: str
    value: float
    threshold: float
    since_ns: int
    container_id: str | None
    labels: Mapping[str, str]
    dedup_key: str
    raised: bool
    """Else it is resolved: told by the event's type, not in the record."""


Detail = StatusChanged | ContainerUpdate | ErrorDetail | Recovery | Alert

_TYPES: Final[Mapping[type, str]] = {
    StatusChanged: "status_changed",
    ContainerUpdate: "container_update",
    ErrorDetail: "error",
    Recovery: "recovery",
}


def type_of(detail: Detail) -> str:
    """Event type of the interface."""
    if isinstance(detail, Alert):
        return "alert_raised" if detail.raised else "alert_resolved"
    return _TYPES[type(detail)]


def section_of(detail: Detail) -> tuple[str, dict[str, Any]]:
    """Name and content of an Event record's section."""
    content = detail._asdict()
    if isinstance(detail, Alert):
        del content["raised"]
        return "alert", content
    return type_of(detail), content


class Change(NamedTuple):
    """One change of a workspace: `seq` numbers them per workspace from 1, without gaps.

    `correction`: a sync found it, the engine's event was missed; then `detection_lag_ms` is how long ago it happened at most.
    """

    workspace_id: str
    seq: int
    engine_id: str
    timestamp_ns: int
    message: str
    detail: Detail
    position: Position
    correction: bool = False
    detection_lag_ms: int | None = None

    @property
    def type(self) -> str:
        """Event type of the interface."""
        return type_of(self.detail)

    @property
    def id(self) -> str:
        """The same for the same change, however often its fact is folded."""
        return f"{STREAM}.{self.position.epoch}.{self.seq}.{self.workspace_id}"


def to_record(change: Change, topic: str) -> dict[str, Any]:
    """The Event record of a change.

    Args:
        change: what happened.
        topic: full name of the topic of the fact that caused it.
    """
    section, content = section_of(change.detail)
    return {
        "type": change.type,
        "id": change.id,
        "stream": STREAM,
        "seq": change.seq,
        "workspace_id": change.workspace_id,
        "engine_id": change.engine_id,
        "timestamp_ns": change.timestamp_ns,
        "message": change.message,
        "correction": change.correction,
        "detection_lag_ms": change.detection_lag_ms,
        "cause": {"topic": topic, **change.position._asdict()},
        section: content,
    }
