"""Records to rows: pure, column by column, one function per topic. Writing them is `clickhouse.py`'s work.

Names are those of `schemas/clickhouse/0001_tables.sql`; numbers go as they are, in the units of the schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from schemas import topics
from schemas.codec import codec, plain
from schemas.requests import ERASE_HEADER
from schemas.usage_decoder import Sampled, decode_usage, sampled
from streams.core.facts import Position
from streams.keys import check_key
from streams.sinks.block import CAUSE_HEADER, ERASED, LOG, Arrived, Block, PackedBlock, Table, columns_of, forgotten_by
from streams.sinks.usage_rows import check_sampled, check_usage, usage

__all__ = ["CAUSE_HEADER", "TOPICS", "Arrived", "Block", "PackedBlock", "arrived", "blocks", "record_of"]

_DETAILS: Final = ("oom_killed", "error", "restart_count", "cpu_limit_nanocpus", "memory_limit_bytes", "started_at_ns", "finished_at_ns")
_FACT_DEFAULTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("health", "exit_code", "exec_duration_s", "signal", "present", "since_ns", "value", *_DETAILS)),
    **dict.fromkeys(("action", "old_name", "exec_id", "program", "command_hash", "state", "sync_id", "by", "reason"), ""),
    "arguments": {},
}
_NO_CONTAINER: Final[dict[str, Any]] = {"id": "", "name": "", "service": "", "image": "", "grouped_by": "", "labels": {}}
_FACTS: Final = Table(
    "docker_events_rows",
    columns_of(
        "workspace_id", "id", "kind", "action", "workspace_name", "engine_id", "generation", "container_id", "container_name", "service",
        "image", "grouped_by", "labels", "state", "health", "present", "exit_code", "exec_duration_s", "signal", "old_name", "exec_id",
        "program", "command_hash", "sync_id", "oom_killed", "error", "restart_count", "cpu_limit_nanocpus", "memory_limit_bytes", "by",
        "reason", "arguments", "value", "record", *LOG,
        engine="engine_name", at="time_ns", recorded_at="recorded_at_ns", started_at="started_at_ns", finished_at="finished_at_ns",
        since="since_ns",
    ),
)  # fmt: skip


def facts(records: Sequence[Arrived]) -> list[Block]:
    """Rows of `docker.events`."""
    return _FACTS.block(map(_fact, records))


def _fact(one: Arrived) -> dict[str, Any]:
    record = one.record or {}
    kind = record["kind"]
    section = record.get(kind) or {}
    flat = {**_FACT_DEFAULTS, **section, **record}
    container = record["container"] or _NO_CONTAINER
    flat |= {"container_id": container["id"], "container_name": container["name"], "service": container["service"] or ""}
    flat |= {"image": container["image"], "grouped_by": container["grouped_by"], "labels": container["labels"]}
    if kind == "observation":
        flat |= {key: value for key, value in (section.get("inspect") or {}).items() if value is not None}
        flat["action"] = section.get("source", "")
    elif kind in ("command", "notice"):
        flat |= {"action": section.get("name", ""), "reason": section.get("why", section.get("reason", ""))}
    for text in ("health", "old_name", "exec_id", "program", "command_hash", "state", "error"):
        flat[text] = flat[text] or ""
    return flat | {"record": one.value} | dict(zip(LOG, one.position, strict=True))


_TEXTS_OF_STATE: Final = ("workspace_name", "status", "condition", "reason", "last_error", "container_id", "container_state")
_FORGOTTEN: Final[dict[str, Any]] = {
    **dict.fromkeys(_TEXTS_OF_STATE, ""),
    **dict.fromkeys(("running", "total", "status_since_ns", "seq", "sync_attempts", "error_count"), 0),
    **dict.fromkeys(("stale", "ephemeral"), False),
    **dict.fromkeys(("last_sync_ns", "last_error_at_ns", "last_activity_ns")),
    "labels": {},
    "containers": [],
}
_CONTAINER_TEXTS: Final = ("id", "name", "service", "image", "engine", "state", "health")
_CONTAINER_NUMBERS: Final = ("exit_code", "oom_killed", "restart_count")
_STATE_COLUMNS: Final = columns_of(
    "workspace_id", "forgotten", "workspace_name", "status", "condition", "running", "total", "reason", "stale", "ephemeral", "seq",
    "sync_attempts", "last_error", "error_count", "labels", "container_id", "container_state", "record", *LOG,
    *(f"containers.{name}" for name in (*_CONTAINER_TEXTS, *_CONTAINER_NUMBERS)),
    status_since="status_since_ns", last_updated="last_updated_ns", last_sync="last_sync_ns", last_error_at="last_error_at_ns",
    last_activity="last_activity_ns",
)  # fmt: skip
_STATES: Final = Table("workspace_states_rows", _STATE_COLUMNS)


_ERASED: Final = Table(ERASED, columns_of("workspace_id", "rest", *LOG, at="at_ms"))


def states(records: Sequence[Arrived]) -> list[Block]:
    """Rows of `workspace.state`: each for the history, and each for the latest, where the highest position wins."""
    erased = _ERASED.block(map(_erasure, (one for one in records if ERASE_HEADER in one.headers)))
    history = _STATES.block(map(_state, (one for one in records if ERASE_HEADER not in one.headers)))
    return [*erased, *history, *(Block("workspaces_rows", block.names, block.columns) for block in history)]


def _erasure(one: Arrived) -> dict[str, Any]:
    told = {"workspace_id": _key_text(one), "rest": one.headers[ERASE_HEADER], "at_ms": one.timestamp_ms}
    return told | dict(zip(LOG, one.folded, strict=True))


def _key_text(one: Arrived) -> str:
    return (one.key or b"").decode("utf-8", "replace")


def _state(one: Arrived) -> dict[str, Any]:
    # Of a tombstone only its own timestamp says when.
    told_ns = {"workspace_id": _key_text(one), "last_updated_ns": one.timestamp_ms * 10**6}
    record = one.record or {**_FORGOTTEN, **told_ns}
    containers = record["containers"]
    nested: dict[str, Any] = {f"containers.{name}": [c[name] or "" for c in containers] for name in _CONTAINER_TEXTS}
    nested |= {f"containers.{name}": [c[name] for c in containers] for name in _CONTAINER_NUMBERS}
    texts = {name: record[name] or "" for name in _TEXTS_OF_STATE}
    own = {"forgotten": int(one.record is None), "record": one.value or b""}
    return record | texts | nested | own | dict(zip(LOG, one.folded, strict=True))


_EVENT_DEFAULTS: Final[dict[str, Any]] = {
    **dict.fromkeys(
        ("changed_at_ns", "exit_code", "retry_count", "downtime_ms", "workspace_count", "container_count", "success_count", "error_count",
         "duration_ms", "corrections", "value", "threshold", "since_ns")
    ),
    **dict.fromkeys(
        ("container_id", "container_name", "old_status", "new_status", "reason", "old_state", "new_state", "health", "error", "code",
         "resolved_error", "recovery_method", "sync_id", "engine", "request_id", "rule", "metric", "dedup_key"), ""
    ),
    **{name: {} for name in ("context", "old_metrics", "new_metrics", "delta", "labels")},
}  # fmt: skip
_NO_CAUSE: Final = {"topic": "", "epoch": 0, "partition": -1, "offset": -1}
_SECTION_OF: Final = {"sync_start": "sync", "sync_complete": "sync", "alert_raised": "alert", "alert_resolved": "alert"}
_CHANGES: Final = Table(
    "workspace_changes_rows",
    columns_of(
        "subject", "stream", "seq", "id", "type", "workspace_id", "engine_id", "message", "correction", "detection_lag_ms",
        "cause_topic", "cause_epoch", "cause_partition", "cause_offset", "record", *LOG,
        *(name for name in _EVENT_DEFAULTS if not name.endswith("_ns")),
        at="timestamp_ns", changed_at="changed_at_ns", since="since_ns",
    ),
)  # fmt: skip


def changes(records: Sequence[Arrived]) -> list[Block]:
    """Rows of `workspace.changes`."""
    return _CHANGES.block(map(_change, records))


def _change(one: Arrived) -> dict[str, Any]:
    record = one.record or {}
    kind = record["type"]
    section = record.get(_SECTION_OF.get(kind, kind)) or {}
    flat = {**record, **_EVENT_DEFAULTS, **section}
    for text in ("container_id", "old_state", "health"):
        flat[text] = flat[text] or ""
    flat |= {"workspace_id": record["workspace_id"] or "", "subject": about(topics.WORKSPACE_CHANGES.name, record), "record": one.value}
    flat |= {f"cause_{name}": value for name, value in (record["cause"] or _NO_CAUSE).items()}
    return flat | dict(zip(LOG, one.position, strict=True))


_DEAD: Final = Table(
    "dead_letters_rows",
    columns_of(
        "topic", "stage", "id", "code", "reason", "key", "value", "headers", *LOG,
        origin_epoch="epoch", origin_partition="partition", origin_offset="offset", refused_at="refused_at_ns", value_bytes="value_size",
    ),
)  # fmt: skip


def dead_letters(records: Sequence[Arrived]) -> list[Block]:
    """Rows of `dead.letters`."""
    return _DEAD.block(map(_dead_letter, records))


def _dead_letter(one: Arrived) -> dict[str, Any]:
    record = one.record or {}
    identity = ""
    if record["partition"] < 0:
        own = ".".join(map(str, one.position))
        identity = one.headers.get("wst-id", own.encode()).decode("utf-8", "replace")
    flat = record | {"key": record["key"] or b"", "value": record["value"] or b"", "id": identity}
    return flat | dict(zip(LOG, one.position, strict=True))


def about(topic: str, record: Mapping[str, Any]) -> str:
    """Whom a record is about, which is its key: a workspace, or the engine of a sync event."""
    subject: str = record["workspace_id"] or (record["engine_id"] if topic == topics.WORKSPACE_CHANGES.name else "")
    return subject


def arrived(
    topic: str, position: Position, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]], timestamp_ms: int
) -> Arrived:
    """Decodes a record and makes sure that it has rows.

    Args:
        topic: name without the prefix, one of `TOPICS`.

    Raises:
        Undecodable: bytes that are no record of the topic.
        InvalidMessage: a record under the key of another, or one that says nothing the archive can keep.
    """
    if value is None and topic == topics.WORKSPACE_STATE.name:
        one = Arrived(position, key, None, dict(headers), timestamp_ms, None)
        forgotten_by(one)
        return one
    if topic == topics.WORKSPACE_USAGE.name:
        return _usage(position, key, value, headers, timestamp_ms)
    record = codec(topics.BY_NAME[topic].subject).decode(value)
    # A dead letter lies under the key of what was refused.
    if topic != topics.DEAD_LETTERS.name:
        check_key(key, about(topic, record))
    # The archive is read without a registry.
    return Arrived(position, key, plain(value), dict(headers), timestamp_ms, record)


def _usage(position: Position, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]], timestamp_ms: int) -> Arrived:
    decoded = decode_usage(key, value)
    if isinstance(decoded, Sampled):
        record, told = None, decoded
    else:
        record, told = decoded, sampled(decoded)
        check_usage(record)
    check_key(key, told.whose.workspace_id)
    check_sampled(told)
    return Arrived(position, key, plain(value), dict(headers), timestamp_ms, record, told)


def record_of(topic: str, key: bytes | None, value: bytes | None) -> dict[str, Any]:
    """A record whole, samples too, for who has no use for rows; checked as `arrived` checks it. No tombstone.

    Raises:
        Undecodable: bytes that are no record of the topic.
        InvalidMessage: a record under the key of another, or one that says nothing that can be used.
    """
    record = codec(topics.BY_NAME[topic].subject).decode(value)
    check_key(key, about(topic, record))
    if topic == topics.WORKSPACE_USAGE.name:
        check_usage(record)
        check_sampled(sampled(record))
    return record


_ROWS: Final[Mapping[str, Callable[[Sequence[Arrived]], list[Block]]]] = {
    topics.DOCKER_EVENTS.name: facts,
    topics.WORKSPACE_STATE.name: states,
    topics.WORKSPACE_CHANGES.name: changes,
    topics.WORKSPACE_USAGE.name: usage,
    topics.DEAD_LETTERS.name: dead_letters,
}
#: Topics that have rows, by name without the prefix.
TOPICS: Final = tuple(_ROWS)


def blocks(topic: str, records: Sequence[Arrived]) -> list[Block]:
    """The rows of one topic's records; total for what `arrived` let through."""
    return _ROWS[topic](records)
