"""What clients send to the API: request lines, headers, bodies and WebSockets, given to the whole app as a server would."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from schemas.codec import codec
from streams.api.app import app_of
from streams.api.desk import Desk
from streams.api.guard import Guard
from streams.api.site import Site
from streams.query.memory import MemoryArchive
from tests.face.api_parts import make_archive, make_live, whole_state
from tests.face.folding import FoldingLog
from tests.fuzz.mutate import bytes_like, json_like
from tests.fuzz.target import Target
from tests.sinks.records import event

SHOP: Final = "shop@laptop"
_GET: Final = (
    "workspaces", f"workspaces/{SHOP}", f"workspaces/{SHOP}/containers", f"workspaces/{SHOP}/history", f"workspaces/{SHOP}/samples",
    f"workspaces/{SHOP}/usage", f"workspaces/{SHOP}/why", f"workspaces/{SHOP}/timeline", "events", "events/live", "engines", "summary",
    "statistics", "alerts", "dead-letters", "dead-letters/1.0.7", "trends", "top", "as-of", "idle", "query", "export",
    "export/samples_rows",
)  # fmt: skip
_POST: Final = (
    *(f"workspaces/{SHOP}/{name}" for name in ("archive", "restore", "forget", "mute", "unmute", "rename", "register")),
    "engines/laptop/mute", "engines/laptop/unmute", "sync", "dead-letters/replay",
)  # fmt: skip
_NAMES: Final = (
    "cursor", "limit", "since", "until", "at", "after", "wait", "type", "workspace", "order", "metric", "step", "days", "status", "format",
    "sql", "zone", "search", "condition", "grain", "csv", "stage", "code", "topic", "of", "engine", "label", "inactive_after", "x",
)  # fmt: skip
_VALUES: Final = (
    "", "1", "0", "-1", "1e9", "99999999999999999999", "nan", "2h", "2026-01-31T12:00:00Z", "2026-13-01", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59+14:00", "WyJhIl0", "c2hvcA", "1-2.3", "9-9.9.9", "status_changed", "cpu", SHOP, "need", "id", "json", "csv",
    "true",
    "é", "\x00", "%", "a" * 3_000, "SELECT 1", "1d", "10s", "Asia/Seoul", "..", "[]", "{}", "hour", "1.0.7",
)  # fmt: skip
_BODIES: Final[tuple[Any, ...]] = (
    {"by": "ada", "why": "over", "command_id": "1"}, {"for": "2h"}, {"name": "x"}, {"engine": "laptop"}, {"workspace": SHOP},
    {"every": "5s"},
    {"ids": ["1.0.7"]}, {"erase": True, "by": "ada"},
)  # fmt: skip
_HEADERS: Final = (
    (b"authorization", b"Bearer x"), (b"authorization", b"Basic \xff"), (b"if-none-match", b'W/"x"'), (b"if-none-match", b"*"),
    (b"accept-encoding", b"gzip;q=nan, zstd, br"), (b"origin", b"http://[::1"), (b"origin", b"null"), (b"host", b"[::1"),
    (b"host", b"evil:99999"), (b"content-length", b"9" * 15), (b"content-length", b"-1"), (b"content-length", b"\xb2"),
    (b"content-type", b"text/plain; charset=\xff"), (b"content-type", b"application/json"), (b"sec-fetch-site", b"cross-site"),
    (b"sec-websocket-protocol", b"wst, wst.token.\xff=="), (b"sec-websocket-protocol", b"wst.token.YQ"), (b"x", b"a" * 40_000),
    (b"range", b"bytes=0-"), (b"traceparent", b"00-x"),
)  # fmt: skip
_OPEN: Final = Guard(None, None, None)
_CLOSED: Final = Guard(frozenset({"127.0.0.1"}), "secret", "other")
#: Requests that one app is given.
_KEPT: Final = 500


class Request(NamedTuple):
    """A request as a server gives it to an app."""

    kind: str
    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    guarded: bool


def targets() -> list[Target]:
    """Requests and WebSockets."""
    return [Target("API request", _request, _Server().run, (), 25), Target("WebSocket", _socket, _Server().run, (), 25)]


def _request(draw: random.Random) -> Request:
    method = draw.choice(("GET", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS"))
    path = "/api/v1/" + draw.choice(_POST if method in ("POST", "PUT") and draw.random() < 0.8 else _GET)
    if method == "PUT" and draw.random() < 0.7:
        path = "/api/v1/intervals/" + draw.choice(("sync", "collect", "x"))
    body = b""
    if method in ("POST", "PUT"):
        body = (
            json.dumps(json_like(draw, _BODIES)).encode()
            if draw.random() < 0.7
            else bytes_like(draw, [json.dumps(draw.choice(_BODIES)).encode()])
        )
    query = _query(draw)
    if "events/live" in path:
        query += b"&wait=0"  # who waits hangs not
    return Request("http", method, _path(draw, path), _sent(query), _headers(draw), body, draw.random() < 0.1)


def _socket(draw: random.Random) -> Request:
    query = _query(draw, ("what", "type", "workspace", "after", "x"), (*_VALUES, "events", "states,metrics", "events,,", "0-", "1-0.0.0.0"))
    return Request(
        "websocket", "GET", b"/api/v1/stream", _sent(query), _headers(draw), draw.randbytes(draw.choice((0, 1, 200))), draw.random() < 0.1
    )


def _path(draw: random.Random, path: str) -> bytes:
    if draw.random() < 0.7:
        return quote(path).encode()
    return _sent(bytes_like(draw, [quote(path).encode()])).partition(b"?")[0] or b"/"


def _sent(text: bytes) -> bytes:
    """What h11, which reads requests for us, lets through of a request's target."""
    return bytes(byte for byte in text if 0x21 <= byte <= 0x7E)


