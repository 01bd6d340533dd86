"""The API: shapes, filters, pages, errors as problems, and who is let in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.errors import Unreachable
from schemas.loopback import is_loopback
from schemas.settings import Settings
from streams.api.app import make_app
from streams.api.examples import EXAMPLES
from streams.api.following import heard_after
from streams.api.guard import Guard, guard_of
from streams.api.live import Live
from streams.api.places import Place
from streams.api.recent import Heard, RecentEvents
from streams.api.run import tree_of
from streams.core.facts import Position
from streams.query.archive import Archive
from streams.query.memory import MemoryArchive
from streams.query.present import state_json
from tests.face.api_parts import LOCAL, make_archive, make_live, put_state, put_usage, whole_event, whole_state, whole_usage
from tests.platform.process import PATIENCE_S
from tests.sinks.records import HOSTILE, T0_NS, arrive, event, rows_of, sample

SHOP, BLOG = (
    whole_state("shop@laptop"),
    whole_state("blog@laptop", workspace_name="blog", status="inactive", condition="failing", running=0),
)


@asynccontextmanager
async def client(live: Live, archive: Archive | None = None, guard: Guard = LOCAL) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(live, archive or await make_archive(), guard, lambda: {"parts": [{"name": "broker", "state": "up"}]})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as asking:
        yield asking


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    return said


async def test_workspaces_are_a_list_by_id_in_the_shape_of_the_interface() -> None:
    live = make_live(SHOP, BLOG)
    live.usage.apply(whole_usage(samples=[sample(memory_used_bytes=1 << 20, pids=3)]))
    async with client(live) as api:
        found = (await api.get("/api/v1/workspaces")).json()
        assert [state["workspace_id"] for state in found] == ["blog@laptop", "shop@laptop"]
        shop = found[1]
        assert (shop["status"], shop["condition"], shop["running"], shop["total"]) == ("active", "ok", 1, 1)
        assert shop["metrics"]["memory_usage"] == 1 << 20
        assert shop["metrics"]["cpu_percent"] == 50.0
        assert shop["containers"][0]["state"] == "running"
        only = (await api.get("/api/v1/workspaces", params={"condition": "failing"})).json()
        assert [state["name"] for state in only] == ["blog"]


async def test_one_workspace_is_found_by_id_or_by_a_name_that_only_it_has() -> None:
    other = whole_state("shop@server")
    async with client(make_live(SHOP, BLOG, other)) as api:
        assert (await api.get("/api/v1/workspaces/shop@laptop")).json()["workspace_id"] == "shop@laptop"
        assert (await api.get("/api/v1/workspaces/blog")).json()["workspace_id"] == "blog@laptop"
        ambiguous = problem_of(await api.get("/api/v1/workspaces/shop"), 409)
        assert ambiguous["candidates"] == ["shop@laptop", "shop@server"]
        assert "shop@laptop, shop@server" in ambiguous["detail"]
        problem_of(await api.get("/api/v1/workspaces/none"), 404)
        problem_of(await api.get(f"/api/v1/workspaces/{httpx.QueryParams({'x': HOSTILE})}"), 404)


async def test_before_all_states_are_loaded_it_says_so_instead_of_showing_half() -> None:
    async with client(make_live(SHOP, loaded=False)) as api:
        assert problem_of(await api.get("/api/v1/workspaces"), 503)["title"] == "starting"
        assert (await api.get("/api/v1/workspaces")).headers["retry-after"] == "1"
        health = await api.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "starting")


@pytest.mark.parametrize(
    "path",
    [
        "events?workspace=shop",
        "events/live?workspace=shop",
        "alerts?workspace=shop",
        "top?workspace=shop",
        "trends?workspace=shop",
        "as-of?time=1h&workspace=shop",
        *(f"workspaces/shop/{what}" for what in ("history", "usage", "samples", "why", "timeline")),
    ],
)
async def test_before_all_states_are_loaded_a_name_is_not_taken_for_an_id(path: str) -> None:
    async with client(make_live(SHOP, loaded=False)) as api:
        assert problem_of(await api.get(f"/api/v1/{path}"), 503)["title"] == "starting"


async def test_before_all_states_are_loaded_nobody_is_told_that_an_engine_is_unknown() -> None:
    async with client(make_live(SHOP, loaded=False)) as api:
        answer = await api.put("/api/v1/intervals/collect", json={"every": "5s", "engine": "laptop"})
        assert problem_of(answer, 503)["title"] == "starting"


async def test_health_shows_parts_and_lag() -> None:
    async with client(make_live(SHOP)) as api:
        said = (await api.get("/healthz")).json()
    assert (said["status"], said["workspaces"], said["parts"]) == ("ok", 1, [{"name": "broker", "state": "up"}])
    outputs = {"wst.workspace.state", "wst.workspace.usage", "wst.workspace.changes"}
    assert set(said["lag"]) == outputs | {"wst.workspace.control", "wst.docker.snapshots"}


def test_health_of_a_tree_tells_its_wire_its_directory_and_the_engines_it_watches_without_passwords(tmp_path: Path) -> None:
    settings = Settings(
        brokers="127.0.0.1:4711", data_dir=tmp_path, journal=tmp_path / "j", engines=["build=tcp://me:geheim@h:1", "unix:///run/d.sock"]
    )
    tree = {"brokers": "127.0.0.1:4711", "data_dir": str(tmp_path), "engines": ["tcp://***@h:1", "unix:///run/d.sock"]}
    assert tree_of(settings, [{"name": "producer"}]) == tree
    assert tree_of(settings, [{"name": "play"}]) == tree | {"engines": []}


async def test_without_the_token_health_does_not_tell_where_things_are() -> None:
    places = {"brokers": "127.0.0.1:1", "data_dir": "/d", "engines": ["unix:///x"]}
    app = make_app(make_live(SHOP), await make_archive(), TOKENS, lambda: {"parts": [], **places})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        assert set((await api.get("/healthz")).json()) == {"status", "workspaces", "lag", "parts"}
        said = (await api.get("/healthz", headers={"authorization": "Bearer read"})).json()
    assert {name: said[name] for name in places} == places


async def test_events_come_in_pages_by_time_and_can_be_chosen() -> None:
    events = [event(seq, at_ns=T0_NS + seq * 10**9) for seq in range(1, 8)]
    events.append(event(1, workspace_id="blog@laptop", kind="container_update", at_ns=T0_NS))
    async with client(make_live(SHOP, BLOG), await make_archive(*events)) as api:
        first = (await api.get("/api/v1/events", params={"workspace": "shop", "limit": 5})).json()
        assert [each["seq"] for each in first["events"]] == [1, 2, 3, 4, 5]
        rest = (await api.get("/api/v1/events", params={"workspace": "shop", "limit": 5, "cursor": first["next"]})).json()
        assert ([each["seq"] for each in rest["events"]], rest["next"]) == ([6, 7], None)
        newest = (await api.get("/api/v1/events", params={"limit": 2, "newest_first": True})).json()
        assert [each["seq"] for each in newest["events"]] == [7, 6]
        chosen = (await api.get("/api/v1/events", params={"type": "container_update"})).json()
        assert [each["workspace_id"] for each in chosen["events"]] == ["blog@laptop"]
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(T0_NS // 10**9 + 6))
        assert [each["seq"] for each in (await api.get("/api/v1/events", params={"since": since})).json()["events"]] == [6, 7]
        assert (await api.get("/api/v1/events", params={"since": "1h"})).json()["events"] == []


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"type": "nonsense"}, "type"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"since": "the other day"}, "since"),
        ({"since": "2026-01-31T12:00:00"}, "since"),
        ({"cursor": "%%%"}, "cursor"),
    ],
)
async def test_a_question_that_makes_no_sense_is_answered_with_what_is_wrong(params: dict[str, str], named: str) -> None:
    async with client(make_live(SHOP)) as api:
        answer = await api.get("/api/v1/events", params=params)
    assert named in problem_of(answer, answer.status_code)["detail"]
    assert answer.status_code in (400, 422)


async def test_live_events_wait_for_news_and_carry_on_where_they_left_off() -> None:
    live = make_live(SHOP)
    async with client(live) as api:
        place = (await api.get("/api/v1/events/live")).json()["next"]
        asked = asyncio.create_task(api.get("/api/v1/events/live", params={"after": place, "wait": 20}))
        await asyncio.sleep(0.05)
        assert not asked.done()
        live.recent.add(whole_event(1))
        live.recent.add(whole_event(1))
        heard = (await asyncio.wait_for(asked, PATIENCE_S)).json()
        assert [each["seq"] for each in heard["events"]] == [1]
        live.recent.add(whole_event(2))
        more = (await api.get("/api/v1/events/live", params={"after": heard["next"]})).json()
        assert ([each["seq"] for each in more["events"]], more["gap"]) == ([2], False)
        quiet = (await api.get("/api/v1/events/live", params={"after": more["next"], "wait": 0.05})).json()
        assert quiet == {"events": [], "next": more["next"], "gap": False}
        first = (await api.get("/api/v1/events/live", params={"after": "0-0"})).json()
        assert ([each["seq"] for each in first["events"]], first["gap"]) == ([1, 2], False)
        elsewhere = (await api.get("/api/v1/events/live", params={"after": "7-1"})).json()
        assert ([each["seq"] for each in elsewhere["events"]], elsewhere["gap"], elsewhere["next"]) == ([], True, more["next"])
        assert "is no place" in problem_of(await api.get("/api/v1/events/live", params={"after": "deadbeef-7"}), 400)["detail"]


def seqs(heard: Heard) -> list[int]:
    return [kept.event["seq"] for kept in heard.events]


async def test_a_follower_that_is_too_slow_is_told_of_the_gap_where_the_archive_cannot_help() -> None:
    recent = RecentEvents(keep=3)
    place = recent.place
    for seq in range(1, 6):
        recent.add(whole_event(seq))
    heard = recent.after(place, 2)
    assert (seqs(heard), heard.gap) == ([3, 4], True)
    rest = recent.after(heard.next, 9)
    assert (seqs(rest), rest.gap) == ([5], False)
    assert recent.add(whole_event(1))  # long forgotten: again news, with an id that says it is none
    assert (await heard_after(recent, MemoryArchive(), place)).gap


@given(st.data())
async def test_from_any_place_each_event_comes_once_and_in_order_whatever_is_in_the_archive_or_the_ring(data: st.DataObject) -> None:
    """Two epochs of a log over three partitions; a new process's ring begins anywhere the archive reaches to."""
    partitions = st.lists(st.integers(0, 2), min_size=0, max_size=12)
    older, newer = data.draw(partitions), data.draw(partitions)
    log = [(1, partition, at) for at, partition in enumerate(older)] + [(2, partition, at * 2 + 1) for at, partition in enumerate(newer)]
    archived = data.draw(st.integers(len(older), len(log)))
    begun = data.draw(st.integers(len(older), archived))
    archive = MemoryArchive()
    for number, (epoch, partition, at) in enumerate(log[:archived], 1):
        record = arrive(topics.WORKSPACE_CHANGES, event(number), Position(epoch, partition, at))
        await archive.write(rows_of(topics.WORKSPACE_CHANGES, record))
    first = {each: next((at for epoch, partition, at in log[begun:] if partition == each), 2 * len(log) + 1) for each in range(3)}
    recent = RecentEvents(keep=data.draw(st.integers(max(1, len(log) - archived), 20)))
    recent.begin(2, first, {}, {})
    for number, (_, partition, at) in enumerate(log[begun:], begun + 1):
        recent.add(whole_event(number), partition, at)
    at_epoch = data.draw(st.sampled_from((1, 2)))
    place = Place(at_epoch, tuple(data.draw(st.integers(0, 26)) for _ in range(data.draw(st.integers(0, 3)))))
    limit = data.draw(st.integers(1, 5))
    expected = [
        (epoch, partition, number)
        for number, (epoch, partition, at) in enumerate(log, 1)
        if epoch > place.epoch or (epoch == place.epoch and at >= place.at(partition))
    ]
    heard: list[tuple[int, int]] = []
    for _ in range(60):
        found = await heard_after(recent, archive, Place.parse(str(place)), limit)
        assert not found.gap
        heard += [(kept.partition, kept.event["seq"]) for kept in found.events]
        place = found.next
    for each in range(3):
        assert [seq for partition, seq in heard if partition == each] == [seq for _, partition, seq in expected if partition == each]


