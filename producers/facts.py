"""Records of the topics, from what the producer saw. Pure: every time is an argument."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from producers.engine_json import InvalidMessage, Json, redacted
from producers.record import Happened, Who
from schemas import topics
from schemas.dead_letters import RefusedRecord, dead_letter
from schemas.identity import event_fact_id, fact_id, observation_fact_id
from schemas.publish import Record, make_record

#: Containers in one message of a listing or a tick.
MAX_CONTAINERS: Final = 200
_MAX_PART_BYTES: Final = 400_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from.

    Attributes:
        prefix: of all topics.
        producer_id: remembered in the data directory.
    """

    prefix: str
    engine_id: str
    engine_name: str
    producer_id: str


@dataclass(frozen=True, slots=True)
class At:
    """When: the engine's clock generation and time, and the writer's own clock, ns since the Unix epoch."""

    generation: int
    time_ns: int
    recorded_at_ns: int


def _fact(origin: Origin, at: At, who: Who, workspace_name: str, fact: str, kind: str, section: Json) -> Record:
    value = {
        "kind": kind,
        "id": fact,
        "workspace_id": who.identity.workspace_id,
        "workspace_name": workspace_name,
        "engine_id": origin.engine_id,
        "engine_name": origin.engine_name,
        "generation": at.generation,
        "time_ns": at.time_ns,
        "recorded_at_ns": at.recorded_at_ns,
        "container": who.container,
        kind: section,
    }
    return make_record(
        topics.DOCKER_EVENTS,
        origin.prefix,
        who.identity.workspace_id,
        value,
        kind=kind,
        record_id=fact,
        timestamp_ms=at.recorded_at_ns // 1_000_000,
    )


def event_fact(origin: Origin, at: At, happened: Happened, workspace_name: str) -> Record:
    """The fact of one container event."""
    detail = happened.detail
    fact = event_fact_id(
        origin.engine_id, at.generation, at.time_ns, detail["action"], happened.who.container["id"], detail["exec_id"] or ""
    )
    return _fact(origin, at, happened.who, workspace_name, fact, "engine_event", detail)


def details_fact(origin: Origin, at: At, who: Who, workspace_name: str, inspect: Json) -> Record:
    """What an inspect after an event showed; it judges no state, as it may lie ahead of the events."""
    section = {"source": "inspect", "present": True, "state": None, "health": None, "inspect": inspect}
    return _observation(origin, at, who, workspace_name, "inspect", section)


def presence_fact(origin: Origin, at: At, who: Who, workspace_name: str, state: str | None, *, present: bool) -> Record:
    """The container left the workspace or joined it in that state: it was renamed."""
    section = {"source": "listing", "present": present, "state": state, "health": None, "inspect": None}
    return _observation(origin, at, who, workspace_name, "listing", section)


def _observation(origin: Origin, at: At, who: Who, workspace_name: str, source: str, section: Json) -> Record:
    container_id, workspace_id = who.container["id"], who.identity.workspace_id
    fact = observation_fact_id(origin.engine_id, at.generation, at.time_ns, container_id, source, workspace_id)
    return _fact(origin, at, who, workspace_name, fact, "observation", {"sync_id": "", **section})


def parts_of(items: Sequence[Json]) -> list[list[Json]]:
    """Cuts a listing or a tick into messages: at most 200 containers, and far below the largest record; never none."""
    parts: list[list[Json]] = [[]]
    size = 0
    for item in items:
        item_bytes = 400 + len(str(item.get("container") or item.get("container_name") or ""))
        if len(parts[-1]) >= MAX_CONTAINERS or size + item_bytes > _MAX_PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += item_bytes
    return parts


def snapshot_records(origin: Origin, at: At, header: Json, entries: Sequence[Json]) -> list[Record]:
    """One listing as numbered parts.

    Args:
        at: `time_ns` is the engine's time taken before the listing.
        header: the fields of Snapshot that describe the sync.
    """
    parts = parts_of(entries)
    common = _of_snapshot(origin, at) | header | {"parts": len(parts)}
    return [_snapshot(origin, common | {"part": number, "containers": part}) for number, part in enumerate(parts)]


