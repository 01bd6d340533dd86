"""Alerts of what is wrong with containers: one raise and one resolve an episode, and none for what their engine's end explains."""

from __future__ import annotations

import pytest

from streams.core import workspace as state_fold
from streams.core.alerts import CONFIRM_NS
from streams.core.changes import Alert
from streams.core.reconcile import reconcile
from tests.core_state.makers import ENGINE, SECOND, Folded, at, cid, command, event, fact, folded, inspected, seen, who

UP = (event("create", 0), event("start", 1))
CONFIRM_S = CONFIRM_NS / SECOND


def gap(since_s: float, until_s: float) -> dict[str, object]:
    section = {"name": "gap", "reason": "nobody watched", "since_ns": at(since_s), "value": None}
    return fact("notice", section, at(until_s), "00000000000000aa")


def last_alert(workspace: Folded) -> Alert:
    return next(change.detail for change in reversed(workspace.changes) if isinstance(change.detail, Alert))


@pytest.mark.parametrize(
    ("facts", "alerts"),
    [
        pytest.param([event("die", 4, exit_code=3), event("start", 9)], ["raised unexpected_exit", "resolved unexpected_exit"], id="exit"),
        pytest.param([event("die", 4, exit_code=0)], [], id="expected exit"),
        pytest.param([event("kill", 3, signal=15), event("die", 4, exit_code=143)], [], id="stop on request"),
        pytest.param([event("oom", 3), event("die", 4, exit_code=137), event("destroy", 9)], ["raised oom", "resolved oom"], id="oom"),
        pytest.param(
            [event("health_status", 3, health="unhealthy"), event("health_status", 4, health="unhealthy"),
             event("health_status", 5, health="healthy")],
            ["raised unhealthy", "resolved unhealthy"], id="unhealthy",
        ),
        pytest.param(
            [*(event(*what, exit_code=1) for what in (("die", 4), ("start", 5), ("die", 6), ("start", 7), ("die", 8)))],
            ["raised unexpected_exit", "resolved unexpected_exit", "raised unexpected_exit", "resolved unexpected_exit",
             "raised crash_loop"],
            id="crash loop",
        ),
    ],
)  # fmt: skip
def test_a_problem_is_raised_once_and_resolved_once(facts: list[dict[str, object]], alerts: list[str]) -> None:
    assert folded(*UP, *facts).alerts() == alerts


def test_an_alert_carries_culprit_labels_and_one_key_for_raise_and_resolve() -> None:
    workspace = folded(*UP, event("die", 4, exit_code=3), event("start", 9))
    raised, resolved = (change.detail for change in workspace.changes if isinstance(change.detail, Alert))
    key = f"shop@laptop/{cid('web')}/unexpected_exit/{at(4)}"
    assert raised == Alert("unexpected_exit", "exit_code", 3.0, 0.0, at(4), cid("web"), {"team": "blue"}, key, True)
    assert (resolved.dedup_key, resolved.since_ns, resolved.raised) == (key, at(4), False)
    again = folded(*UP, event("die", 4, exit_code=3), event("start", 9), event("die", 8_000, exit_code=3))
    assert last_alert(again).dedup_key != key, "another episode has another key"


def test_an_end_as_its_engines_is_an_alert_only_when_the_engine_outlives_it() -> None:
    # die(137)@61   listing@75 (too soon)   listing@90: still exited, and nobody missed anything
    workspace = folded(*UP, event("die", 61, exit_code=137))
    assert workspace.alerts() == []
    assert workspace.record["condition"] == "failing", "it failed all the same"
    workspace.add(seen("exited", 75))
    assert workspace.alerts() == []
    workspace.add(seen("exited", 90))
    assert workspace.alerts() == ["raised unexpected_exit"]


def test_containers_that_went_down_with_their_host_raise_no_alert_each() -> None:
    # die(143)@61  host reboots  gap 62…100   listing@101 exited   listing@140 exited   start@200
    workspace = folded(*UP, event("die", 61, exit_code=143), gap(62, 100), seen("exited", 101), seen("exited", 140))
    assert (workspace.alerts(), workspace.record["condition"]) == ([], "failing")
    workspace.add(event("start", 200))
    assert (workspace.alerts(), workspace.record["condition"]) == ([], "ok")


def test_found_dead_after_its_host_came_back_is_its_hosts_end_too() -> None:
    found = {"started_at_ns": at(1), "finished_at_ns": at(70), "exit_code": 255}
    workspace = folded(*UP, gap(62, 100), seen("exited", 101, inspect=found), seen("exited", 160))
    assert workspace.alerts() == []


def test_a_crash_in_a_gap_with_a_code_of_its_own_is_an_alert() -> None:
    found = {"started_at_ns": at(1), "finished_at_ns": at(70), "exit_code": 3}
    assert folded(*UP, gap(62, 100), seen("exited", 101, inspect=found)).alerts() == ["raised unexpected_exit"]


def test_a_listing_says_once_more_what_awaits_confirmation_and_then_nothing() -> None:
    workspace = folded(*UP, inspected(2, started_at_ns=at(1)), event("die", 61, exit_code=137))
    said = []
    for second in (70, 61 + CONFIRM_S, 110, 140):
        entry = {"workspace_id": "shop@laptop", "workspace_name": "shop", "container": who(), "state": "exited", "health": None,
                 "unsettled": False, "inspect": None}  # fmt: skip
        part = {"snapshot_id": f"s{second}", "engine_id": ENGINE, "engine_name": "laptop", "generation": 0, "listed_at_ns": at(second),
                "recorded_at_ns": at(second), "part": 0, "parts": 1, "containers": [entry]}  # fmt: skip
        found = reconcile([part], [workspace.record], lambda *said: f"{said[2]:016x}")
        workspace.add(*(fact("observation", one["observation"], one["time_ns"], one["id"], one["container"]) for one in found.facts))
        said.append((len(found.facts), found.corrections))
    assert said == [(0, 0), (1, 0), (0, 0), (0, 0)]
    assert workspace.alerts() == ["raised unexpected_exit"]


def test_to_forget_a_workspace_resolves_its_alerts() -> None:
    silent = fact("notice", {"name": "engine_silent", "reason": "", "since_ns": at(5), "value": None}, at(6), "00000000000000bb")
    workspace = folded(*UP, event("die", 4, exit_code=3), silent, command("forget", 9))
    assert workspace.alerts() == ["raised unexpected_exit", "resolved unexpected_exit"]
    assert state_fold.to_record(workspace.state) is None
