"""Fact records as producers write them, and an engine in miniature that a test can drive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.codec import codec
from schemas.identity import command_fact_id, event_fact_id, notice_fact_id, observation_fact_id
from streams.core import workspace
from streams.core.changes import Alert, Change, to_record
from streams.core.facts import Position, parse_fact
from streams.core.state import Container, WorkspaceState

Record = dict[str, Any]

T0 = 1_760_000_000 * 10**9
SECOND = 10**9
WORKSPACE = "shop@laptop"
ENGINE = "f3b1c2d4-0000-4000-8000-5a5a5a5a5a5a"
TOPIC = "wst.docker.events"

INSPECT: Record = {
    "started_at_ns": None,
    "finished_at_ns": None,
    "exit_code": None,
    "oom_killed": False,
    "error": None,
    "restart_count": 0,
    "restart_policy": "no",
    "health": None,
    "has_healthcheck": False,
    "stop_signal": None,
    "cpu_limit_nanocpus": None,
    "memory_limit_bytes": None,
    "created_at_ns": None,
    "long_running": None,
}


def at(seconds: float) -> int:
    """Engine time so many seconds into the test, ns."""
    return T0 + round(seconds * SECOND)


def cid(name: str) -> str:
    """A container id of 64 hex digits for a name."""
    return (name.encode().hex() * 64)[:64]


def who(name: str = "web", **changed: Any) -> Record:
    """A Container record."""
    base = {"id": cid(name), "name": name, "service": name, "image": "img:1", "grouped_by": "compose", "labels": {"team": "blue"}}
    return base | changed


def fact(kind: str, section: Record, time_ns: int, identity: str, container: Record | None = None, **changed: Any) -> Record:
    """A Fact record with one section, as the codec reads it back."""
    record: Record = {
        "kind": kind,
        "id": identity,
        "workspace_id": WORKSPACE,
        "workspace_name": "shop",
        "engine_id": ENGINE,
        "engine_name": "laptop",
        "generation": 0,
        "time_ns": time_ns,
        "recorded_at_ns": time_ns + 1_000_000,
        "container": container,
        kind: section,
    }
    coder = codec("fact")
    return coder.decode(coder.encode(record | changed))


def event(action: str, seconds: float, name: str = "web", *, container: Record | None = None, generation: int = 0, **said: Any) -> Record:
    """An engine event; what `EngineEvent` has goes there, the rest into the fact."""
    of_event = {"health", "exit_code", "exec_duration_s", "signal", "old_name", "exec_id", "program"}
    section = {"action": action} | {key: value for key, value in said.items() if key in of_event}
    rest = {key: value for key, value in said.items() if key not in of_event}
    container = container or who(name)
    identity = event_fact_id(rest.get("engine_id", ENGINE), generation, at(seconds), action, container["id"], said.get("exec_id") or "")
    return fact("engine_event", section, at(seconds), identity, container, generation=generation, **rest)


def seen(
    state: str | None,
    seconds: float,
    name: str = "web",
    *,
    source: str = "listing",
    present: bool = True,
    health: str | None = None,
    inspect: Record | None = None,
    container: Record | None = None,
    sync_id: str = "sync-1",
    **rest: Any,
) -> Record:
    """An observation; `inspect` needs to name only what differs from `INSPECT`."""
    container = container or who(name)
    workspace_id = rest.get("workspace_id", WORKSPACE)
    generation = rest.get("generation", 0)
    identity = observation_fact_id(rest.get("engine_id", ENGINE), generation, at(seconds), container["id"], source, workspace_id)
    section = {
        "source": source,
        "present": present,
        "state": state,
        "health": health,
        "inspect": None if inspect is None else INSPECT | inspect,
        "sync_id": sync_id if source == "listing" else "",
    }
    return fact("observation", section, at(seconds), identity, container, **rest)


def inspected(seconds: float, name: str = "web", **details: Any) -> Record:
    """A detail call's observation."""
    return seen(None, seconds, name, source="inspect", inspect=details)


def command(name: str, seconds: float, command_id: str | None = None, /, **arguments: str) -> Record:
    """A command of alice."""
    section = {"name": name, "by": "alice", "why": "because", "arguments": arguments}
    return fact("command", section, at(seconds), command_fact_id(command_id or f"{name}@{seconds}"), engine_id="", engine_name="")


def notice(
    name: str, seconds: float, reason: str = "", engine_id: str = ENGINE, *, since: float | None = None, value: int | None = None
) -> Record:
    """A notice about the engine."""
    section = {"name": name, "reason": reason, "since_ns": None if since is None else at(since), "value": value}
    return fact("notice", section, at(seconds), notice_fact_id(name, engine_id, at(seconds)), engine_id=engine_id)


@dataclass
class Folded:
    """A workspace folded record by record; every change must fit its schema."""

    state: WorkspaceState = field(default_factory=lambda: workspace.initial(WORKSPACE))
    changes: list[Change] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)
    next_offset: int = 0

    def add(self, *records: Record) -> list[Change]:
        """Folds records at the next positions; returns what they changed."""
        new: list[Change] = []
        for record in records:
            position = Position(7, 3, self.next_offset)
            self.next_offset += 1
            self.state, changes = workspace.fold(self.state, parse_fact(record), position, self.tally)
            new += changes
        for change in new:
            codec("event").encode(to_record(change, TOPIC))
        state = workspace.to_record(self.state)
        if state is not None:
            codec("state").encode(state)
        self.changes += new
        return new

    def container(self, name: str = "web") -> Container:
        return self.state.containers[cid(name)]

    @property
    def record(self) -> Record:
        """The State record."""
        record = workspace.to_record(self.state)
        assert record is not None
        return record

    def told(self) -> list[str]:
        """All changes but alerts, short: `web created`, `shop inactive`, `error oom`, `recovery oom`."""
        return [short(change) for change in self.changes if not isinstance(change.detail, Alert)]

    def alerts(self) -> list[str]:
        """All alerts, short: `raised oom`, `resolved oom`."""
        return [f"{change.type[6:]} {change.detail.rule}" for change in self.changes if isinstance(change.detail, Alert)]


def short(change: Change) -> str:
    """A change in two words."""
    detail = change.detail._asdict()
    if change.type == "container_update":
        health = f" {detail['health']}" if detail["health"] else ""
        return f"{detail['container_name']} {detail['new_state']}{health}"
    if change.type == "status_changed":
        return f"shop {detail['new_status']}"
    return f"{change.type} {detail.get('code') or detail['resolved_error']}"


def folded(*records: Record) -> Folded:
    """A workspace folded from records."""
    result = Folded()
    result.add(*records)
    return result