def no_listing_record(origin: Origin, at: At, outcome: str, why: Json) -> Record:
    """Why there is no listing: it goes the way of listings, so that both have one order.

    Args:
        outcome: symbol of the schema's enum SyncOutcome.
        why: the fields of Snapshot that say it.
    """
    never_whole = {"part": 0, "parts": 2, "containers": []}
    return _snapshot(origin, _of_snapshot(origin, at) | why | {"outcome": outcome} | never_whole)


def _of_snapshot(origin: Origin, at: At) -> Json:
    return {
        "snapshot_id": fact_id("snapshot", origin.engine_id, at.generation, at.time_ns, origin.producer_id, at.recorded_at_ns),
        "engine_id": origin.engine_id,
        "engine_name": origin.engine_name,
        "producer_id": origin.producer_id,
        "generation": at.generation,
        "listed_at_ns": at.time_ns,
        "recorded_at_ns": at.recorded_at_ns,
    }


def _snapshot(origin: Origin, value: Json) -> Record:
    return make_record(
        topics.DOCKER_SNAPSHOTS,
        origin.prefix,
        origin.engine_id,
        value,
        kind="snapshot",
        record_id=f"{value['snapshot_id']}.{value['part']}",
        timestamp_ms=value["recorded_at_ns"] // 1_000_000,
    )


def tick_records(origin: Origin, at: At, header: Json, who: Who, workspace_name: str, samples: Sequence[Json]) -> list[Record]:
    """One workspace's samples of one tick.

    Args:
        at: `time_ns` is the tick's scheduled instant on the producer's clock.
    """
    workspace_id = who.identity.workspace_id
    parts = parts_of(samples)
    common = {
        "workspace_id": workspace_id,
        "workspace_name": workspace_name,
        "engine_id": origin.engine_id,
        "engine_name": origin.engine_name,
        "generation": at.generation,
        "tick_at_ns": at.time_ns,
        "parts": len(parts),
        "labels": {key: value for key, value in who.container["labels"].items() if key.startswith("workspace.")},
    }
    return [
        make_record(
            topics.DOCKER_STATS,
            origin.prefix,
            workspace_id,
            common | header | {"part": number, "samples": part},
            kind="stats_tick",
            record_id=fact_id("tick", origin.engine_id, workspace_id, at.time_ns, number),
            timestamp_ms=at.recorded_at_ns // 1_000_000,
        )
        for number, part in enumerate(parts)
    ]


def dead_letter_of_answer(prefix: str, key: str, source: str, raw: object, error: InvalidMessage, now_ns: int) -> Record:
    """An answer of the engine that is at fault: its shape without its words, as any of them may be a secret."""
    value = json.dumps(redacted(raw), ensure_ascii=True).encode()
    return _refuse(prefix, RefusedRecord(key.encode(), value), f"{source}: {error.reason}", error.code, now_ns)


def _refuse(prefix: str, refused: RefusedRecord, reason: str, code: str, now_ns: int) -> Record:
    letter_id = fact_id("dead_letter", reason, now_ns)
    return dead_letter(prefix, refused, stage="producer", code=code, reason=reason, record_id=letter_id, refused_at_ns=now_ns)


def too_large(prefix: str, record: Record) -> Record:
    """The dead letter of a record that no topic takes."""
    reason = f"the record has {record.size} bytes, more than the topic takes"
    refused = RefusedRecord(record.key, record.value, record.topic)
    return _refuse(prefix, refused, reason, "too_large", record.timestamp_ms * 1_000_000)


def fitting(prefix: str, record: Record) -> Record:
    """The record, or its dead letter where it is larger than any topic takes."""
    return record if record.size <= topics.MAX_RECORD_BYTES else too_large(prefix, record)
