"""Tracker and ResourceMonitor over the API, which runs for real on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

from schemas.codec import codec
from schemas.errors import Refused, SettingError, Unreachable
from schemas.requests import interval_record
from schemas.settings import Settings
from streams import ResourceMonitor, Tracker
from streams.api.desk import Desk
from tests.client.waiting import until, until_known
from tests.face.api_parts import Served, put_state, put_usage, served, whole_event, whole_state, whole_usage
from tests.face.folding import FoldingLog
from tests.sinks.records import sample

Change = tuple[str, Any, Any]


def settings(api: Served) -> Settings:
    return Settings(api=api.url)


def put_event(api: Served, seq: int, **more: Any) -> None:
    api.call(lambda: api.live.recent.add(whole_event(seq, **more), 0, seq))


def put(api: Served, **more: Any) -> None:
    record = whole_state(more.pop("workspace_id", "shop@laptop"), **more)
    api.call(lambda: put_state(api.live, record))


def test_importing_streams_loads_neither_http_nor_kafka() -> None:
    code = "import sys, streams; assert not {'httpx', 'aiokafka', 'streams.client'} & set(sys.modules); streams.Tracker"
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_states_are_found_by_id_and_by_unique_name_and_an_unknown_one_is_none() -> None:
    with served(whole_state("shop@laptop"), whole_state("a@x", workspace_name="twice"), whole_state("a@y", workspace_name="twice")) as api:
        async with Tracker(settings(api)) as tracker:
            for name in ("shop@laptop", "shop"):
                state = tracker.get_workspace_state(name)
                assert state is not None
                assert (state["workspace_id"], state["status"]) == ("shop@laptop", "active")
            assert tracker.get_workspace_state("nobody") is None
            with pytest.raises(Refused, match="'twice' is the name of 2 workspaces: a@x, a@y"):
                tracker.get_workspace_state("twice")
            assert list(tracker.get_all_workspace_states()) == ["a@x", "a@y", "shop@laptop"]


async def test_a_change_is_told_with_the_state_before_and_after_also_of_the_newest_state_when_the_event_is_first() -> None:
    heard: list[Change] = []
    with served(whole_state("shop@laptop", seq=1)) as api:
        async with Tracker(settings(api)) as tracker:

            @tracker.on_state_change
            async def changed(workspace_id: str, old: Any, new: Any) -> None:
                heard.append((workspace_id, old and old["status"], new and new["status"]))

            # The event is heard before the API knows the state: nobody is told of the old one.
            put_event(api, 2)
            await asyncio.sleep(0.1)
            assert heard == []
            put(api, status="inactive", seq=2)
            await until(lambda: heard == [("shop@laptop", "active", "inactive")])
            state = tracker.get_workspace_state("shop")
            assert state is not None
            assert state["status"] == "inactive"
            stats = tracker.stats()
            assert (stats.workspaces, stats.registered_callbacks, stats.callbacks[0].calls) == (1, 1, 1)


async def test_a_sync_that_finds_nothing_is_no_change_a_new_and_a_forgotten_workspace_are() -> None:
    heard: list[Change] = []
    with served(whole_state("shop@laptop", seq=1)) as api:
        async with Tracker(settings(api)) as tracker:
            tracker.on_state_change(lambda *change: heard.append(change))
            put(api, seq=1, last_sync_ns=1_700_000_000 * 10**9)
            put(api, seq=1, workspace_id="new@laptop")
            put_event(api, 1, workspace_id="new@laptop")
            await until(lambda: len(heard) == 1)
            assert (heard[0][0], heard[0][1], heard[0][2]["workspace_id"]) == ("new@laptop", None, "new@laptop")
            api.call(lambda: put_state(api.live, None, "new@laptop"))
            put_event(api, 2, workspace_id="new@laptop")
            await until(lambda: len(heard) == 2)
            assert heard[1][2] is None
            await until(lambda: tracker.stats().last_sync == "2023-11-14T22:13:20.000Z")


async def test_commands_go_with_who_and_why_their_answer_is_known_at_once_and_a_refusal_says_why() -> None:
    def with_desk(api: Served) -> None:
        object.__setattr__(api.site, "desk", Desk(FoldingLog(api.live), api.live, "wst."))

    with served(prepare=with_desk) as api:
        async with Tracker(settings(api)) as tracker:
            made = await tracker.register("lab-7@laptop", "Lab 7", why="soon", by="ada")
            assert made is not None
            assert (made["status"], made["reason"]) == ("inactive", "registered by ada: soon")
            assert tracker.get_workspace_state("Lab 7") == made
            renamed = await tracker.rename("Lab 7", "Lab 8")
            assert (renamed or {})["name"] == "Lab 8"
            assert ((await tracker.archive("Lab 8", why="over")) or {})["status"] == "archived"
            with pytest.raises(Refused, match="it is archived already"):
                await tracker.archive("Lab 8")
            assert ((await tracker.unarchive("lab-7@laptop")) or {})["status"] == "inactive"
            assert ((await tracker.mute("Lab 8", 3600)) or {})["muted_until"]
            assert ((await tracker.unmute("Lab 8")) or {})["muted_until"] is None
            with pytest.raises(SettingError, match="no time to mute for"):
                await tracker.mute("Lab 8", 0)
            await tracker.forget("Lab 8", erase=True)
            assert tracker.get_workspace_state("lab-7@laptop") is None
            with pytest.raises(Refused, match="there is no workspace 'Lab 8'"):
                await tracker.unarchive("Lab 8")
            with pytest.raises(SettingError, match="is no workspace id"):
                await tracker.register("Lab 9")


async def test_of_two_trackers_that_contradict_each_other_at_once_one_is_obeyed_and_the_other_told_why() -> None:
    def with_desk(api: Served) -> None:
        object.__setattr__(api.site, "desk", Desk(FoldingLog(api.live), api.live, "wst."))

    with served(prepare=with_desk) as api:
        async with Tracker(settings(api)) as here, Tracker(settings(api)) as there:
            for number in range(10):
                name = f"lab-{number}"
                await here.register(name)
                await until_known(there, name)
                said = await asyncio.gather(here.archive(name), there.forget(name), here.archive(name), return_exceptions=True)
                archived = [one for one in (said[0], said[2]) if not isinstance(one, BaseException)]
                refused = [str(one) for one in said if isinstance(one, Refused)]
                assert len(refused) == sum(isinstance(one, BaseException) for one in said)
                assert len(archived) <= 1
                assert all("archived already" in why or "there is no" in why for why in refused), refused
                assert said[1] is None, "forgotten, archived or not"


async def test_statistics_are_those_in_force_and_of_the_last_listing_also_where_it_found_nothing_new() -> None:
    with served(whole_state("shop@laptop", last_sync_ns=1_700_000_000 * 10**9)) as api:
        listing = {
            "snapshot_id": "s", "engine_id": "E1", "engine_name": "laptop", "generation": 0, "listed_at_ns": 1, "part": 0, "parts": 1,
            "recorded_at_ns": 1_700_000_060 * 10**9, "sync_interval_ms": 7_000, "containers": [],
        }  # fmt: skip
        own = codec("snapshot")
        api.call(lambda: api.live.engines.apply_snapshot(own.decode(own.encode(listing))))
        async with Tracker(settings(api)) as tracker:
            stats = tracker.stats()
            assert (stats.last_sync, stats.sync_interval_seconds) == ("2023-11-14T22:14:20.000Z", 7.0)
            # Set by somebody else, from wherever.
            record = interval_record("wst.", "*", "sync", 15)
            api.call(lambda: api.live.engines.apply_control(codec("control").decode(record.value)))
            await until(lambda: tracker.stats().sync_interval_seconds == 15)


async def test_an_api_out_of_reach_and_an_interval_that_is_none_are_said_in_one_line() -> None:
    with pytest.raises(Unreachable, match=r"no API answers at http://127\.0\.0\.1:1 "):
        async with Tracker(Settings(api="http://127.0.0.1:1")):
            pass
    with served() as api:
        async with Tracker(settings(api)) as tracker:
            for seconds in (0, -1, float("nan"), 1e9):
                with pytest.raises(SettingError, match="is no interval"):
                    await tracker.set_sync_interval(seconds)
            with pytest.raises(Refused, match="there is no workspace 'nobody'"):
                await tracker.force_sync("nobody")


def tick(at_s: int, used: int) -> dict[str, Any]:
    at_ns = at_s * 10**9
    return whole_usage(samples=[sample(read_ns=at_ns, memory_used_bytes=used)], tick_at_ns=at_ns)


class Proxy:
    """What stands between a client and the API: passes on, or wants a login, in JSON."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[asyncio.StreamWriter] = []
        self.wants_a_login = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        if self.wants_a_login:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"login": "sso"}')
            writer.close()
            return
        back, out = await asyncio.open_connection("127.0.0.1", self._port)
        self._open.append(out)
        await asyncio.gather(_pump(reader, out), _pump(back, writer))

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_a_proxy_that_answers_in_json_of_its_own_is_said_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with served(whole_state("shop@laptop", seq=1)) as api:
        proxy = Proxy(urlsplit(api.url).port or 0)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        there = Settings(api=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        proxy.wants_a_login = True
        with pytest.raises(Unreachable, match=r"no API of wst: its JSON has another shape .*: set WST_API"):
            async with Tracker(there):
                pass
        proxy.wants_a_login = False
        async with Tracker(there) as tracker:
            proxy.wants_a_login = True
            proxy.cut()
            await until(lambda: caplog.text.count("its JSON has another shape") > 1)
            put(api, status="inactive", seq=2)
            proxy.wants_a_login = False
            await until(lambda: (tracker.get_workspace_state("shop") or {})["status"] == "inactive")
        server.close()
        proxy.cut()


async def test_watch_gives_what_is_known_then_the_newest_only_and_the_summary_adds_up() -> None:
    now_s = 1_700_000_000
    with served(
        whole_state("shop@laptop"), whole_state("idle@laptop", status="inactive", workspace_name="idle", running=0, total=0, containers=[])
    ) as api:
        put_usage(api.live, tick(now_s, 100))
        async with ResourceMonitor(settings(api)) as monitor:
            watching = monitor.watch("shop")
            assert (await anext(watching))["memory_usage"] == 100
            assert monitor.stats().active_monitors == 1
            for step in range(1, 4):
                api.call(lambda step=step: put_usage(api.live, tick(now_s + step, 100 * (5 - step))))  # type: ignore[misc]
                await until(lambda step=step: (monitor._metrics("shop@laptop") or {})["memory_usage"] == 100 * (5 - step))  # type: ignore[misc]
            # Three came while nobody looked; one is seen.
            assert (await anext(watching))["memory_usage"] == 200
            stats, summary = monitor.stats(), monitor.get_resource_summary()
            await watching.aclose()  # type: ignore[attr-defined]
            assert monitor.stats().active_monitors == 0
    assert (stats.collections, stats.conflated, stats.failures, stats.cache_workspaces) == (3, 2, 0, 2)
    assert summary["totals"]["memory_usage"] == 200
    assert summary["averages"]["cpu_percent"] == 50.0
    assert summary["peaks"]["memory_usage"]["value"] == 400
    assert (summary["workspaces"], summary["active_containers"], summary["measured_workspaces"]) == (2, 1, 1)
    assert summary["engines"] == [{"id": None, "name": "laptop", "containers": 1, "running": 1}]


async def test_nothing_measured_is_none_not_zero() -> None:
    with served(whole_state("shop@laptop")) as api:
        async with ResourceMonitor(settings(api)) as monitor:
            summary = monitor.get_resource_summary()
    assert (summary["totals"]["cpu_percent"], summary["averages"]["memory_usage"], summary["peaks"]) == (None, None, {})
