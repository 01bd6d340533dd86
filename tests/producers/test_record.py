"""Engine JSON → facts, listings, inspects: the table of actions, versions of the API, and nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.engine_json import InvalidMessage, redacted, time_ns
from producers.facts import At, Origin, details_fact, event_fact, snapshot_records
from producers.identity import Policy
from producers.record import Details, Happened, Rules, Seen, Skip, cpu_limit_nanocpus, event, inspected, listed, program_of
from schemas.codec import codec

ID = "a" * 64
RULES = Rules("laptop", Policy(), lambda command: f"{len(command):016x}")
ORIGIN = Origin("wst.", "engine-1", "laptop", "producer-1")
AT = At(0, 1_700_000_000_000_000_001, 1_700_000_000_500_000_000)


def message(action: str, **attributes: str) -> dict[str, Any]:
    actor = {"ID": ID, "Attributes": {"name": "web", "image": "img:1", "com.docker.compose.project": "shop", **attributes}}
    return {"Type": "container", "Action": action, "Actor": actor, "time": 1, "timeNano": AT.time_ns}


EXEC = {"execID": "e1"}
ACTIONS = [
    ("create", {}, {"action": "create"}),
    ("start", {}, {"action": "start"}),
    ("kill", {"signal": "15"}, {"action": "kill", "signal": 15}),
    ("oom", {}, {"action": "oom"}),
    ("die", {"exitCode": "137", "execDuration": "12"}, {"action": "die", "exit_code": 137, "exec_duration_s": 12}),
    ("die", {"exitCode": "nonsense"}, {"action": "die"}),
    ("stop", {}, {"action": "stop"}),
    ("restart", {}, {"action": "restart"}),
    ("pause", {}, {"action": "pause"}),
    ("unpause", {}, {"action": "unpause"}),
    ("health_status: healthy", {}, {"action": "health_status", "health": "healthy"}),
    ("health_status: unhealthy", {}, {"action": "health_status", "health": "unhealthy"}),
    ("destroy", {}, {"action": "destroy"}),
    ("rename", {"oldName": "/old"}, {"action": "rename", "old_name": "old"}),
    ("update", {}, {"action": "update"}),
    ("exec_create: /bin/sh -c 'x'", EXEC, {"action": "exec_create", "exec_id": "e1", "program": "sh", "command_hash": f"{14:016x}"}),
    ("exec_start: psql", EXEC, {"action": "exec_start", "exec_id": "e1", "program": "psql", "command_hash": f"{4:016x}"}),
    ("exec_die", {"execID": "e1", "exitCode": "0"}, {"action": "exec_die", "exec_id": "e1", "exit_code": 0}),
    ("attach", {}, {"action": "attach"}),
    ("top", {}, {"action": "top"}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "attributes", "expected"), ACTIONS)
def test_every_action_becomes_a_fact(action: str, attributes: dict[str, str], expected: dict[str, Any]) -> None:
    happened = event(message(action, **attributes), RULES)
    assert isinstance(happened, Happened)
    assert {key: value for key, value in happened.detail.items() if value is not None} == expected
    fact = codec("fact").decode(event_fact(ORIGIN, AT, happened, "shop").value)
    assert fact["engine_event"] == {**dict.fromkeys(fact["engine_event"]), **expected}
    assert (fact["workspace_id"], fact["container"]["id"], fact["time_ns"]) == ("shop@laptop", ID, AT.time_ns)
    assert set(fact["container"]["labels"]) == {"com.docker.compose.project"}


def test_the_same_event_has_the_same_identity_and_another_exec_another() -> None:
    def fact_id(raw: dict[str, Any]) -> Any:
        happened = event(raw, RULES)
        assert isinstance(happened, Happened)
        return codec("fact").decode(event_fact(ORIGIN, At(0, AT.time_ns, 1), happened, "shop").value)["id"]

    assert fact_id(message("exec_die", execID="e1")) == fact_id(message("exec_die", execID="e1", exitCode="0"))
    assert fact_id(message("exec_die", execID="e1")) != fact_id(message("exec_die", execID="e2"))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({**message("connect"), "Type": "network"}, "other_type"),
        ({**message("prune"), "Actor": {"ID": "", "Attributes": {"reclaimed": "0"}}}, "prune"),
        (message("start", **{"workspace.ignore": "true"}), "workspace_ignore"),
    ],
)
def test_what_is_no_fact_of_ours_is_skipped_with_a_reason(raw: dict[str, Any], reason: str) -> None:
    assert event(raw, RULES) == Skip(reason)


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"Type": 7}, {**message("start"), "timeNano": -1}, {**message("start"), "Actor": {}}])
def test_nonsense_is_an_invalid_message(raw: object) -> None:
    with pytest.raises(InvalidMessage):
        event(raw, RULES)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
#: Answers that are right but for one value somewhere.
FIELDS = [
    "Type",
    "Action",
    "Actor",
    "timeNano",
    "Id",
    "Names",
    "Labels",
    "State",
    "Status",
    "Created",
    "Health",
    "HostConfig",
    "Config",
    "Image",
]
ANSWERS = st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda odd: {**message("start"), "Id": ID, "State": {"Running": True}, **odd})


@given(JSON | ANSWERS)
def test_reading_is_total(raw: object) -> None:
    for read in (lambda: event(raw, RULES), lambda: listed(raw, RULES), lambda: inspected(raw)):
        try:
            result = read()
        except InvalidMessage:
            continue
        assert isinstance(result, (Happened, Seen, Details, Skip))
        if isinstance(result, Happened):
            event_fact(ORIGIN, At(0, result.time_ns, 1), result, result.who.identity.workspace_name)
        if isinstance(result, Details):
            happened = event(message("start"), RULES)
            assert isinstance(happened, Happened)
            details_fact(ORIGIN, AT, happened.who, "shop", result.record)


LISTED: dict[str, Any] = {"Id": ID, "Names": ["/peer/alias", "/web"], "Image": "i", "Labels": {}, "State": "running", "Created": 5}


@pytest.mark.parametrize(
    ("changes", "state", "health"),
    [
        ({"Status": "Up 3 seconds (health: starting)"}, "running", "starting"),
        ({"Status": "Up 2 hours (healthy)"}, "running", "healthy"),
        ({"Status": "Up 2 hours (unhealthy)"}, "running", "unhealthy"),
        ({"Status": "Up 2 hours"}, "running", None),
        ({"Status": "Up 2 hours", "Health": {"Status": "healthy", "FailingStreak": 0}}, "running", "healthy"),
        ({"Status": "Up 2 hours (healthy)", "Health": {"Status": "none"}}, "running", None),
        ({"State": "stopped"}, "exited", None),
        ({"State": "removing"}, "removing", None),
        ({"State": None}, "unknown", None),
    ],
)
def test_a_listing_gives_state_and_health_on_old_and_new_engines(changes: dict[str, Any], state: str, health: str | None) -> None:
    seen = listed({**LISTED, **changes}, RULES)
    assert isinstance(seen, Seen)
    assert (seen.state, seen.health, seen.who.container["name"], seen.created_at_ns) == (state, health, "web", 5_000_000_000)


def test_a_large_listing_is_cut_into_numbered_parts() -> None:
    seen = listed(LISTED, RULES)
    assert isinstance(seen, Seen)
    entry = {"workspace_id": "w", "workspace_name": "w", "container": seen.who.container, "state": "running"}
    header = {"cause": "interval", "sync_interval_ms": 1}
    parts = [codec("snapshot").decode(record.value) for record in snapshot_records(ORIGIN, AT, header, [entry] * 450)]
    assert [(part["part"], part["parts"], len(part["containers"])) for part in parts] == [(0, 3, 200), (1, 3, 200), (2, 3, 50)]
    assert len({part["snapshot_id"] for part in parts}) == 1
    fat = {**entry, "container": {**seen.who.container, "labels": {f"workspace.{n}": "x" * 1_000 for n in range(40)}}}
    assert all(record.size < 900_000 for record in snapshot_records(ORIGIN, AT, header, [fat] * 200))
    assert len(snapshot_records(ORIGIN, AT, header, [])) == 1


INSPECT: dict[str, Any] = {
    "Id": ID,
    "Created": "2026-01-31T12:00:00.5Z",
    "RestartCount": 2,
    "State": {"Running": False, "ExitCode": 137, "OOMKilled": True, "Error": "", "StartedAt": "2026-01-31T12:00:01.000000001Z",
              "FinishedAt": "2026-01-31T13:00:02+01:00", "Health": {"Status": "unhealthy", "Log": [{"Output": "password"}]}},
    "HostConfig": {"Memory": 1024, "NanoCpus": 500_000_000, "RestartPolicy": {"Name": "always"}, "NetworkMode": "bridge"},
    "Config": {"Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"]}, "StopSignal": "SIGQUIT", "Env": ["PASSWORD=x"]},
}  # fmt: skip


def test_an_inspect_gives_the_details_and_nothing_of_environment_or_logs() -> None:
    details = inspected(INSPECT)
    assert details.record == {
        "started_at_ns": 1_769_860_801_000_000_001,
        "finished_at_ns": 1_769_860_802_000_000_000,
        "exit_code": 137,
        "oom_killed": True,
        "error": None,
        "restart_count": 2,
        "restart_policy": "always",
        "health": "unhealthy",
        "has_healthcheck": True,
        "stop_signal": "SIGQUIT",
        "cpu_limit_nanocpus": 500_000_000,
        "memory_limit_bytes": 1024,
        "created_at_ns": 1_769_860_800_500_000_000,
        "long_running": True,
    }
    assert details.health_command == "/bin/sh -c curl -f localhost"


@pytest.mark.parametrize(
    ("test", "expected"),
    [(["NONE"], None), ([], None), (None, None), (["CMD", "pg_isready", "-q"], "pg_isready -q"), (["CMD-SHELL", "x"], "/bin/sh -c x")],
)
def test_a_health_check_is_spelled_as_its_exec_events_are(test: object, expected: str | None) -> None:
    assert inspected({**INSPECT, "Config": {"Healthcheck": {"Test": test}}}).health_command == expected


@pytest.mark.parametrize(
    ("host", "limit"),
    [
        ({"NanoCpus": 5, "CpusetCpus": "0-1"}, 5),
        ({"NanoCpus": 0, "CpusetCpus": "0-2,5", "CpuQuota": 1}, 4_000_000_000),
        ({"CpusetCpus": "x"}, None),
        ({"CpuQuota": 50_000}, 500_000_000),
        ({"CpuQuota": 50_000, "CpuPeriod": 25_000}, 2_000_000_000),
        ({"CpuQuota": -1}, None),
        ({}, None),
    ],
)
def test_the_cpu_limit_is_the_first_that_is_set(host: dict[str, Any], limit: int | None) -> None:
    assert cpu_limit_nanocpus(host) == limit


@pytest.mark.parametrize(
    ("command", "program"),
    [("/usr/bin/psql -p x", "psql"), ("PASSWORD=hunter2 run", None), ("", None), ("sh", "sh"), ("\x1b[31m x", None), ("a" * 65, None)],
)
def test_of_a_command_only_a_plain_program_name_is_kept(command: str, program: str | None) -> None:
    assert program_of(command) == program


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-01-31T12:00:00.123456789999Z", 1_769_860_800_123_456_789),
        ("yesterday", None),
        (5, None),
    ],
)
def test_engine_times_are_read_to_the_nanosecond(given_time: object, expected: int | None) -> None:
    assert time_ns(given_time) == expected


def test_a_dead_letter_shows_the_shape_and_no_word() -> None:
    shown = str(redacted({"Actor": {"Attributes": {"my.secret.label": "hunter2"}}, "List": ["hunter2", 5]}))
    assert "hunter2" not in shown
    assert "my.secret.label" not in shown
    assert "Actor" in shown
