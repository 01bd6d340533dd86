"""The WebSocket on a real server: what comes, from where it goes on, who is let in, and who is cut off."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from streams.api import routes_stream
from streams.api.guard import Guard
from tests.face.api_parts import Served, put_state, put_usage, served, whole_event, whole_state, whole_usage
from tests.platform.process import PATIENCE_S
from tests.sinks.records import T0_NS, event, sample

SHOP, BLOG = whole_state("shop@laptop"), whole_state("blog@laptop", workspace_name="blog")
TOKENS = Guard(None, "all", "read")


@contextmanager
def listening(api: Served, params: dict[str, Any] | None = None, **more: Any) -> Iterator[Connection]:
    url = f"{api.url.replace('http', 'ws')}/api/v1/stream?{urlencode(params or {}, doseq=True)}"
    with connect(url, compression=None, proxy=None, **more) as client:
        yield client


def next_of(client: Connection, kind: str) -> dict[str, Any]:
    """The next message of a kind; what comes before it is passed over."""
    while True:
        said: dict[str, Any] = json.loads(client.recv(timeout=PATIENCE_S))
        if said["type"] == kind:
            return said


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refused(api: Served, status: int, params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as refusal, listening(api, params, **more):
        pass
    assert refusal.value.response.status_code == status
    said: dict[str, Any] = json.loads(refusal.value.response.body or b"{}")
    return said


def test_events_states_and_metrics_come_as_they_happen() -> None:
    with served(SHOP, BLOG) as api, listening(api, {"what": "events,states,metrics"}) as client:
        assert next_of(client, "hello")["heartbeat_seconds"] == 15.0
        api.call(lambda: api.live.recent.add(whole_event(1)))
        assert [each["seq"] for each in next_of(client, "events")["events"]] == [1]
        api.call(lambda: put_state(api.live, whole_state("shop@laptop", status="inactive", seq=2)))
        (shop,) = next_of(client, "states")["workspaces"]
        assert (shop["workspace_id"], shop["status"], shop["metrics"]["pids"]) == ("shop@laptop", "inactive", None)
        api.call(lambda: put_usage(api.live, whole_usage(samples=[sample(pids=7)])))
        (used,) = next_of(client, "metrics")["workspaces"]
        assert (used["workspace_id"], used["metrics"]["pids"]) == ("shop@laptop", 7)
        api.call(lambda: put_state(api.live, None, "blog@laptop"))
        assert next_of(client, "gone")["workspace_ids"] == ["blog@laptop"]


def test_a_listener_hears_only_what_it_asked_for() -> None:
    with served(SHOP, BLOG) as api, listening(api, {"type": "error", "workspace": "shop", "what": "events"}) as client:
        next_of(client, "hello")
        api.call(lambda: api.live.recent.add(whole_event(1)))
        api.call(lambda: api.live.recent.add(whole_event(2, workspace_id="blog@laptop", kind="error")))
        api.call(lambda: api.live.recent.add(whole_event(3, kind="error")))
        assert [each["seq"] for each in json.loads(client.recv(timeout=PATIENCE_S))["events"]] == [3]


def test_who_comes_back_to_a_restarted_api_hears_what_came_meanwhile_and_nothing_twice() -> None:
    past = tuple(event(seq, at_ns=T0_NS + seq) for seq in range(1, 41))
    with served(SHOP) as api, listening(api) as client:
        place = next_of(client, "hello")["position"]
        assert place == "0-"
        for seq in range(1, 6):
            api.call(partial(api.live.recent.add, whole_event(seq)))
        heard: list[int] = []
        while len(heard) < 5:
            said = next_of(client, "events")
            heard += [each["seq"] for each in said["events"]]
        assert (heard, said["position"]) == ([1, 2, 3, 4, 5], "0-5")

    def restart(api: Served) -> None:
        # The archive of `served` has its events at offsets 1, 2, … of epoch 1; its ring begins behind them.
        api.live.recent.begin(1, {0: 41}, {0: 40}, {0: 41})

    with served(SHOP, events=past, prepare=restart) as api, listening(api, {"after": "1-6"}) as client:
        api.call(lambda: api.live.recent.add(whole_event(41), 0, 41))
        heard = []
        while 41 not in heard:
            heard += [each["seq"] for each in next_of(client, "events")["events"]]
        assert heard == list(range(6, 42))


def test_a_quiet_line_carries_heartbeats_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_stream, "HEARTBEAT_S", 0.05)
    with served(SHOP) as api, listening(api, {"type": "error"}) as client:
        next_of(client, "hello")
        assert next_of(client, "heartbeat")["position"] == "0-"
        api.call(lambda: api.live.recent.add(whole_event(1)))
        while next_of(client, "heartbeat")["position"] != "0-1":
            pass


def test_who_does_not_read_is_cut_off_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_stream, "PATIENCE_S", 0.3)
    with served(SHOP) as api, listening(api) as good:
        bad = socket.create_connection(("127.0.0.1", int(api.url.rsplit(":", 1)[1])))
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bad.sendall(
            b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
        )
        next_of(good, "hello")
        until(lambda: len(api.site.listeners) == 2)
        said: list[int] = []
        while len(api.site.listeners) == 2:
            news = [whole_event(len(said) + more, message="x" * 20_000) for more in range(1, 11)]
            for each in news:
                api.call(partial(api.live.recent.add, each))
            heard: list[int] = []
            while len(heard) < len(news):
                heard += [each["seq"] for each in next_of(good, "events")["events"]]
            said += heard
        assert said == list(range(1, len(said) + 1))
        bad.close()


def test_a_foreign_page_or_host_gets_no_line_and_a_token_is_asked_for_where_one_is_set() -> None:
    with served(SHOP) as api:
        assert refused(api, 403, origin="http://evil.example")["title"] == "foreign origin"
        assert refused(api, 403, origin="null")["title"] == "foreign origin"
        with listening(api, origin=api.url) as client:
            next_of(client, "hello")
    with served(SHOP, guard=Guard(frozenset({"elsewhere"}), None, None)) as api:
        assert refused(api, 421)["title"] == "wrong host"
    with served(SHOP, guard=TOKENS) as api:
        assert refused(api, 401)["title"] == "token needed"
        assert refused(api, 401, additional_headers={"Authorization": "Bearer wrong"})["status"] == 401
        with listening(api, additional_headers={"Authorization": "Bearer read"}) as client:
            next_of(client, "hello")
        coded = base64.urlsafe_b64encode(b"read").decode().rstrip("=")
        with listening(api, subprotocols=["wst", f"wst.token.{coded}"]) as client:
            assert client.subprotocol == "wst"
            next_of(client, "hello")
        assert refused(api, 401, subprotocols=["wst", "wst.token.%%%"])["status"] == 401


@pytest.mark.parametrize(
    ("params", "status", "named"),
    [
        ({"what": "gossip"}, 422, "what"),
        ({"type": "gossip"}, 422, "type"),
        ({"after": "yesterday"}, 400, "place"),
        ({"workspaces": "shop"}, 422, "workspaces"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_with_what_is_wrong(params: dict[str, str], status: int, named: str) -> None:
    with served(SHOP) as api:
        assert named in refused(api, status, params)["detail"]


def test_a_client_that_talks_too_much_is_closed() -> None:
    with served(SHOP) as api, listening(api) as client:
        next_of(client, "hello")
        client.send("x" * 5_000)
        with pytest.raises(ConnectionClosed):
            next_of(client, "never")
