"""The table's value: small, canonical, readable for ever."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from streams.core import encoding, workspace
from streams.core.facts import Position, parse_fact
from streams.core.invalid import InvalidMessage
from streams.core.state import IDENTITY_BYTES, Container, Engine, WorkspaceState
from streams.core.step import MAX_ENGINES, MAX_TOMBSTONES
from tests.core_state.makers import WORKSPACE, Record, at, cid, event, folded, inspected, seen

MAX_VALUE_BYTES = 2048
SERVICES = ["web", "worker", "postgres", "redis"]


def _busy(service: str, seconds: float) -> list[Record]:
    """A container's life so far, as busy as its remembered identities allow, with details as engines give them."""
    said: Record = {"created_at_ns": at(seconds), "started_at_ns": at(seconds + 1), "restart_policy": "unless-stopped"}
    name = f"customer-shop-{service}-1"
    container = {"image": f"registry.example.org/shop/{service}:2026.01.3", "service": service, "name": name}
    facts = [
        event("create", seconds),
        event("start", seconds + 1.1),
        inspected(seconds + 1.1, has_healthcheck=True, long_running=True, **said),
    ]
    facts += [event("exec_start", seconds + 2 + n, exec_id=str(n)) for n in range(20)]
    facts += [event("health_status", seconds + 30, health="healthy")]
    who = {"id": cid(service), "grouped_by": "compose", "labels": {"team": "blue"}} | container
    return [record | {"container": who} for record in facts]


def test_a_workspace_of_four_containers_is_below_two_kilobytes() -> None:
    state = folded(*(record for n, service in enumerate(SERVICES) for record in _busy(service, 100 * n))).state
    assert len(state.containers) == 4
    assert all(len(container.recent) == 16 * IDENTITY_BYTES for container in state.containers.values())
    assert len(workspace.to_bytes(state)) < MAX_VALUE_BYTES


def test_tombstones_are_few_and_young() -> None:
    churn = folded()
    for n in range(50):
        churn.add(event("create", n, f"job{n}"), event("start", n + 0.1, f"job{n}"), event("die", n + 0.2, f"job{n}", exit_code=0))
        churn.add(event("destroy", n + 0.3, f"job{n}"))
    assert len(churn.state.containers) == MAX_TOMBSTONES
    assert len(workspace.to_bytes(churn.state)) < 3 * MAX_VALUE_BYTES
    assert churn.add(event("start", 3.1, "job3")) == [], "an evicted container does not come back by an old fact"
    churn.add(event("create", 90_000, "late"), event("destroy", 90_001, "late"))
    assert len(churn.state.containers) == 1


def test_engines_without_containers_are_few() -> None:
    wandering = folded()
    for n in range(3 * MAX_ENGINES):
        wandering.add(seen("running", n, engine_id=f"engine-{n}"))  # an engine that makes a new id at every call
    assert len(wandering.state.engines) <= MAX_ENGINES
    assert wandering.record["running"] == 1


def test_equal_states_are_equal_bytes_whatever_the_order_of_the_containers() -> None:
    one = folded(event("create", 0, "a"), event("create", 1, "b"))
    other = folded(event("create", 1, "b"), event("create", 0, "a"))
    one.state.status_reason = other.state.status_reason = ""
    one.state.status_since_ns = other.state.status_since_ns = 0
    assert workspace.to_bytes(one.state) == workspace.to_bytes(other.state)


def test_canonical_leaves_out_positions_alone() -> None:
    state = folded(event("create", 0), event("start", 1)).state
    moved, _ = workspace.fold(workspace.from_bytes(workspace.to_bytes(state)), parse_fact(event("start", 1)), Position(9, 2, 1234))
    assert workspace.to_bytes(moved) != workspace.to_bytes(state)
    assert workspace.canonical(moved) == workspace.canonical(state)


def test_every_field_of_a_value_is_written_and_read() -> None:
    state = WorkspaceState(WORKSPACE)
    _fill(state)
    engine = Engine()
    _fill(engine)
    container = Container("0a" * 32, "engine")
    _fill(container)
    container.engine_id = "engine"
    state.engines, state.containers = {"engine": engine}, {container.id: container}
    assert workspace.from_bytes(workspace.to_bytes(state)) == state


def _fill(value: object) -> None:
    """Gives every field another value than its default."""
    for number, field in enumerate(fields(value), 1):  # type: ignore[arg-type]
        now = getattr(value, field.name)
        unset: dict[str, object] = {"exit_code": number, "long_running": True}  # of its own type, which machine code insists on
        filled: object = {bool: True, int: number, bytes: b"12345", dict: {"a": "b"}}.get(type(now), unset.get(field.name, str(number)))
        setattr(value, field.name, filled)


@pytest.mark.parametrize("container_id", ["short", "0A" * 32, "0a" * 33, "ü" * 64])
def test_an_id_that_is_not_64_hex_digits_is_kept_as_it_is(container_id: str) -> None:
    state = folded(event("create", 0, container={"id": container_id, "name": "x", "image": "", "grouped_by": "compose"})).state
    assert list(workspace.from_bytes(workspace.to_bytes(state)).containers) == [container_id]


def test_a_value_without_a_field_reads_as_its_default() -> None:
    value = json.loads(workspace.to_bytes(folded(event("create", 0)).state))
    assert "x" not in value["c"][0]
    assert workspace.from_bytes(json.dumps(value).encode()).containers.popitem()[1].exit_code is None


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"[1]", b'{"v":1}', b"\xff\x00", b'{"v":1,"e":[],"c":[{"e":0}],"i":"x"}'])
def test_bytes_that_are_no_workspace_are_invalid(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        workspace.from_bytes(data)


def test_a_value_of_a_newer_version_is_refused() -> None:
    value = json.loads(workspace.to_bytes(folded(event("create", 0)).state)) | {"v": encoding.VERSION + 1}
    with pytest.raises(InvalidMessage, match="newer_version"):
        workspace.from_bytes(json.dumps(value).encode())
