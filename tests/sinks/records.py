"""Made-up records of every topic, whole and encoded, as a consumer gets them."""

from __future__ import annotations

import time
from typing import Any

from schemas import topics
from schemas.codec import codec
from streams.core import samples
from streams.core.facts import Position
from streams.sinks.rows import CAUSE_HEADER, Arrived, Block, about, arrived, blocks

#: An hour of yesterday: what is older than the tables keep would vanish.
T0_NS = (int(time.time()) - 86_400) // 3_600 * 3_600 * 10**9
HOSTILE = "a'b\"c\\d`e\n\t\r\x00\x1b[31m<script>{x:String}%s$$;--ü한🙂"


def position(offset: int, epoch: int = 1, partition: int = 0) -> Position:
    return Position(epoch, partition, offset)


def arrive(
    topic: topics.Topic, record: dict[str, Any] | None, at: Position, key: str | None = None, headers: tuple[tuple[str, bytes], ...] = ()
) -> Arrived:
    """What the consumer makes of a record: encoded and decoded again; its key is whom it is about, unless given."""
    value = None if record is None else codec(topic.subject).encode(record)
    if key is None:
        key = about(topic.name, record) if record is not None and topic is not topics.DEAD_LETTERS else ""
    return arrived(topic.name, at, key.encode(), value, headers, T0_NS // 10**6)


def rows_of(topic: topics.Topic, *arrivals: Arrived) -> list[Block]:
    return blocks(topic.name, arrivals)


def container(container_id: str = "c1", name: str = "web-1", **more: Any) -> dict[str, Any]:
    return {"id": container_id, "name": name, "service": "web", "image": "img:1", "grouped_by": "compose", "labels": {}} | more


def fact(fact_id: str = "f1", workspace_id: str = "shop@laptop", time_ns: int = T0_NS, **more: Any) -> dict[str, Any]:
    """An engine's start event, unless `more` says otherwise."""
    return {
        "kind": "engine_event",
        "id": fact_id,
        "workspace_id": workspace_id,
        "workspace_name": "shop",
        "engine_id": "E1",
        "engine_name": "laptop",
        "generation": 0,
        "time_ns": time_ns,
        "recorded_at_ns": time_ns + 5,
        "container": container(),
        "engine_event": {"action": "start"},
    } | more


def container_state(container_id: str = "c1", state: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "id": container_id,
        "name": "web-1",
        "service": "web",
        "image": "img:1",
        "engine": "laptop",
        "engine_id": "E1",
        "state": state,
        "oom_killed": False,
        "stop_requested": False,
        "restart_count": 0,
    } | more


FIRST = position(1)


def state(workspace_id: str = "shop@laptop", at: Position = FIRST, **more: Any) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "workspace_name": "shop",
        "status": "active",
        "condition": "ok",
        "running": 1,
        "total": 1,
        "status_since_ns": T0_NS,
        "reason": "web-1 runs",
        "stale": False,
        "seq": 1,
        "last_updated_ns": T0_NS,
        "sync_attempts": 0,
        "labels": {},
        "container_id": "c1",
        "container_state": "running",
        "containers": [container_state()],
        "epoch": at.epoch,
        "partition": at.partition,
        "offset": at.offset,
    } | more


def forgotten_by(at: Position) -> tuple[tuple[str, bytes], ...]:
    return ((CAUSE_HEADER, f"{at.epoch}.{at.partition}.{at.offset}".encode()),)


def event(
    seq: int = 1, workspace_id: str | None = "shop@laptop", kind: str = "status_changed", at_ns: int = T0_NS, **more: Any
) -> dict[str, Any]:
    """A status_changed from inactive to active, unless `more` says otherwise."""
    sections = {
        "status_changed": {
            "old_status": "inactive",
            "new_status": "active",
            "reason": "web-1 started",
            "container_id": "c1",
            "changed_at_ns": at_ns,
        }
    }
    return {
        "type": kind,
        "id": f"state.1.{seq}.{workspace_id}",
        "stream": "state",
        "seq": seq,
        "workspace_id": workspace_id,
        "engine_id": "E1",
        "timestamp_ns": at_ns,
        "message": "something happened",
        "cause": {"topic": "wst.docker.events", "epoch": 1, "partition": 0, "offset": seq * 10},
        kind: sections.get(kind),
    } | more


def sample(container_id: str = "c1", read_ns: int = T0_NS, outcome: str = "folded", **values: int) -> dict[str, Any]:
    """A second in which half a core was used, unless `values` say otherwise."""
    told = {"read_ns": read_ns, "interval_ns": 10**9, "cpu_ns": 5 * 10**8, "system_cpu_ns": 4 * 10**9, "online_cpus": 4} | values
    row = [told.get(name, -1) for name in samples.COLUMNS]
    return {"container_id": container_id, "container_name": "web-1", "service": "", "outcome": outcome, "derived": samples.pack(*row)}


def window(start_ms: int = T0_NS // 10**6, grain: str = "hour", sample_count: int = 10, final: bool = False, **more: Any) -> dict[str, Any]:
    fields = next(f for f in codec("usage").schema["fields"] if f["name"] == "windows")["type"]["items"]["fields"]
    zeros = {field["name"]: 0 for field in fields if field["type"] in ("long", "int")}
    told = {"grain": grain, "start_ms": start_ms, "final": final, "sample_count": sample_count, "container_id": None, "sketches": {}}
    return zeros | told | {"container_name": "", "service": "", "histograms": {}} | more


def usage(at: Position = FIRST, workspace_id: str = "shop@laptop", **more: Any) -> dict[str, Any]:
    """Give it `samples` or `windows`."""
    return {
        "kind": "windows" if "windows" in more else "samples",
        "workspace_id": workspace_id,
        "workspace_name": "shop",
        "engine_id": "E1",
        "engine_name": "laptop",
        "labels": {},
        "epoch": at.epoch,
        "partition": at.partition,
        "offset": at.offset,
        "tick_at_ns": T0_NS,
        "host_memory_bytes": 0,
    } | more


def dead_letter(offset: int = 7, partition: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "reason": "no Avro",
        "code": "undecodable",
        "stage": "state",
        "topic": "wst.docker.events",
        "epoch": 1,
        "partition": partition,
        "offset": offset,
        "refused_at_ns": T0_NS,
        "key": b"\xff\x00key",
        "value": b"\x00\xff\xfe",
        "value_size": 3,
        "headers": {"wst-type": b"\xff"},
    } | more
