"""A workspace as bytes for the table, and as a State record for everyone. Both are functions of the state alone.

The bytes are JSON with short sorted keys, without what has its default: equal states give equal bytes, and a field added
later reads as its default. A container names its engine by the place in the sorted list, an id of 64 hex digits is packed,
and its times are told as how long before its last fact they were: together a quarter of the value.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from streams.core.condition import condition, is_stale, main_container, reason, silent_engines, sync_attempts
from streams.core.invalid import InvalidMessage
from streams.core.state import REMOVED, UNSEEN, Container, Engine, WorkspaceState

VERSION: Final = 1

# Two letters each: the names would be half of the value. Never give a key a new meaning.
_CONTAINER_KEYS: Final = {
    "id": "i", "engine_id": "e", "name": "n", "service": "sv", "image": "im", "state": "s", "health": "h", "has_healthcheck": "hc",
    "exit_code": "x", "exit_reason": "xr", "error": "er", "oom_killed": "o", "oom_at_ns": "ot", "stop_requested": "q",
    "restart_count": "rc", "restart_policy": "rp", "stop_signal": "ss", "long_running": "l", "created_at_ns": "ct",
    "started_at_ns": "st", "finished_at_ns": "ft", "incident": "in", "crashes": "cr", "problem": "p", "problem_since_ns": "pt",
    "alert": "a", "alert_since_ns": "at", "generation": "g", "time_ns": "t", "run_ns": "rt", "details_generation": "dg",
    "details_ns": "dt", "recent": "r",
}  # fmt: skip
_ENGINE_KEYS: Final = {
    "name": "n", "generation": "g", "time_ns": "t", "silent_since_ns": "z", "sync_attempts": "a",
    "gap_since_ns": "gs", "gap_until_ns": "gu",
}  # fmt: skip
_WORKSPACE_KEYS: Final = {
    "workspace_id": "i", "name": "n", "named": "nd", "ephemeral": "ep", "status": "s", "status_since_ns": "st", "status_reason": "sr",
    "seq": "q", "running": "r", "last_updated_ns": "u", "last_sync_ns": "y", "last_error": "le", "last_error_at_ns": "lt",
    "error_count": "ec", "last_activity_ns": "a", "idle_since_ns": "is", "muted_until_ns": "mu", "labels": "l",
    "commands": "k", "refused": "kr", "problems": "p",
    "epoch": "oe", "partition": "op", "offset": "oo",
}  # fmt: skip
_PACKED_ID: Final = "j"
_TIMES: Final = ("ot", "ct", "st", "ft", "pt", "at", "rt", "dt")
_HEX_ID: Final = re.compile(r"[0-9a-f]{64}")
_POSITION: Final = frozenset(("oe", "op", "oo"))


def _defaults(kind: type[Container] | type[Engine] | type[WorkspaceState], keys: Mapping[str, str]) -> tuple[tuple[str, str, Any], ...]:
    required = {"id", "engine_id", "workspace_id"}
    empty: Mapping[str, Any] = {"labels": {}}
    return tuple(
        (f.name, keys[f.name], object() if f.name in required else empty.get(f.name, f.default)) for f in fields(kind) if f.name in keys
    )


_CONTAINER: Final = _defaults(Container, _CONTAINER_KEYS)
_ENGINE: Final = _defaults(Engine, _ENGINE_KEYS)
_WORKSPACE: Final = _defaults(WorkspaceState, _WORKSPACE_KEYS)


_TIME_NAMES: Final = tuple(name for name, key in _CONTAINER_KEYS.items() if key in _TIMES)


def to_bytes(state: WorkspaceState) -> bytes:
    """The table's value, positions included."""
    return _dump(_plain(state))


def canonical(state: WorkspaceState) -> bytes:
    """The state without positions: two folds of the same facts are equal in it, wherever the facts lay."""
    plain = _plain(state)
    return _dump({key: value for key, value in plain.items() if key not in _POSITION})


def from_bytes(data: bytes) -> WorkspaceState:
    """The state that `to_bytes` wrote.

    Raises:
        InvalidMessage: the bytes are no workspace, or of a newer version.
    """
    try:
        plain = json.loads(data)
        if plain["v"] > VERSION:
            raise InvalidMessage("newer_version", f"a workspace of version {plain['v']}; this program reads up to {VERSION}")
        return _workspace(plain)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InvalidMessage("malformed", f"no workspace: {type(error).__name__}: {error}"[:300]) from error


def _dump(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, separators=(",", ":"), sort_keys=True).encode("ascii")


