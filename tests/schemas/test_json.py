"""The JSON Schemas say what is printed: real output is valid, and every member of it stands in the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, ValidationError

from schemas.codec import codec
from streams.cli.events import events
from streams.cli.status import status
from streams.query.present import event_json, state_json
from tests.face.api_parts import put_usage, served, whole_event, whole_state, whole_usage
from tests.sinks.records import HOSTILE, T0_NS, sample

TYPES = codec("event").schema["fields"][0]["type"]["symbols"][1:]
SECTIONS: dict[str, dict[str, Any]] = {
    "status_changed": {
        "old_status": "unknown",
        "new_status": "active",
        "reason": HOSTILE,
        "container_id": None,
        "changed_at_ns": T0_NS,
    },
    "container_update": {"container_id": "c", "new_state": "exited", "updated_at_ns": T0_NS, "exit_code": -1},
    "error": {"error": HOSTILE, "code": "oom", "retry_count": 0, "occurred_at_ns": T0_NS, "context": {HOSTILE: HOSTILE}},
    "recovery": {"resolved_error": "oom", "recovery_method": "started", "recovered_at_ns": T0_NS, "downtime_ms": 1500},
    "metrics_update": {"old_metrics": {"a": 1.5}, "new_metrics": {}, "delta": {"a": -1.0}, "updated_at_ns": T0_NS},
    "sync": {"sync_id": "s", "engine": "laptop"},
    "alert": {"rule": "cpu", "metric": "cpu_percent", "value": 99.5, "threshold": 80.0, "since_ns": T0_NS, "labels": {"team": "a"}},
}
SECTION_OF = {"sync_start": "sync", "sync_complete": "sync", "alert_raised": "alert", "alert_resolved": "alert"}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("schemas").joinpath("json", f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(found)
    return found


def check(name: str, shown: Any) -> None:
    Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(shown)


def same(shown: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert set(shown) == set(told["properties"]), "what is printed and schemas/json differ: a new member belongs into both"


def an_event(kind: str) -> dict[str, Any]:
    section = SECTION_OF.get(kind, kind)
    return whole_event(1, kind=kind, **{kind: None, section: SECTIONS[section]})


@pytest.mark.parametrize("kind", TYPES)
def test_an_event_of_each_type_is_as_the_schema_says_and_has_no_member_that_it_does_not_name(kind: str) -> None:
    shown, told = event_json(an_event(kind)), schema("event")
    check("event", shown)
    same(shown, told)
    same(shown["data"], told["$defs"][SECTION_OF.get(kind, kind)])


def test_a_state_is_as_the_schema_says_and_has_no_member_that_it_does_not_name() -> None:
    shown, told = state_json(whole_state("shop@laptop", reason=HOSTILE)), schema("state")
    check("state", shown)
    same(shown, told)
    for name, part in (("container", shown["containers"][0]), ("metrics", shown["metrics"])):
        same(part, told["$defs"][name])


@pytest.mark.parametrize(("name", "value"), [("status", "up"), ("running", -1), ("status_since", None), ("metrics", {}), ("labels", [])])
def test_what_is_no_state_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        check("state", state_json(whole_state("shop@laptop")) | {name: value})


def test_what_the_commands_print_is_as_the_schemas_say(monkeypatch: pytest.MonkeyPatch) -> None:
    told = tuple(an_event(kind) | {"id": f"state.1.{seq}.shop@laptop", "seq": seq} for seq, kind in enumerate(TYPES, 1))
    with served(whole_state("shop@laptop", labels={"team": HOSTILE}), events=told) as api:
        put_usage(api.live, whole_usage(samples=[sample(memory_used_bytes=7, started_at_ns=T0_NS - 10**10)]))
        monkeypatch.setenv("WST_API", api.url)
        printed = CliRunner().invoke(status, ["--json"]).stdout
        lines = CliRunner().invoke(events, ["--json"]).stdout.splitlines()
    (state,) = json.loads(printed)
    check("state", state)
    assert state["metrics"]["memory_usage"] == 7
    assert sorted(json.loads(line)["type"] for line in lines) == sorted(TYPES)
    for line in lines:
        check("event", json.loads(line))