def _query(draw: random.Random, names: Sequence[str] = _NAMES, values: Sequence[str] = _VALUES) -> bytes:
    asked = "&".join(f"{draw.choice(names)}={quote(draw.choice(values))}" for _ in range(draw.choice((0, 1, 1, 2, 3)))).encode()
    return bytes_like(draw, [asked]) if asked and draw.random() < 0.2 else asked


def _headers(draw: random.Random) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"host", b"127.0.0.1"), *(draw.choice(_HEADERS) for _ in range(draw.choice((0, 0, 0, 1, 2)))))


class _Archive(MemoryArchive):
    """Answers what needs SQL, too: with nothing, or with a dead letter."""

    async def ask(self, question: str, parameters: Mapping[str, Any], **names: str) -> list[dict[str, Any]]:
        return [_LETTER] if question == "dead_letters" else []

    async def look(self, question: str, parameters: Mapping[str, Any], raw: Sequence[str] = ()) -> list[dict[str, Any]]:
        return []

    async def query(self, sql: str, form: str) -> bytes:
        return b"{}"


_VALUE: Final = codec("event").encode(event(1))
_LETTER: Final[dict[str, Any]] = {
    "id": "1.0.7", "refused_at": "2026-01-31T12:00:00.000Z", "stage": "state", "code": "undecodable", "reason": "x", "key_hex": "ff00",
    "topic": "wst.workspace.changes", "epoch": 1, "partition": 0, "offset": 7, "value_bytes": len(_VALUE), "kept_bytes": len(_VALUE),
    "value_hex": _VALUE.hex(), "headers_hex": {"wst-type": "ff"}, "log_epoch": 1, "log_partition": 0, "log_offset": 1, "place": "1.0.7",
}  # fmt: skip


class _Server:
    """Gives requests to apps, one by one, and insists that none of them is a fault."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._apps: dict[bool, Any] = {}
        self._left = 0

    def run(self, asked: Request) -> None:
        """One request.

        Raises:
            AssertionError: it was answered with a fault of ours, or not at all.
        """
        if not self._left:
            self._apps = self._loop.run_until_complete(_apps())
            self._left = _KEPT
        self._left -= 1
        self._loop.run_until_complete(_give(self._apps[asked.guarded], asked))


async def _apps() -> dict[bool, Any]:
    live = make_live(whole_state(SHOP), whole_state("blog@laptop"))
    archive = _Archive()
    archive.tables = (await make_archive(*(event(seq) for seq in range(2, 30)))).tables
    desk = Desk(FoldingLog(live), live, "wst.", wait_s=0.001)
    return {guarded: app_of(Site(live, archive, _CLOSED if guarded else _OPEN, dict, desk)) for guarded in (False, True)}


async def _give(app: Any, asked: Request) -> None:
    scope = {
        "type": asked.kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "method": asked.method, "raw_path": asked.path,
        "path": unquote(asked.path.decode()), "root_path": "", "scheme": "ws" if asked.kind == "websocket" else "http",
        "query_string": asked.query, "headers": asked.headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8321),
        "subprotocols": ["wst"], "state": {}, "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    coming = _messages(asked)
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    begins = [
        message for message in said if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept")
    ]
    assert len(begins) == 1, f"answered with {said!r:.300}"
    status = begins[0].get("status", 101)
    assert status < 500 or status in (503, 504), f"answered {status}: {said!r:.500}"


def _messages(asked: Request) -> list[dict[str, Any]]:
    if asked.kind == "http":
        half = len(asked.body) // 2
        return [
            {"type": "http.request", "body": asked.body[:half], "more_body": True},
            {"type": "http.request", "body": asked.body[half:], "more_body": False},
        ]
    heard: list[dict[str, Any]] = [
        {"type": "websocket.receive", "bytes": asked.body, "text": None},
        {"type": "websocket.receive", "text": "{}", "bytes": None},
    ]
    return [{"type": "websocket.connect"}, *heard, {"type": "websocket.disconnect", "code": 1006}]
