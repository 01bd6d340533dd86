"""Each row of the container state machine (facts of the engine), one by one."""

from __future__ import annotations

from typing import Any

import pytest

from streams.core.containers import TRANSITIONS, signal_number
from streams.core.sightings import is_correction
from tests.core_state.makers import at, event, folded, inspected, seen

STATES = ["created", "running", "paused", "exited"]
INTO = {
    "created": [event("create", 0)],
    "running": [event("create", 0), event("start", 1)],
    "paused": [event("create", 0), event("start", 1), event("pause", 2)],
    "exited": [event("create", 0), event("start", 1), event("die", 2, exit_code=0)],
}
SAID: dict[str, dict[str, Any]] = {"die": {"exit_code": 1}, "kill": {"signal": 15}, "health_status": {"health": "healthy"}}
AFTER = {"create": "created", "start": "running", "die": "exited", "pause": "paused", "unpause": "running", "destroy": "removed"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", sorted(TRANSITIONS))
def test_an_action_leads_to_its_state_or_leaves_the_state_alone(action: str, state: str) -> None:
    workspace = folded(*INTO[state], event(action, 10, **SAID.get(action, {})))
    assert workspace.container().state == AFTER.get(action, state)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("create", "created"),
        ("start", "running"),
        ("kill", "running"),
        ("oom", "running"),
        ("die", "exited"),
        ("stop", "exited"),
        ("restart", "running"),
        ("pause", "paused"),
        ("unpause", "running"),
        ("health_status", "running"),
        ("exec_create", "running"),
        ("exec_start", "running"),
        ("exec_die", "running"),
        ("exec_detach", "running"),
        ("top", "running"),
    ],
)
def test_the_first_action_heard_of_a_container_tells_its_state(action: str, state: str) -> None:
    workspace = folded(event(action, 10, **SAID.get(action, {})))
    assert workspace.container().state == state
    assert workspace.changes[0].detail._asdict()["old_state"] is None


@pytest.mark.parametrize("action", ["destroy", "rename", "update", "attach", "detach", "resize", "commit", "copy", "what-is-this"])
def test_an_action_that_tells_no_state_waits_for_the_sync(action: str) -> None:
    workspace = folded(event(action, 10))
    assert workspace.tally == {"unplaced": 1}
    assert not workspace.state.containers
    assert workspace.state.status == "unknown"


@pytest.mark.parametrize("action", sorted(name for name, row in TRANSITIONS.items() if row.activity))
def test_execs_and_the_like_are_signs_of_activity_and_tell_nothing(action: str) -> None:
    workspace = folded(*INTO["running"])
    assert workspace.add(event(action, 10)) == []
    assert workspace.state.last_activity_ns == at(10)


@pytest.mark.parametrize("action", sorted(name for name, row in TRANSITIONS.items() if not row.activity))
def test_what_the_engine_or_a_policy_does_is_no_sign_of_activity(action: str) -> None:
    workspace = folded(*INTO["running"], event(action, 10, **SAID.get(action, {})))
    assert workspace.state.last_activity_ns == 0


def test_an_action_with_its_text_is_split_at_the_colon() -> None:
    workspace = folded(*INTO["running"], event("health_status: unhealthy", 3), event("exec_start: sh -c x", 4))
    assert workspace.container().health == "unhealthy"
    assert workspace.state.last_activity_ns == at(4)


def test_a_start_clears_what_the_last_run_left() -> None:
    workspace = folded(*INTO["running"], event("oom", 2), event("kill", 3, signal=9), event("die", 4, exit_code=137))
    web = workspace.container()
    assert (web.exit_code, web.oom_killed, web.stop_requested) == (137, True, True)
    workspace.add(event("start", 5))
    web = workspace.container()
    assert (web.exit_code, web.exit_reason, web.oom_killed, web.stop_requested, web.incident) == (None, None, False, False, None)
    assert (web.started_at_ns, web.finished_at_ns) == (at(5), at(4))


def test_a_start_begins_with_health_starting_only_where_there_is_a_probe() -> None:
    assert folded(*INTO["running"]).container().health is None
    probed = folded(event("create", 0), inspected(0, has_healthcheck=True), event("start", 1))
    assert probed.container().health == "starting"


@pytest.mark.parametrize(
    ("signal", "stop_signal", "asked"),
    [
        (15, None, True),
        (9, None, True),
        (1, None, False),
        (3, "SIGQUIT", True),
        (3, "quit", True),
        (3, "3", True),
        (37, "SIGRTMIN+3", True),
        (10, "SIGQUIT", False),
        (None, None, True),
    ],
)
def test_a_kill_asks_for_a_stop_with_term_kill_or_the_stop_signal(signal: int | None, stop_signal: str | None, asked: bool) -> None:
    workspace = folded(*INTO["running"], inspected(1, stop_signal=stop_signal), event("kill", 3, signal=signal))
    assert workspace.container().stop_requested is asked


@pytest.mark.parametrize("text", ["", "SIG", "SIGWHAT", "\x00", "١٥", "SIGRTMIN+", "-3", None])
def test_a_stop_signal_that_is_nonsense_counts_as_term(text: str | None) -> None:
    assert signal_number(text) == 15


@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [
        ("no", 1, "exited"),
        ("always", 0, "restarting"),
        ("unless-stopped", 1, "restarting"),
        ("on-failure", 1, "restarting"),
        ("on-failure", 0, "exited"),
    ],
)
def test_after_a_die_the_restart_policy_tells_exited_from_restarting(policy: str, code: int, state: str) -> None:
    workspace = folded(*INTO["running"], inspected(1, restart_policy=policy), event("die", 3, exit_code=code))
    assert workspace.container().state == state


def test_after_a_stop_that_was_asked_for_no_policy_restarts() -> None:
    workspace = folded(*INTO["running"], inspected(1, restart_policy="always"), event("kill", 3, signal=15), event("die", 4, exit_code=143))
    assert workspace.container().state == "exited"


@pytest.mark.parametrize(
    ("old", "new", "missed"),
    [
        ("running", "exited", True),
        ("exited", "running", True),
        ("running", "paused", True),
        ("exited", "restarting", False),
        ("restarting", "exited", False),
        ("exited", "removing", False),
        ("exited", "dead", False),
        ("running", "running", False),
        ("running", "removed", True),
    ],
)
def test_only_what_an_event_could_have_told_is_a_correction(old: str, new: str, missed: bool) -> None:
    assert is_correction(old, new) is missed


@pytest.mark.parametrize("state", ["removing", "dead"])
def test_removing_and_dead_come_from_listings(state: str) -> None:
    workspace = folded(*INTO["exited"])
    changes = workspace.add(seen(state, 5))
    assert workspace.container().state == state
    assert [change.correction for change in changes] == [False]
    assert workspace.container().exit_code == 0, "a state without an event keeps what is known of the last run"


def test_a_removed_container_is_a_tombstone_that_no_late_word_brings_back() -> None:
    workspace = folded(*INTO["exited"], event("destroy", 3))
    assert workspace.add(event("exec_die", 4), event("die", 5, exit_code=9), seen("running", 2)) == []
    assert workspace.container().state == "removed"
    assert workspace.record["total"] == 0
