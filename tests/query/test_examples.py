"""The examples of the OpenAPI document are what real answers look like, field by field, and what may be asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx
import jsonschema
import pytest

from producers.control import control_record
from schemas import topics
from schemas.codec import codec
from streams.api.app import app_of
from streams.api.desk import Desk
from streams.api.examples import EXAMPLES
from streams.api.live import Live
from streams.api.site import Site
from tests.core_state.makers import event as fact
from tests.face.api_parts import LOCAL, make_live, put_usage, whole_event, whole_state, whole_usage
from tests.face.folding import FoldingLog
from tests.query.story import told
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import T0_NS, arrive, position, rows_of, sample
from tests.time.log import Log

#: Their keys are data: statuses, labels, names of topics.
MAPS: Final = frozenset(
    ("labels", "lag", "by_status", "by_condition", "by_container_state", "migrations", "headers_hex", "decoded", "sink", "time_in_state")
)
LAB: Final = "shop@laptop"
_DAY: Final = "since=2d"
#: Path of the document → what is asked here; {…} is filled in where it is known by then.
QUESTIONS: Final = {
    "/api/v1/workspaces": "",
    "/api/v1/workspaces/{workspace}": "",
    "/api/v1/workspaces/{workspace}/containers": "",
    "/api/v1/workspaces/{workspace}/history": _DAY + "&step=1h",
    "/api/v1/workspaces/{workspace}/usage": _DAY,
    "/api/v1/workspaces/{workspace}/samples": _DAY + "&limit=5",
    "/api/v1/workspaces/{workspace}/timeline": "since=30d&type=status_changed",
    "/api/v1/events": "type=status_changed",
    "/api/v1/events/live": "wait=0&after=0-",
    "/api/v1/summary": "",
    "/api/v1/engines": "",
    "/api/v1/statistics": "",
    "/api/v1/alerts": "all=true",
    "/api/v1/trends": "workspace=shop",
    "/api/v1/top": _DAY,
    "/api/v1/idle": "inactive_after=1h",
    "/api/v1/query": "sql=SELECT 1 AS one",
    "/api/v1/export": "",
    "/api/v1/dead-letters": "",
    "/api/v1/dead-letters/{letter}": "",
    "/healthz": "",
    "/readyz": "",
}


def differences(shown: Any, real: Any, where: str = "") -> Iterator[str]:
    """Where an example has other fields, or values of another kind, than a real answer; of a list the first is looked at."""
    if isinstance(shown, dict) and isinstance(real, dict):
        if where.rpartition(".")[2] in MAPS:
            return
        if set(shown) != set(real):
            yield f"{where}: only in the example {sorted(set(shown) - set(real))}, only in the answer {sorted(set(real) - set(shown))}"
        for name in set(shown) & set(real):
            yield from differences(shown[name], real[name], f"{where}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        if shown and real:
            yield from differences(shown[0], real[0], where + "[]")
    elif None not in (shown, real) and _kind(shown) != _kind(real):
        yield f"{where}: {shown!r} in the example, {real!r} in the answer"


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_a_difference_is_noticed() -> None:
    assert list(differences({"a": [{"b": 1}]}, {"a": [{"b": 2.5}]})) == []
    assert len(list(differences({"a": [{"b": 1}], "c": 1}, {"a": [{"b": "x"}], "d": 1}))) == 2


@pytest.fixture
async def asking(chdb_archive: Real) -> AsyncIterator[tuple[httpx.AsyncClient, Live]]:
    """An API over a filled archive, with a live workspace that is sampled, an alert and a dead letter."""
    for block in told():
        await chdb_archive.write([block])
    raised = {"rule": "cpu", "metric": "cpu_percent", "value": 97.0, "threshold": 80.0, "since_ns": T0_NS, "labels": {"team": "x"}}
    alert = records.event(99, LAB, "alert_raised", T0_NS, alert=raised | {"dedup_key": "k", "container_id": "c1"})
    await chdb_archive.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, alert, position(99))))
    await chdb_archive.write(rows_of(topics.DEAD_LETTERS, arrive(topics.DEAD_LETTERS, records.dead_letter(7), position(1))))
    live = make_live(whole_state(LAB))
    put_usage(live, whole_usage(tick_at_ns=time.time_ns(), samples=[sample()]))
    live.recent.add(whole_event(5))
    log = FoldingLog(live)
    app = app_of(Site(live, chdb_archive.archive, LOCAL, lambda: {"parts": []}, Desk(log, live, "wst.")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client, live


async def test_alerts_and_dead_letters_come_in_pages_that_are_together_all_of_them_once(
    asking: tuple[httpx.AsyncClient, Live], chdb_archive: Real
) -> None:
    api, _ = asking
    raised = {"rule": "cpu", "metric": "cpu_percent", "value": 97.0, "threshold": 80.0, "labels": {}, "container_id": "c1"}
    for number in range(7):  # of each instant two, as alerts of one tick are
        since_ns = T0_NS + number // 2 * 10**9
        alert = records.event(200 + number, LAB, "alert_raised", since_ns, alert=raised | {"since_ns": since_ns, "dedup_key": f"k{number}"})
        await chdb_archive.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, alert, position(200 + number))))
        letter = arrive(topics.DEAD_LETTERS, records.dead_letter(20 + number), position(10 + number))
        await chdb_archive.write(rows_of(topics.DEAD_LETTERS, letter))

    async def pages(path: str, name: str, key: str, limit: int) -> list[str]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await api.get(path, params={"all": "true", "limit": limit, **cursor})).json()
            assert 0 < len(page[name]) <= limit
            found += [each[key] for each in page[name]]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    for path, name, key in (("/api/v1/alerts", "alerts", "dedup_key"), ("/api/v1/dead-letters", "dead_letters", "id")):
        whole = await pages(path, name, key, 1_000)
        assert len(set(whole)) == len(whole) == 8
        for limit in (1, 2, 3, 8):
            assert await pages(path, name, key, limit) == whole
        strange = await api.get(path, params={"cursor": "x"})
        assert strange.status_code in {400, 422}
    foreign = (await api.get("/api/v1/alerts", params={"all": "true", "limit": 1})).json()["next"]
    assert (await api.get("/api/v1/dead-letters", params={"cursor": foreign})).status_code == 422


async def test_every_answer_has_an_example_and_every_example_is_like_the_answer(asking: tuple[httpx.AsyncClient, Live]) -> None:
    api, _ = asking
    letter = (await api.get("/api/v1/dead-letters")).json()["dead_letters"][0]["id"]
    faults = []
    for path, query in QUESTIONS.items():
        answer = await api.get(path.format(workspace=LAB, letter=letter) + (f"?{query}" if query else ""))
        assert answer.status_code == 200, f"{path}: {answer.text}"
        faults += list(differences(EXAMPLES[path], answer.json(), path))
    assert faults == []
    document = (await api.get("/openapi.json")).json()
    reading = {path for path, operations in document["paths"].items() if "get" in operations}
    not_json = {"/metrics", "/api/v1/export/{table}"}
    past = {"/api/v1/as-of", "/api/v1/workspaces/{workspace}/why"}
    assert reading == set(QUESTIONS) | not_json | past
    for path, operations in document["paths"].items():
        for operation in operations.values():
            good = operation["responses"].get("200", operation["responses"].get("202", {}))
            assert path in not_json or "example" in good["content"]["application/json"], path


async def test_the_past_of_the_examples_is_like_the_real_one(chdb_archive: Real) -> None:
    log = Log()
    log.slice([fact("start", 0), fact("die", 10, exit_code=1)])
    for block in log.rows():
        await chdb_archive.write([block])
    app = app_of(Site(make_live(), chdb_archive.archive, LOCAL, dict))
    workspace = next(iter(log.states))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        why = (await api.get(f"/api/v1/workspaces/{workspace}/why")).json()
        assert why["causes"][0]["facts"]
        then = (await api.get("/api/v1/as-of?time=1s")).json()
        assert then["workspaces"][0]["containers"]
    assert list(differences(EXAMPLES["/api/v1/workspaces/{workspace}/why"], why)) == []
    assert list(differences(EXAMPLES["/api/v1/as-of"], then)) == []


async def test_requests_as_the_examples_have_them_are_obeyed_and_answered_like_theirs(asking: tuple[httpx.AsyncClient, Live]) -> None:
    api, live = asking
    document = (await api.get("/openapi.json")).json()
    section = {"producer_id": "p", "engine_name": "laptop", "host": "h", "interval_ms": 10_000}
    live.engines.apply_control(codec("control").decode(control_record("wst.", "E1", "producer", section, time.time_ns()).value))
    assert (await api.post("/api/v1/workspaces/lab@laptop/register")).status_code == 200
    steps = ("rename", "mute", "unmute", "archive", "unarchive", "archive", "restore", "forget", "register")
    asked = [(f"/api/v1/workspaces/{{workspace}}/{name}", {"workspace": "lab@laptop"}) for name in steps]
    letter = (await api.get("/api/v1/dead-letters")).json()["dead_letters"][0]["id"]
    seen = {"/api/v1/sync"}  # no engine is there to answer it: tests/e2e asks a real one
    for path, names in asked:
        answer = await api.post(path.format(**names), json=example_of(document, path, "post"))
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert list(differences(EXAMPLES[path], answer.json() | {"workspace": EXAMPLES[path]["workspace"]}, path)) == []
        seen.add(path)
        await asyncio.sleep(0)
    for path, method, names in (
        ("/api/v1/engines/{engine}/mute", "post", {"engine": "laptop"}),
        ("/api/v1/engines/{engine}/unmute", "post", {"engine": "laptop"}),
        ("/api/v1/intervals/{interval}", "put", {"interval": "collect"}),
        ("/api/v1/dead-letters/replay", "post", {}),
    ):
        body = example_of(document, path, method)
        given = {"ids": [letter]} if "replay" in path else body
        answer = await api.request(method, path.format(**names), json=given)
        assert answer.status_code in (200, 409) if "engine}" in path else answer.status_code == 200, f"{path}: {answer.text}"
        if answer.status_code == 200:
            assert list(differences(EXAMPLES[path], answer.json(), path)) == []
        seen.add(path)
    writing = {path for path, operations in document["paths"].items() if {"post", "put"} & set(operations)}
    assert seen == writing


def example_of(document: dict[str, Any], path: str, method: str) -> Any:
    """The example of a request's body; it fits its own schema."""
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    name = next(one["$ref"] for one in schema.get("anyOf", [schema]) if "$ref" in one).rpartition("/")[2]
    (example, *_) = document["components"]["schemas"][name]["examples"]
    jsonschema.validate(example, {"$ref": f"#/components/schemas/{name}", "components": document["components"]})
    return example