async def test_errors_of_ours_are_problems_without_their_inside() -> None:
    class Broken:
        async def events(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("inside")

        async def states(self) -> None:
            raise Unreachable("ClickHouse at x does not answer", "start it")

    app = make_app(make_live(SHOP), Broken(), LOCAL, dict)  # type: ignore[arg-type]  # an archive that breaks
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://api") as api:
        assert "inside" not in problem_of(await api.get("/api/v1/events"), 500)["detail"]
        problem_of(await api.get("/api/v1/nothing"), 404)
        wrong = await api.post("/api/v1/workspaces")
        assert problem_of(wrong, 405)["detail"] == "POST is not for this path: GET"
        assert wrong.headers["allow"] == "GET"


async def test_the_openapi_document_names_every_path_and_no_script_comes_from_elsewhere() -> None:
    app = make_app(make_live(SHOP), await make_archive(), LOCAL, dict)
    routes = {route.path for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema}
    async with client(make_live(SHOP)) as api:
        document = (await api.get("/openapi.json")).json()
        assert set(document["paths"]) == routes
        assert routes > {"/api/v1/workspaces", "/api/v1/workspaces/{workspace}", "/api/v1/events", "/api/v1/events/live", "/healthz"}
        problem_of(await api.get("/docs"), 404)


async def test_the_document_has_examples_and_says_that_every_route_may_answer_with_a_problem() -> None:
    async with client(make_live(SHOP)) as api:
        document = (await api.get("/openapi.json")).json()
    assert set(EXAMPLES) <= set(document["paths"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert "application/problem+json" in operation["responses"]["default"]["content"], path
    for name in ("State", "Event", "State.container", "Event.alert", "Problem"):
        assert document["components"]["schemas"][name]["type"] == "object"
    with_schema = {path for path, operations in document["paths"].items() if "schema" in good_of(next(iter(operations.values())))}
    assert with_schema >= {"/api/v1/workspaces", "/api/v1/workspaces/{workspace}", "/api/v1/events", "/api/v1/as-of"}
    for path in with_schema:
        for operation in document["paths"][path].values():
            one = good_of(operation)
            jsonschema.validate(one["example"], one["schema"] | {"components": document["components"]})
    shown = document["paths"]["/api/v1/workspaces"]["get"]["responses"]["200"]["content"]["application/json"]["example"][0]
    assert set(shown) == set(state_json(SHOP))
    assert set(shown["metrics"]) == set(state_json(SHOP)["metrics"])


def good_of(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    return found


async def test_an_answer_that_is_known_already_is_not_sent_again() -> None:
    live = make_live(SHOP, BLOG)
    async with client(live) as api:
        for path in ("/api/v1/workspaces", "/api/v1/workspaces/shop"):
            first = await api.get(path)
            same = await api.get(path, headers={"if-none-match": first.headers["etag"]})
            assert (same.status_code, same.content) == (304, b"")
            put_usage(live, whole_usage(tick_at_ns=time.time_ns(), samples=[sample()]))
            put_state(live, SHOP | {"seq": 8})
            assert (await api.get(path, headers={"if-none-match": first.headers["etag"]})).status_code == 200
        blog = await api.get("/api/v1/workspaces/blog")
        put_state(live, SHOP | {"seq": 9})
        assert (await api.get("/api/v1/workspaces/blog", headers={"if-none-match": blog.headers["etag"]})).status_code == 304
        assert [each["seq"] for each in (await api.get("/api/v1/workspaces", params={"q": "shop"})).json()] == [9]


async def test_workspaces_come_in_pages_and_can_be_chosen_in_every_way() -> None:
    many = [whole_state(f"ws-{number:02}@laptop", workspace_name=f"ws-{number:02}", labels={"n": str(number % 2)}) for number in range(7)]
    async with client(make_live(*many, whole_state("x@laptop", stale=True))) as api:
        found: list[str] = []
        path = "/api/v1/workspaces?limit=3&label=n"
        while path:
            page = await api.get(path)
            found += [state["name"] for state in page.json()]
            path = page.links["next"]["url"] if page.links else ""
        assert found == [f"ws-{number:02}" for number in range(7)]
        for params, count in (
            ({"label": "n=1"}, 3),
            ({"stale": "true"}, 1),
            ({"engine": "laptop"}, 8),
            ({"engine": "E2"}, 0),
            ({"q": "WS-03"}, 1),
        ):
            assert len((await api.get("/api/v1/workspaces", params=params)).json()) == count
        problem_of(await api.get("/api/v1/workspaces", params={"status": "asleep"}), 422)
        problem_of(await api.get("/api/v1/workspaces", params={"cursor": "é"}), 400)


async def test_what_needs_someone_comes_first_where_that_is_asked_for_and_its_pages_join() -> None:
    looks = (
        ("a", "archived", "failing", False), ("b", "inactive", "ok", False), ("c", "active", "ok", False), ("d", "active", "unknown", True),
        ("e", "active", "degraded", False), ("f", "inactive", "failing", False), ("g", "active", "ok", False),
    )  # fmt: skip
    many = [whole_state(f"{name}@x", workspace_name=name, status=s, condition=c, stale=old) for name, s, c, old in looks]
    async with client(make_live(*many)) as api:
        found: list[str] = []
        path = "/api/v1/workspaces?order=need&limit=2"
        while path:
            page = await api.get(path)
            found += [state["name"] for state in page.json()]
            path = page.links["next"]["url"] if page.links else ""
        assert found == ["f", "e", "d", "c", "g", "b", "a"]
        other = (await api.get("/api/v1/workspaces?limit=2")).links["next"]["url"]
        assert "another order" in problem_of(await api.get(other + "&order=need"), 400)["detail"]
        assert "order" in problem_of(await api.get("/api/v1/workspaces", params={"order": "beauty"}), 422)["detail"]


async def test_the_fleet_as_a_whole_its_engines_and_containers_are_told() -> None:
    live = make_live(SHOP, BLOG)
    put_usage(live, whole_usage(samples=[sample(memory_used_bytes=1 << 20, pids=3)]))
    async with client(live) as api:
        said = (await api.get("/api/v1/summary")).json()
        assert (said["workspaces"], said["by_status"], said["containers"]) == (2, {"active": 1, "inactive": 1, "archived": 0}, 2)
        assert (said["totals"]["memory_usage"], said["averages"]["pids"]) == (1 << 20, 3)
        assert said["peaks"]["cpu_percent"] == {"workspace_id": "shop@laptop", "value": 50.0}
        (engine,) = (await api.get("/api/v1/engines")).json()
        assert (engine["name"], engine["workspaces"], engine["stale"]) == ("laptop", 2, False)
        (container,) = (await api.get("/api/v1/workspaces/shop/containers")).json()
        assert (container["state"], container["metrics"]["pids"]) == ("running", 3)
        how = (await api.get("/api/v1/statistics")).json()
        assert (how["workspaces"], how["listeners"], how["sync_interval_seconds"]) == (2, 0, 30.0)


async def test_every_answer_tells_browsers_what_not_to_do_and_what_is_too_large_is_refused() -> None:
    async with client(make_live(SHOP)) as api:
        for path in ("/", "/assets/app.css", "/api/v1/workspaces", "/api/v1/nothing"):
            headers = (await api.get(path)).headers
            assert "unsafe-inline" not in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers
        problem_of(await api.get("/api/v1/workspaces?" + "q=x&" * 16_300), 414)
        problem_of(await api.post("/api/v1/workspaces", content=b"x" * 70_000), 413)
        for path in ("/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/__init__.py", "/assets/..%2Fsettings"):
            assert (await api.get(path)).status_code in (404, 405)
        packed = await api.get("/assets/app.css", headers={"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        again = await api.get("/assets/app.css", headers={"if-none-match": packed.headers["etag"]})
        assert again.status_code == 304


LOOPBACK = Guard(frozenset({"127.0.0.1", "localhost", "::1"}), None, None)
TOKENS = Guard(None, "all", "read")
#: What a browser says of a page that leads here from elsewhere.
PROXIED = Guard(frozenset({"127.0.0.1", "wst.example.org"}), None, None, frozenset({"wst.example.org", "wst.example.org:8443"}))
NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@pytest.mark.parametrize(
    ("guard", "method", "path", "headers", "status"),
    [
        (LOOPBACK, "GET", "/api/v1/workspaces", {"host": "127.0.0.1:8321"}, None),
        (LOOPBACK, "GET", "/api/v1/workspaces", {"host": "[::1]:8321"}, None),
        (LOOPBACK, "GET", "/api/v1/workspaces", {"host": "evil.example:8321"}, 421),
        (LOOPBACK, "GET", "/healthz", {"host": "evil.example"}, 421),
        (LOOPBACK, "GET", "/api/v1/workspaces", {}, 421),
        (LOOPBACK, "GET", "/api/v1/workspaces", {"host": "[127.0.0.1"}, 421),
        (LOOPBACK, "POST", "/api/v1/x", {"host": "localhost:8321", "origin": "http://evil.example"}, 403),
        (LOOPBACK, "POST", "/api/v1/x", {"host": "localhost:8321", "origin": "null"}, 403),
        (LOOPBACK, "POST", "/api/v1/x", {"host": "localhost:8321", "origin": "http://localhost:8321"}, None),
        (LOOPBACK, "POST", "/api/v1/x", {"host": "localhost:8321"}, None),
        (LOOPBACK, "GET", "/api/v1/query", {"host": "localhost:8321", "origin": "http://evil.example"}, 403),
        (LOOPBACK, "GET", "/api/v1/query", {"host": "localhost:8321", "origin": "http://localhost:8321"}, None),
        (LOOPBACK, "GET", "/api/v1/query", {"host": "localhost:8321", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        (LOOPBACK, "GET", "/metrics", {"host": "localhost:8321", "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        (LOOPBACK, "GET", "/", {"host": "localhost:8321", **NAVIGATION, "sec-fetch-dest": "iframe"}, 403),
        (LOOPBACK, "GET", "/", {"host": "localhost:8321", **NAVIGATION, "sec-fetch-dest": "document"}, None),
        (LOOPBACK, "GET", "/api/v1/x", {"host": "localhost:8321", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, None),
        (LOOPBACK, "GET", "/api/v1/x", {"host": "localhost:8321", "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, None),
        (PROXIED, "GET", "/api/v1/workspaces", {"host": "wst.example.org"}, None),
        (PROXIED, "GET", "/api/v1/workspaces", {"host": "other.example.org"}, 421),
        (PROXIED, "POST", "/api/v1/x", {"host": "127.0.0.1:8321", "origin": "https://wst.example.org"}, None),
        (PROXIED, "POST", "/api/v1/x", {"host": "127.0.0.1:8321", "origin": "https://wst.example.org:8443"}, None),
        (PROXIED, "POST", "/api/v1/x", {"host": "127.0.0.1:8321", "origin": "https://wst.example.org:1"}, 403),
        (PROXIED, "GET", "/api/v1/x", {"host": "127.0.0.1:8321", "origin": "https://wst.example.org"}, None),
        (PROXIED, "GET", "/api/v1/x", {"host": "127.0.0.1:8321", "origin": "https://evil.example"}, 403),
        (PROXIED, "GET", "/api/v1/x", {"host": "127.0.0.1:8321", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, 403),
        (TOKENS, "GET", "/api/v1/workspaces", {"host": "server"}, 401),
        (TOKENS, "GET", "/api/v1/workspaces", {"host": "server", "authorization": "bearer read"}, None),
        (TOKENS, "GET", "/api/v1/workspaces", {"host": "server", "authorization": "Basic read"}, 401),
        (TOKENS, "GET", "/api/v1/workspaces", {"host": "server", "authorization": "Bearer wrong"}, 401),
        (TOKENS, "GET", "/api/v1/workspaces", {"host": "server", "authorization": "Bearer read"}, None),
        (TOKENS, "POST", "/api/v1/x", {"host": "server", "authorization": "Bearer read"}, 403),
        (TOKENS, "POST", "/api/v1/x", {"host": "server", "authorization": "Bearer all"}, None),
        (TOKENS, "GET", "/healthz", {"host": "server"}, None),
    ],
)
def test_the_guard_lets_in_only_who_may(guard: Guard, method: str, path: str, headers: dict[str, str], status: int | None) -> None:
    problem = guard.judge(method, path, headers)
    assert (problem.status if problem else None) == status


def test_beyond_loopback_a_token_is_needed_and_made_once_for_its_owner_where_none_is_set(tmp_path: Path) -> None:
    made = guard_of(Settings(api_host="0.0.0.0", data_dir=tmp_path)).token
    assert made is not None
    assert len(made) > 40
    assert guard_of(Settings(api_host="0.0.0.0", data_dir=tmp_path)).token == made
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [("api.token", 0o600)]
    assert guard_of(Settings(api_host="0.0.0.0", data_dir=tmp_path, api_read_token="r")).token is None
    assert guard_of(Settings(data_dir=tmp_path)).token is None
    assert guard_of(Settings(api_host="0.0.0.0", api_token="t")).token == "t"
    assert guard_of(Settings()).hosts is not None
    assert [is_loopback(host) for host in ("127.0.0.9", "::1", "localhost", "0.0.0.0", "example.org")] == [True, True, True, False, False]


def test_behind_a_proxy_the_api_is_known_under_the_names_it_is_given() -> None:
    guard = guard_of(Settings(api_hosts=["WST.example.org", "h:8443"]))
    assert guard.hosts is not None
    assert guard.hosts >= {"wst.example.org", "h", "localhost"}
    assert guard.judge_socket("/api/v1/stream", {"host": "127.0.0.1:8321", "origin": "https://wst.example.org"}) is None
    assert guard.judge_socket("/api/v1/stream", {"host": "127.0.0.1:8321", "origin": "https://h"}) is not None
    beyond = guard_of(Settings(api_host="0.0.0.0", api_token="t", api_hosts=["wst.example.org"]))
    assert (beyond.hosts, sorted(beyond.origins)) == (None, ["wst.example.org"])


async def test_a_request_under_a_foreign_name_gets_no_answer_from_the_app() -> None:
    async with client(make_live(SHOP)) as api:
        problem_of(await api.get("/api/v1/workspaces", headers={"host": "evil.example"}), 421)
