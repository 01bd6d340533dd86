"""Commands by the API and the command line: the fold decides, and its outcome is the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from schemas.codec import codec
from schemas.publish import make_record
from schemas.requests import ERASE_HEADER, control_record
from schemas.topics import DOCKER_EVENTS, WORKSPACE_CONTROL
from streams.api.app import app_of
from streams.api.desk import Desk
from streams.api.guard import Guard
from streams.api.live import Live
from streams.api.site import Site
from streams.cli.commands import forget
from streams.query.memory import MemoryArchive
from tests.client.waiting import until
from tests.core_state.makers import event
from tests.face.api_parts import LOCAL, Served, make_live, served, whole_event
from tests.face.folding import FoldingLog
from tests.face.test_cli import wst
from tests.sinks.records import HOSTILE

STOPPED = (event("start", 1), event("die", 2, exit_code=0), event("destroy", 3))
RUNNING = (event("start", 1),)


async def fold_into(log: FoldingLog, *facts: dict[str, Any]) -> None:
    await log.publish(
        [make_record(DOCKER_EVENTS, "wst.", f["workspace_id"], f, kind=f["kind"], record_id=f["id"], timestamp_ms=1) for f in facts]
    )
    await asyncio.sleep(0)


@asynccontextmanager
async def api(
    *facts: dict[str, Any], folds: bool = True, wait_s: float = 10, guard: Guard = LOCAL
) -> AsyncIterator[tuple[httpx.AsyncClient, FoldingLog, Live]]:
    live = make_live()
    log = FoldingLog(live)
    await fold_into(log, *facts)
    log.folds = folds
    site = Site(live, MemoryArchive(), guard, dict, Desk(log, live, "wst.", wait_s))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(site)), base_url="http://api") as client:
        yield client, log, live


def facts_in(log: FoldingLog) -> list[dict[str, Any]]:
    found = [codec("fact").decode(record.value) for record in log.records if record.topic == DOCKER_EVENTS.full("wst.")]
    return [fact for fact in found if fact["kind"] == "command"]


ID = STOPPED[0]["workspace_id"]


async def test_a_command_is_a_fact_with_who_and_why_and_its_answer_is_the_resulting_state() -> None:
    async with api(*STOPPED) as (asking, log, _):
        said = (await asking.post(f"/api/v1/workspaces/{ID}/archive", json={"by": "ada", "why": "done"})).json()
        assert (said["workspace"]["status"], said["workspace"]["reason"]) == ("archived", "archived by ada: done")
        assert facts_in(log)[0]["command"] == {"name": "archive", "by": "ada", "why": "done", "arguments": {}}
        assert (await asking.post(f"/api/v1/workspaces/{ID}/restore")).json()["workspace"]["status"] == "inactive"


async def test_what_the_fold_refuses_is_a_409_with_its_reason() -> None:
    async with api(*RUNNING) as (asking, _, _):
        refused = await asking.post(f"/api/v1/workspaces/{ID}/archive", json={})
        assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
        assert "1 of its containers run; stop them first" in refused.json()["detail"]
        assert (await asking.post(f"/api/v1/workspaces/{ID}/forget")).status_code == 409


async def test_a_retry_with_the_same_id_is_the_same_command_and_gets_the_same_answer() -> None:
    async with api(*STOPPED) as (asking, log, _):
        for _ in range(2):
            assert (await asking.post(f"/api/v1/workspaces/{ID}/archive", json={"command_id": "one"})).status_code == 200
            refused = await asking.post(f"/api/v1/workspaces/{ID}/archive", json={"command_id": "two"})
            assert refused.status_code == 409
            assert "it is archived already" in refused.json()["detail"]
        assert len(facts_in(log)) == 2


async def test_an_id_that_was_given_with_another_command_or_workspace_is_refused_and_not_taken_for_a_retry() -> None:
    async with api(*STOPPED) as (asking, log, _):
        assert (await asking.post("/api/v1/workspaces/lab@laptop/register")).status_code == 200
        assert (await asking.post(f"/api/v1/workspaces/{ID}/rename", json={"command_id": "one", "name": "a"})).status_code == 200
        others: tuple[tuple[str, str, dict[str, str]], ...] = (
            ("rename", ID, {"name": "b"}),
            ("rename", "lab@laptop", {"name": "a"}),
            ("archive", ID, {}),
        )
        for command, workspace, more in others:
            answer = await asking.post(f"/api/v1/workspaces/{workspace}/{command}", json={"command_id": "one", **more})
            assert (answer.status_code, "'one' was given before" in answer.json()["detail"]) == (409, True), command
        assert (await asking.post(f"/api/v1/workspaces/{ID}/rename", json={"command_id": "one", "name": "a"})).status_code == 200
        assert [fact["command"]["name"] for fact in facts_in(log)] == ["register", "rename"]


async def test_a_retry_of_what_was_refused_is_refused_also_by_an_api_that_was_started_in_between() -> None:
    log = FoldingLog(live := make_live())
    await fold_into(log, *RUNNING)

    def give(desk: Desk, name: str, command_id: str, **arguments: str) -> Awaitable[str | None]:
        return desk.command([(ID, "shop")], name, command_id, by="", why="", arguments=arguments)

    first = Desk(log, live, "wst.")
    assert await give(first, "mute", "one", for_s="60") is None
    assert (
        await give(first, "forget", "two", erase="1")
        == "1 of its containers still exist and would bring it back; remove them first, or archive it"
    )
    log._live = again = make_live()  # all it knows comes from here on
    second = Desk(log, again, "wst.")
    assert await give(second, "mute", "one", for_s="60") is None
    said = await give(second, "forget", "two", erase="1")
    assert said is not None
    assert "refused before" in said
    # Nor is it obeyed once it would make sense: who asks anew asks with an id of its own.
    await fold_into(log, *STOPPED[1:])
    assert await give(second, "forget", "three") is None
    log._live = third = make_live()
    assert await give(Desk(log, third, "wst."), "forget", "two", erase="1") == said
    assert ERASE_HEADER not in {name for record in log.shown for name, _ in record.headers}


async def test_of_two_contradictory_commands_at_once_the_second_is_told_why_it_lost() -> None:
    async with api(*STOPPED) as (asking, _, _):
        forgotten = await asking.post(f"/api/v1/workspaces/{ID}/forget", json={"command_id": "here"})
        assert forgotten.json()["workspace"] is None
        late = await asking.post(f"/api/v1/workspaces/{ID}/archive", json={"command_id": "there"})
        assert late.status_code == 404
        # In flight at the same time, it is the log that decides.
        desk = Desk(log := FoldingLog(live := make_live()), live, "wst.")
        await fold_into(log, *STOPPED)
        assert await desk.command([(ID, "shop")], "forget", "a", by="", why="", arguments={}) is None
        assert await desk.command([(ID, "shop")], "archive", "b", by="", why="", arguments={}) == "there is no such workspace"


async def test_registered_renamed_muted_and_forgotten_before_anything_else_happened() -> None:
    async with api() as (asking, log, live):
        made = (await asking.post("/api/v1/workspaces/lab-7@laptop/register", json={"name": HOSTILE})).json()
        assert (made["workspace"]["name"], made["workspace"]["status"]) == (HOSTILE, "inactive")
        named = (await asking.post("/api/v1/workspaces/lab-7@laptop/rename", json={"name": "Lab 7"})).json()
        assert (named["workspace"]["name"], named["workspace"]["workspace_id"]) == ("Lab 7", "lab-7@laptop")
        assert (await asking.post("/api/v1/workspaces/Lab%207/mute", json={"for": "2h"})).status_code == 200
        assert facts_in(log)[-1]["command"]["arguments"] == {"for_s": "7200"}
        assert (await asking.post("/api/v1/workspaces/Lab%207/unmute")).status_code == 200
        assert (await asking.post("/api/v1/workspaces/lab-7@laptop/register")).status_code == 409
        assert (await asking.post("/api/v1/workspaces/lab-7@laptop/forget")).json()["workspace"] is None
        assert live.states.get("lab-7@laptop") is None


async def test_forget_says_in_the_log_whether_the_archives_rows_go_too() -> None:
    async with api() as (asking, log, _):
        for body, arguments in (({"erase": True, "by": "ada"}, {"erase": "1"}), ({"erase": False}, {}), (None, {})):
            await asking.post("/api/v1/workspaces/lab@laptop/register")
            assert (await asking.post("/api/v1/workspaces/lab@laptop/forget", json=body)).json()["workspace"] is None
            assert facts_in(log)[-1]["command"]["arguments"] == arguments
        assert (await asking.post("/api/v1/workspaces/lab@laptop/forget", json={"erase": "perhaps"})).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/workspaces/nobody/archive", {}, 404, "there is no workspace 'nobody'"),
        ("POST", "/workspaces/Big%20Lab/register", {}, 422, "is no workspace id"),
        ("POST", f"/workspaces/{ID}/rename", {"name": "  "}, 409, "the new name is empty"),
        ("POST", f"/workspaces/{ID}/archive", {"whom": "ada"}, 422, "whom"),
        ("POST", f"/workspaces/{ID}/archive", {"why": "x" * 501}, 422, "why"),
        ("POST", f"/workspaces/{ID}/mute", {"for": "ever"}, 422, "is no duration"),
        ("POST", "/sync", {"engine": "moon"}, 404, "there is no engine 'moon'"),
        ("POST", "/sync", {"engine": "a", "workspace": "b"}, 422, "not both"),
        ("PUT", "/intervals/nap", {"every": "5s"}, 422, "is none of collect, sync"),
        ("PUT", "/intervals/sync", {"every": "1ms"}, 422, "is not between"),
    ],
)
async def test_what_makes_no_sense_is_said_in_one_line(method: str, path: str, body: dict[str, str], status: int, said: str) -> None:
    async with api(*STOPPED) as (asking, log, _):
        answer = await asking.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        assert said in answer.json()["detail"]
        assert [fact for fact in facts_in(log) if fact["command"]["name"] != "rename"] == []


async def test_without_a_worker_the_answer_is_that_it_waits_in_the_log() -> None:
    async with api(*STOPPED, folds=False, wait_s=0.05) as (asking, log, _):
        waits = await asking.post(f"/api/v1/workspaces/{ID}/archive", json={"command_id": "one"})
        assert waits.status_code == 504
        assert "it will be obeyed or refused" in waits.json()["detail"]
        log.folds = True
        assert (await asking.post(f"/api/v1/workspaces/{ID}/archive", json={"command_id": "one"})).status_code == 200


async def test_a_token_that_may_read_commands_nothing() -> None:
    async with api(*STOPPED, guard=replace(LOCAL, token="all", read_token="read")) as (asking, log, _):
        for path in (f"workspaces/{ID}/archive", "sync"):
            refused = await asking.post(f"/api/v1/{path}", headers={"Authorization": "Bearer read"})
            assert refused.status_code == 403
        assert facts_in(log) == []


async def test_an_interval_is_a_control_record_of_its_own_key() -> None:
    async with api() as (asking, log, live):
        live.engines.apply_control(codec("control").decode(control_record("wst.", "E1", "producer", _alive("laptop"), 1).value))
        for name, body in (("sync", {"every": "1m"}), ("collect", {"every": "5s"}), ("sync", {"every": "2s", "engine": "laptop"})):
            assert (await asking.put(f"/api/v1/intervals/{name}", json=body)).status_code == 200
        written = [record for record in log.records if record.topic == WORKSPACE_CONTROL.full("wst.")]
        assert [record.key for record in written] == [b"*:interval:sync", b"*:interval:collect", b"E1:interval:sync"]
        assert (await asking.get("/api/v1/engines")).json()[0]["name"] == "laptop"


async def test_a_sync_that_an_engine_fails_is_refused_at_once_with_its_reason_and_the_others_are_told() -> None:
    async with api() as (asking, log, live):
        for engine_id, name in (("E1", "laptop"), ("E2", "desk")):
            live.engines.apply_control(
                codec("control").decode(control_record("wst.", engine_id, "producer", _alive(name), time.time_ns()).value)
            )

        async def answer(request_id: str, **outcome: str) -> None:
            """As the reconcile agent does, once the request is in the log."""
            await until(lambda: any(record.topic == WORKSPACE_CONTROL.full("wst.") for record in log.records))
            log.records.clear()
            for engine_id, error in outcome.items():
                sync = {"sync_id": "s", "engine": engine_id, "request_id": request_id}
                context = {"request_id": request_id}
                failed = {"error": error, "code": "refused", "retry_count": 3, "occurred_at_ns": 1, "context": context}
                more: dict[str, Any] = (
                    {"kind": "error", "error": failed, "message": error} if error else {"kind": "sync_complete", "sync": sync}
                )
                live.answers.take_event(whole_event(1, workspace_id=None, stream="engine", engine_id=engine_id, **more))
            live.pulse.beat()

        told = asyncio.create_task(answer("r1", E1="laptop does not answer: refused", E2=""))
        said = (await asking.post("/api/v1/sync", json={"request_id": "r1"})).json()
        assert ([sync["engine"] for sync in said["syncs"]], said["failed"]) == (["E2"], ["laptop does not answer: refused"])
        await told
        told = asyncio.create_task(answer("r2", E1="laptop does not answer: refused"))
        refused = await asking.post("/api/v1/sync", json={"request_id": "r2", "engine": "laptop"})
        assert (refused.status_code, refused.json()["detail"]) == (409, "sync: laptop does not answer: refused")
        await told


def _alive(name: str) -> dict[str, Any]:
    return {"producer_id": "p", "engine_name": name, "host": "h", "interval_ms": 10_000}


@pytest.fixture
def commanding() -> Iterator[Served]:
    def prepare(api: Served) -> None:
        log = FoldingLog(api.live)
        object.__setattr__(api.site, "desk", Desk(log, api.live, "wst."))
        api.call(lambda: None)

    with served(prepare=prepare) as serving:
        yield serving


def test_the_command_line_says_what_a_workspace_is_now_and_ends_with_1_where_it_was_refused(commanding: Served) -> None:
    done = wst("register", "lab@laptop", "--name", HOSTILE, "--why", "soon", WST_API=commanding.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lab@laptop is registered: inactive, registered by ")
    assert wst("archive", "lab@laptop", WST_API=commanding.url).returncode == 0
    refused = wst("archive", "lab@laptop", WST_API=commanding.url)
    assert (refused.returncode, refused.stderr) == (1, "wst: archive lab@laptop: it is archived already\n")
    assert "\x1b" not in wst("rename", "lab@laptop", "\x1b[31mred", WST_API=commanding.url).stdout
    answer = json.loads(wst("unarchive", "lab@laptop", "--json", WST_API=commanding.url).stdout)
    assert answer["workspace"]["status"] == "inactive"
    assert wst("forget", "lab@laptop", WST_API=commanding.url).stdout == "lab@laptop is forgotten\n"
    assert wst("restore", "lab@laptop", WST_API=commanding.url).returncode == 1
    wst("register", "lab@laptop", WST_API=commanding.url)
    unasked = wst("forget", "lab@laptop", "--erase", WST_API=commanding.url)
    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert "nobody is there to confirm it: add --yes" in unasked.stderr
    assert json.loads(wst("status", "lab@laptop", "--json", WST_API=commanding.url).stdout)
    erased = wst("forget", "lab@laptop", "--erase", "--yes", WST_API=commanding.url)
    assert erased.stdout == "lab@laptop is forgotten, its rows in the archive are being deleted\n"
    assert wst("set", "sync-interval", "soon", WST_API=commanding.url).returncode == 2
    assert wst("mute", "lab@laptop", "--for", "1h", WST_API="http://127.0.0.1:9").returncode == 3


def test_the_kept_token_is_printed_with_its_link_and_used_towards_this_machine_only(tmp_path: Path) -> None:
    first = json.loads(wst("token", "--json", WST_DATA_DIR=str(tmp_path)).stdout)
    assert first["link"] == f"http://127.0.0.1:8321/#token={first['token']}"
    assert f"token  {first['token']}\n" in wst("token", "--data", str(tmp_path), WST_DATA_DIR="/nowhere").stdout
    assert json.loads(wst("token", "--json", WST_API_TOKEN="mine", WST_API_READ_TOKEN="r").stdout)["token"] == "mine"
    only_reading = wst("token", "--json", WST_API_READ_TOKEN="r", WST_DATA_DIR=str(tmp_path))
    assert json.loads(only_reading.stdout) == {
        "token": "r", "link": "http://127.0.0.1:8321/#token=r", "from": "WST_API_READ_TOKEN"
    }  # fmt: skip
    assert "token  r (may only read)\n" in wst("token", WST_API_READ_TOKEN="r").stdout
    with served(guard=replace(LOCAL, token=first["token"])) as there:
        assert wst("status", WST_API=there.url, WST_DATA_DIR=str(tmp_path)).returncode == 0
        assert wst("status", WST_API=there.url, WST_DATA_DIR=str(tmp_path / "other")).returncode == 1


@pytest.mark.parametrize(("answer", "asked", "code"), [("y\n", 1, 0), ("n\n", 0, 1), ("", 0, 1)])
def test_on_a_terminal_erasing_asks_first_and_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, answer: str, asked: int, code: int) -> None:
    sent: list[dict[str, object]] = []
    monkeypatch.setattr("streams.cli.commands.tell", lambda workspace, name, body, done, as_json: sent.append(body))
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: True, raising=False)
    ran = CliRunner().invoke(forget, [f"lab{HOSTILE}", "--erase"], input=answer)
    assert "\x1b" not in ran.output
    assert "Erase it? [y/N]" in ran.output
    assert (sent, ran.exit_code) == ([{"why": "", "erase": True}] * asked, code)
