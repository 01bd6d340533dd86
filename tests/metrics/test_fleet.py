"""Workspaces, containers, engines and alerts at /metrics, and what bounds how many are shown."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from schemas.metrics import fleet
from streams.api.guard import Guard
from streams.api.open_alerts import OpenAlerts
from streams.query.measured import Bounds, FleetFigures
from tests.face.api_parts import put_state, put_usage, served, whole_event, whole_state, whole_usage
from tests.metrics.test_exposition import samples
from tests.sinks.records import HOSTILE, T0_NS, container_state, sample

SHOP = whole_state("shop@laptop", containers=[container_state(name=HOSTILE, restart_count=2, health="unhealthy")])


def asked(url: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{url}/metrics", headers=headers)


def test_a_workspace_its_container_and_its_engine_are_shown_and_change_as_they_do() -> None:
    with served(SHOP) as api:
        api.call(lambda: put_usage(api.live, whole_usage(samples=[sample(memory_used_bytes=1 << 20, pids=3)])))
        answer = asked(api.url)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        shown = samples(answer.content)
        assert shown["wst_workspaces", "active"] == 1
        assert shown["wst_workspace_status", "shop@laptop", "active"] == 1
        assert shown["wst_workspace_status", "shop@laptop", "inactive"] == 0
        assert shown["wst_workspace_memory_used_bytes", "shop@laptop"] == 1 << 20
        assert shown["wst_workspace_cpu_usage_cores", "shop@laptop"] == 0.5
        (name,) = {key[3] for key in shown if key[0] == "wst_container_restarts_total"}
        assert name.startswith("a'b\"c\\d`e")
        assert shown["wst_container_restarts_total", "shop@laptop", "laptop", name, "c1"] == 2
        assert shown["wst_container_healthy", "shop@laptop", "laptop", name, "c1"] == 0
        assert shown["wst_container_pids", "shop@laptop", "laptop", name, "c1"] == 3
        assert shown["wst_engine_containers", "laptop", "E1"] == 1
        stopped = whole_state("shop@laptop", status="inactive", running=0, containers=[container_state(state="exited")])
        api.call(lambda: put_state(api.live, stopped))
        shown = samples(asked(api.url).content)
        assert shown["wst_workspace_status", "shop@laptop", "inactive"] == 1
        assert shown["wst_workspaces", "active"] == 0
        assert ("wst_workspace_memory_used_bytes", "shop@laptop") not in shown


def test_while_states_are_loaded_no_workspace_is_shown_as_missing() -> None:
    with served(SHOP, loaded=False) as api:
        shown = samples(asked(api.url).content)
    assert shown["wst_api_loaded", "api"] == 0
    assert not any(key[0] in ("wst_workspaces", "wst_workspace_status") for key in shown)


def test_where_a_token_is_set_prometheus_needs_one_too() -> None:
    with served(SHOP, guard=Guard(None, "all", "read")) as api:
        assert asked(api.url).status_code == 401
        assert asked(api.url, Authorization="Bearer read").status_code == 200


def test_parts_of_a_tree_that_died_and_an_archive_that_cannot_answer_are_shown() -> None:
    health = {"parts": [{"name": "worker state", "state": "restarting", "restarts": 2}, {"name": "play", "state": "done", "restarts": 0}]}
    with served(SHOP, health=health) as api:
        shown = samples(asked(api.url).content)
    assert (shown["wst_part_up", "worker state"], shown["wst_part_restarts_total", "worker state"]) == (0, 2)
    assert shown["wst_part_up", "play"] == 1
    assert shown["wst_archive_up", "api"] == 0  # one in memory knows no SQL


def alert(kind: str, key: str, workspace_id: str = "shop@laptop") -> dict[str, Any]:
    section = {"rule": "cpu", "metric": "cpu", "value": 90.0, "threshold": 80.0, "since_ns": T0_NS, "dedup_key": key, "labels": {}}
    return whole_event(1, kind=kind, workspace_id=workspace_id, status_changed=None, alert=section)


def test_an_alert_lasts_from_its_raise_to_its_resolve_whoever_tells_first() -> None:
    alerts = OpenAlerts()
    alerts.take_event(alert("alert_raised", "a"))
    alerts.take_event(alert("alert_raised", "b"))
    alerts.take_event(alert("alert_resolved", "a"))
    alerts.take_event(alert("alert_resolved", "c"))
    row = {"workspace_id": "shop@laptop", "engine_id": None, "rule": "oom"}
    alerts.take_archived([row | {"dedup_key": "c"}, row | {"dedup_key": "d"}])
    assert {(one.rule, number) for one, number in alerts.count(["shop@laptop"]).items()} == {("cpu", 1), ("oom", 1)}
    assert not alerts.count(["blog@laptop"])


@given(st.integers(0, 6), st.integers(0, 6), st.lists(st.sampled_from(["active", "inactive", "archived"]), max_size=6))
def test_whatever_the_limits_the_sums_are_those_of_all_and_the_series_are_bounded(
    workspaces: int, containers: int, statuses: list[str]
) -> None:
    states = [
        whole_state(f"w{number}", status=status, containers=[container_state(f"c{number}a"), container_state(f"c{number}b")], total=2)
        for number, status in enumerate(statuses)
    ]
    told = [figure for figures in FleetFigures(states, lambda _: {}, Bounds(workspaces, containers)).workspaces() for figure in figures]
    shown = {labels[0] for metric, labels, _ in told if metric is fleet.STATUS}
    assert len(shown - {fleet.OTHERS}) <= workspaces
    assert len({labels for metric, labels, _ in told if metric is fleet.C_INFO}) <= containers
    assert sum(value for metric, _, value in told if metric is fleet.CONTAINERS) == 2 * len(states)
    for status in ("active", "inactive", "archived"):
        assert sum(value for metric, labels, value in told if metric is fleet.STATUS and labels[1] == status) == statuses.count(status)
    left_out = {labels[0]: value for metric, labels, value in told if metric is fleet.LEFT_OUT}
    assert left_out["workspaces"] == max(0, len(states) - workspaces)
    assert left_out["containers"] == 2 * len(states) - len({labels for metric, labels, _ in told if metric is fleet.C_INFO})


def test_archived_workspaces_are_the_first_to_be_taken_together() -> None:
    states = [whole_state("a", status="archived"), whole_state("b"), whole_state("c")]
    told = [figure for figures in FleetFigures(states, lambda _: {}, Bounds(2, 10)).workspaces() for figure in figures]
    assert {labels[0] for metric, labels, _ in told if metric is fleet.STATUS} == {"b", "c", fleet.OTHERS}
