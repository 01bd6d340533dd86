"""An archive that hangs keeps nobody waiting but who asks it: the list and the metrics go on."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver import Client

from schemas.errors import WstError
from streams import migrate
from streams.api.app import make_app
from streams.query.carry import Bounds
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.free import FreeQueries
from streams.sinks.clickhouse import Address, Busy, connect, explained
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.platform.clickhouse_http import ClickHouseHttpServer, Fault
from tests.platform.process import PATIENCE_S
from tests.sinks.archives import Real

MANY = [whole_state(f"ws-{number:03}@laptop") for number in range(200)]
QUESTIONS = ("/api/v1/alerts", "/api/v1/events", "/api/v1/query?sql=SELECT%201", "/api/v1/export/samples_rows")


@pytest.fixture
def address(private_clickhouse_http: ClickHouseHttpServer) -> Address:
    found = Address(private_clickhouse_http.url, "wst")
    client = connect(found)
    migrate.apply(found, client)
    client.close()
    return found


async def gone(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_list_and_the_metrics_answer_while_the_archive_hangs(
    private_clickhouse_http: ClickHouseHttpServer, address: Address
) -> None:
    archive = ClickHouseArchive(address)
    app = make_app(make_live(*MANY), archive, LOCAL, dict)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        for question in QUESTIONS:
            assert (await api.get(question)).status_code == 200, question
        private_clickhouse_http.pause()
        for _ in range(5):
            asked = [asyncio.create_task(api.get(question)) for question in QUESTIONS for _ in range(4)]
            await asyncio.wait(asked, timeout=0.1)
            for task in asked:
                await gone(task)
        async with asyncio.timeout(PATIENCE_S):
            assert len((await api.get("/api/v1/workspaces")).json()) == len(MANY)
            assert 'wst_archive_up{part="api"} 0.0' in (await api.get("/metrics")).text
        private_clickhouse_http.resume()
        assert (await api.get("/api/v1/alerts")).status_code == 200, "and whoever asks the archive again is answered"
    await archive.close()


async def test_a_server_that_says_nothing_is_given_up_soon_after_it_would_have_ended_a_question(
    private_clickhouse_http: ClickHouseHttpServer, address: Address
) -> None:
    patience_s: list[int] = []

    def opened(where: Address, seconds: int) -> Client:
        patience_s.append(seconds)
        return connect(where, 5)

    archive = ClickHouseArchive(address, opened=opened)
    assert await archive.ask("ping", {})
    assert await archive.query("SELECT 1", "json")
    assert max(patience_s) <= 40
    private_clickhouse_http.pause()
    for answer in await asyncio.gather(archive.ask("ping", {}), archive.query("SELECT 1", "json"), return_exceptions=True):
        assert isinstance(answer, Busy)
        assert "does not answer" in str(answer)
    private_clickhouse_http.resume()
    await archive.close()


@pytest.mark.parametrize("way", ["ask", "query", "export"])
async def test_a_turn_ends_with_its_question_whoever_has_gone_away(filled: Address, way: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    opened: list[Address] = []

    def slowly(address: Address, *_: int) -> Client:
        opened.append(address)
        begun.set()
        go_on.wait(PATIENCE_S)
        return connect(address)

    archive = ClickHouseArchive(filled, clients=1, opened=slowly)
    free = FreeQueries(filled, at_once=1, opened=slowly)
    ways: dict[str, Any] = {
        "ask": partial(archive.ask, "ping", {}),
        "query": partial(free.run, "SELECT 1"),
        "export": partial(archive.export_file, "samples_rows", "", Bounds()),
    }
    ask = ways[way]
    first = asyncio.create_task(ask())
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    await gone(first)
    other = asyncio.create_task(ask())
    await asyncio.wait([other], timeout=0.2)
    assert len(opened) == 1
    go_on.set()
    assert await other
    await archive.close()
    await free.close()


async def test_an_answer_that_ends_half_way_is_told_as_an_archive_that_does_not_answer(
    private_clickhouse_http: ClickHouseHttpServer, address: Address
) -> None:
    archive = ClickHouseArchive(address)
    app = make_app(make_live(*MANY), archive, LOCAL, dict)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://api") as api:
        private_clickhouse_http.fail(Fault("cut", "workspace_changes_rows"))
        cut = await api.get("/api/v1/events")
        assert (cut.status_code, "does not answer" in cut.json()["detail"]) == (503, True), cut.text
        assert (await api.get("/api/v1/events")).status_code == 200
    await archive.close()


async def test_what_goes_wrong_in_the_middle_of_an_answer_is_told_as_what_it_is(
    chdb_archive: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_late = "SELECT number, toString(number) AS text, throwIf(number = 450000, 'too late') AS late FROM numbers(500000)"
    monkeypatch.setattr("streams.query.clickhouse_archive.sql_of", lambda _: fails_late)
    for asked in (chdb_archive.archive.ask("late", {}), chdb_archive.archive.look("late", {})):
        with pytest.raises(WstError, match="too late"):
            await asked


def test_an_answer_that_cannot_be_read_may_come_later() -> None:
    with pytest.raises(Busy, match="does not answer"), explained(Address("chdb:///nowhere", "wst")):
        b"\x80".decode()
