"""What an engine says: its JSON, its labels, its raw answers and its event stream; and addresses of engines."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

from urllib3.connection import HTTPConnection

from producers import record, sample
from producers.engine_json import InvalidMessage
from producers.identity import DEFAULT_RULES, Policy
from producers.transport import BROKEN, EngineError, EventStream, Request
from schemas.engines import masked_url, parse_engine
from schemas.errors import SettingError
from schemas.settings import Settings
from streams.core.thresholds import own_thresholds, rules_of
from streams.rules import threshold_rules
from tests.fuzz.mutate import json_like
from tests.fuzz.target import Target, of_bytes, of_json

RULES: Final = record.Rules("laptop", Policy((), (), (), DEFAULT_RULES), str)
_STRICT: Final = record.Rules("laptop", Policy(("web*", "label:team=*"), ("*test*",), ("team*",), DEFAULT_RULES), str)
_KEYS: Final = (
    "workspace.id", "workspace.name", "workspace.ignore", "coder.workspace_id", "coder.workspace_name", "com.docker.compose.project",
    "com.docker.compose.service", "com.docker.compose.oneoff", "com.docker.compose.container-number", "devcontainer.local_folder",
    "devcontainer.config_file", "dev.containers.id", "com.docker.stack.namespace", "com.docker.swarm.service.name", "team",
    "workspace.alert.cpu", "workspace.alert.memory", "workspace.alert.\x00", "org.testcontainers", "",
)  # fmt: skip
_WORDS: Final = (
    "", "shop", "SHOP", "a/b/c", "../..", "é" * 99, "한글", "\x00", "\ud800", "\n", "x" * 65_536, "true", "True", "1", "base-x",
    "shop@laptop", "80", "off", "nan", "1e999", "-5", "90%", "%", " ",
)  # fmt: skip
_ADDRESSES: Final = (
    b"unix:///var/run/docker.sock", b"tcp://host:2376", b"ssh://me@host", b"laptop=unix:///run/d.sock", b"https://[::1]:2376/x?y=1",
    b"id=3f|name=http://h:1", b"npipe:////./pipe/docker_engine", b"tcp://u:p@h:99999",
)  # fmt: skip
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_LINE: Final = b'{"Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"x"}},"timeNano":1760000000000000000}\n'


def targets(said: dict[str, list[Any]]) -> list[Target]:
    """Of an engine's answers by kind."""
    invalid = (InvalidMessage,)
    listed = [one for listing in said["list"] for one in listing]
    return [
        of_json("engine event", said["event"], lambda raw: record.event(raw, RULES), invalid, 1_000),
        of_json("engine listing", listed, lambda raw: record.listed(raw, RULES), invalid, 1_000),
        of_json("engine inspect", said["inspect"], record.inspected, invalid, 1_000),
        of_json("engine stats", said["stats"], lambda raw: sample.counters(raw, sample.Context()), invalid, 1_000),
        Target("labels", _labelled(listed), _judge_labels, invalid, 500),
        of_bytes("engine event stream", [_chunked(_LINE * 3), _chunked(_LINE * 40, 100), _chunked(json.dumps(said["event"][:3]).encode())],
                 _read_stream, (EngineError,), 100),
        of_bytes("engine answer", [_chunked(json.dumps(one).encode()) for one in said["stats"][:20]], _read_answer,
                 (*BROKEN, ValueError, InvalidMessage), 200),
        of_bytes("engine address", _ADDRESSES, _address, (SettingError, ValueError), 1_000),
    ]  # fmt: skip


def _labelled(listed: list[Any]) -> Callable[[random.Random], Any]:
    def make(draw: random.Random) -> Any:
        raw = json_like(draw, listed) if draw.random() < 0.2 else dict(draw.choice(listed))
        if isinstance(raw, dict):
            raw["Labels"] = {draw.choice(_KEYS): draw.choice(_WORDS) for _ in range(draw.randrange(8))}
        return raw

    return make


_OWN_RULES: Final = threshold_rules(Settings())


def _judge_labels(raw: Any) -> None:
    """Which workspace it belongs to, what of its labels goes on, and the thresholds they set."""
    for rules in (RULES, _STRICT):
        record.listed(raw, rules)
    rules_of(_OWN_RULES, "shop@laptop", own_thresholds(raw["Labels"]))


def _chunked(body: bytes, size: int = 64) -> bytes:
    """A body in chunks, as the engine sends its stream, behind the head of an answer."""
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return _ANSWER + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


class _Wire:
    """A socket on which all has come that will come."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any) -> BytesIO:
        return BytesIO(self._data)

    def sendall(self, *_: Any) -> None:
        """The question is heard."""

    settimeout = shutdown = close = sendall


class _Connections:
    """The engine's transport, over such a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def connect(self) -> HTTPConnection:
        connection = HTTPConnection("engine")
        connection.sock = _Wire(self._data)
        return connection

    def get(self, connection: HTTPConnection, path: str, *, preload: bool = True) -> None:
        connection.request("GET", path, preload_content=preload)

    def give_back(self, connection: HTTPConnection) -> None:
        connection.close()


def _read_stream(data: bytes) -> None:
    """The events of a stream, from the raw bytes of the connection."""
    for one in EventStream(_Connections(data), "/events", 1.0):  # type: ignore[arg-type]
        try:
            record.event(one, RULES)
        except InvalidMessage:
            continue


def _read_answer(data: bytes) -> None:
    """An answer, from the raw bytes of the connection."""
    raw = Request(_Connections(data), "/stats", None).answer(1.0)  # type: ignore[arg-type]
    if raw is not None:
        sample.counters(raw, sample.Context())


def _address(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    masked_url(text)
    parse_engine(text)
