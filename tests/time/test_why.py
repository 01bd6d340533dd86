"""Why: the facts that led to a state, each with its place, and the docker command to read next."""

from __future__ import annotations

import shlex
from typing import Any

import httpx
import pytest

from streams.api.app import make_app
from streams.core import workspace
from streams.core.facts import Position, parse_fact
from streams.query.present import time_text
from streams.query.why import trace, why
from tests.core_state.makers import TOPIC, WORKSPACE, Record, at, command, event, inspected, notice, seen, who
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.sinks.archives import Real
from tests.time.log import Log


def ask(*records: Record, seconds: float = 1000) -> Any:
    facts = [(parse_fact(record), Position(1, 3, 100 + number)) for number, record in enumerate(records)]
    return why(trace(workspace.initial(WORKSPACE), facts), TOPIC, at(seconds))


def facts(answer: Any, of: str, container: str | None = None) -> list[tuple[str, int]]:
    return [
        (fact["said"], fact["offset"])
        for cause in answer["causes"]
        if (cause["of"], cause["container"]) == (of, container)
        for fact in cause["facts"]
    ]


def test_a_failing_container_is_explained_from_its_start_to_its_end() -> None:
    said = ask(
        event("start", 0),
        event("start", 1, "db"),
        event("exec_start", 5, exec_id="e" * 64),
        event("oom", 9),
        event("die", 10, exit_code=137, exec_duration_s=10),
    )
    assert (said["status"], said["condition"]) == ("active", "failing")
    assert facts(said, "status") == [("laptop said: web start → shop is active: web runs", 100)]
    told = facts(said, "container", "web")
    assert [offset for _, offset in told] == [100, 103, 104]
    assert told[1][0].startswith("laptop said: web oom")
    assert told[2][0].startswith("laptop said: web die with exit code 137 → web ended: ")
    assert facts(said, "container", "db") == []
    first = said["causes"][0]["facts"][0]
    assert {name: first[name] for name in ("topic", "partition", "offset", "epoch", "time")} == {
        "topic": TOPIC, "partition": 3, "offset": 100, "epoch": 1, "time": time_text(at(0)),
    }  # fmt: skip


def test_what_an_error_and_its_alert_both_say_is_said_once() -> None:
    said = ask(event("start", 0), event("die", 10, exit_code=3))
    told = facts(said, "container", "web")[-1][0].partition(" → ")[2].split("; ")
    assert any("unexpectedly" in one for one in told)
    assert len(told) == len(set(told))


def test_the_command_to_read_next_spans_the_last_run_and_quotes_hostile_names() -> None:
    hostile = "we'b; rm -rf $HOME"
    container = who(hostile)
    said = ask(event("start", 0, container=container), event("die", 10, container=container, exit_code=3))
    (line,) = said["logs"]
    words = shlex.split(line)
    assert words == ["docker", "logs", "--since", time_text(at(-1)), "--until", time_text(at(11)), "--", hostile]


def test_of_a_run_that_lasted_long_only_its_end_is_read_and_of_one_that_goes_on_until_the_instant() -> None:
    ended = ask(event("start", 0), event("die", 7200, exit_code=1), seconds=9000)
    assert ended["logs"] == [f"docker logs --since {time_text(at(7200 - 601))} --until {time_text(at(7201))} web"]
    goes_on = ask(event("start", 0), event("health_status", 50, health="unhealthy"), seconds=60)
    assert goes_on["condition"] == "failing"
    assert goes_on["logs"] == [f"docker logs --since {time_text(at(-1))} --until {time_text(at(61))} web"]


def test_what_should_run_and_does_not_is_explained_where_nothing_failed() -> None:
    said = ask(
        event("start", 0),
        event("start", 1, "db"),
        seen("running", 2, "db", inspect={"long_running": True, "restart_policy": "always"}),
        event("kill", 3, "db", signal=15),
        event("die", 4, "db", exit_code=0),
    )
    assert said["condition"] == "degraded"
    assert facts(said, "container", "db")[-1][1] == 104


def test_a_silent_engine_a_command_and_a_listing_are_told_in_words() -> None:
    silent = ask(event("start", 0), notice("engine_silent", 100))
    assert silent["condition"] == "unknown"
    assert facts(silent, "condition") == [("noticed: engine silent", 101)]
    archived = ask(seen("exited", 0), command("archive", 5))
    assert facts(archived, "status") == [("alice asked: archive → shop is archived: archived by alice: because", 101)]
    found = ask(event("start", 0), inspected(1), seen("exited", 30, inspect={"exit_code": 3}))
    assert facts(found, "container", "web")[-1][0].startswith("laptop showed: web exited → web ended")


def test_a_crash_loop_keeps_the_last_facts_and_the_one_that_began_it() -> None:
    records = [event("start", 0)]
    for number in range(1, 30):
        records += [event("die", number * 2, exit_code=1), event("start", number * 2 + 1)]
    said = ask(*records)
    told = facts(said, "container", "web")
    assert len(told) == 7
    assert "crash loop" in told[0][0]
    assert [offset for _, offset in told] == sorted(offset for _, offset in told)


def test_of_a_forgotten_or_unknown_workspace_there_is_nothing_to_explain() -> None:
    assert ask() is None
    assert ask(event("start", 0), event("destroy", 1), command("forget", 2)) is None


@pytest.fixture
async def api(chdb_archive: Real) -> Any:
    log = Log()
    log.slice([event("start", 0), event("die", 10, exit_code=3)])
    log.slice([event("start", 20)])
    log.slice([seen("running", 30)])
    for block in log.rows():
        await chdb_archive.write([block])
    app = make_app(make_live(whole_state(WORKSPACE, workspace_name="shop")), chdb_archive.archive, LOCAL, lambda: {"parts": []})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as asking:
        yield asking


async def test_the_api_explains_an_instant_by_a_workspaces_name(api: httpx.AsyncClient) -> None:
    said = (await api.get("/api/v1/workspaces/shop/why", params={"at": time_text(at(15)) or ""})).json()
    assert (said["workspace_id"], said["condition"]) == (WORKSPACE, "failing")
    assert [fact["offset"] for cause in said["causes"] if cause["container"] == "web" for fact in cause["facts"]] == [1, 2]
    now = (await api.get("/api/v1/workspaces/shop/why")).json()
    assert (now["condition"], now["causes"][0]["facts"][0]["offset"]) == ("ok", 3)
    early = await api.get("/api/v1/workspaces/shop/why", params={"at": time_text(at(-5)) or ""})
    assert early.status_code == 404


async def test_a_timeline_has_intervals_and_pages_of_events(api: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {
        "since": time_text(at(5)),
        "until": time_text(at(100)),
        "limit": 2,
        "type": ["status_changed", "recovery", "error", "container_update"],
    }
    first = (await api.get("/api/v1/workspaces/shop/timeline", params=asked)).json()
    assert [(one["status"], one["from"], one["to"]) for one in first["intervals"]] == [
        ("active", time_text(at(0)), time_text(at(10))),
        ("inactive", time_text(at(10)), time_text(at(20))),
        ("active", time_text(at(20)), None),
    ]
    assert [len(first["events"]), first["intervals_cut"]] == [2, False]
    types = [event["type"] for event in first["events"]]
    while first["next"]:
        first = (await api.get("/api/v1/workspaces/shop/timeline", params=asked | {"cursor": first["next"]})).json()
        assert first["intervals"] == []
        types += [event["type"] for event in first["events"]]
    assert types == ["status_changed", "recovery", "container_update", "status_changed", "error", "container_update"]