def _plain(state: WorkspaceState) -> dict[str, Any]:
    engine_ids = sorted(state.engines)
    place = {engine_id: number for number, engine_id in enumerate(engine_ids)}
    plain = _fields(state, _WORKSPACE)
    plain["v"] = VERSION
    plain["e"] = [[engine_id, _fields(state.engines[engine_id], _ENGINE)] for engine_id in engine_ids]
    plain["c"] = [_container(container, place[container.engine_id]) for _, container in sorted(state.containers.items())]
    return plain


def _container(container: Container, engine: int) -> dict[str, Any]:
    plain = _fields(container, _CONTAINER)
    plain["e"] = engine
    if _HEX_ID.fullmatch(container.id):
        plain[_PACKED_ID] = _text(bytes.fromhex(plain.pop("i")))
    for key in _TIMES:
        if key in plain:
            plain[key] = container.time_ns - plain[key]
    return plain


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return a2b_base64(text + "=" * (-len(text) % 4))


def _fields(value: object, table: tuple[tuple[str, str, Any], ...]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, key, default in table:
        found = getattr(value, name)
        if found != default:
            plain[key] = _text(found) if isinstance(found, bytes) else found
    return plain


def _attributes(plain: Mapping[str, Any], table: tuple[tuple[str, str, Any], ...]) -> dict[str, Any]:
    return {name: _bytes(plain[key]) if isinstance(default, bytes) else plain[key] for name, key, default in table if key in plain}


def _workspace(plain: Mapping[str, Any]) -> WorkspaceState:
    state = WorkspaceState(**_attributes(plain, _WORKSPACE))
    engine_ids = [engine_id for engine_id, _ in plain["e"]]
    state.engines = {engine_id: Engine(**_attributes(engine, _ENGINE)) for engine_id, engine in plain["e"]}
    for entry in plain["c"]:
        container = _container_of(entry, engine_ids)
        state.containers[container.id] = container
    return state


def _container_of(plain: Mapping[str, Any], engine_ids: list[str]) -> Container:
    values = _attributes(plain, _CONTAINER)
    values["engine_id"] = engine_ids[plain["e"]]
    if _PACKED_ID in plain:
        values["id"] = _bytes(plain[_PACKED_ID]).hex()
    for name in _TIME_NAMES:
        if name in values:
            values[name] = values["time_ns"] - values[name]
    return Container(**values)


def to_record(state: WorkspaceState) -> dict[str, Any] | None:
    """The State record (schemas/avro/state); None for a workspace nobody knows or that was forgotten.

    It has the containers that engines still have, as `docker ps -a` shows them: tombstones are the fold's own.
    """
    if state.status == UNSEEN:
        return None
    how = condition(state)
    main = main_container(state)
    containers = [_container_record(state, container) for _, container in sorted(state.containers.items()) if container.state != REMOVED]
    return {
        "workspace_id": state.workspace_id,
        "workspace_name": state.name,
        "status": state.status,
        "condition": how,
        "running": state.running,
        "total": len(containers),
        "status_since_ns": state.status_since_ns,
        "reason": reason(state, how),
        "stale": is_stale(state),
        "ephemeral": state.ephemeral,
        "seq": state.seq,
        "last_updated_ns": state.last_updated_ns,
        "last_sync_ns": state.last_sync_ns or None,
        "sync_attempts": sync_attempts(state),
        "last_error": state.last_error,
        "last_error_at_ns": state.last_error_at_ns or None,
        "error_count": state.error_count,
        "last_activity_ns": state.last_activity_ns or None,
        "labels": dict(state.labels),
        "container_id": None if main is None else main.id,
        "container_state": None if main is None else main.state,
        "containers": containers,
        "silent_engines": silent_engines(state),
        "idle_since_ns": state.idle_since_ns or None,
        "muted_until_ns": state.muted_until_ns or None,
        "epoch": state.epoch,
        "partition": state.partition,
        "offset": state.offset,
    }


def _container_record(state: WorkspaceState, container: Container) -> dict[str, Any]:
    return {
        "id": container.id,
        "name": container.name,
        "service": container.service,
        "image": container.image,
        "engine": state.engines[container.engine_id].name,
        "engine_id": container.engine_id,
        "state": container.state,
        "health": container.health,
        "exit_code": container.exit_code,
        "exit_reason": container.exit_reason,
        "error": container.error,
        "oom_killed": container.oom_killed,
        "stop_requested": container.stop_requested,
        "restart_count": container.restart_count,
        "created_at_ns": container.created_at_ns or None,
        "started_at_ns": container.started_at_ns or None,
        "finished_at_ns": container.finished_at_ns or None,
        "generation": container.generation,
        "time_ns": container.time_ns,
    }
