"""What an engine says: its JSON, its labels, its raw answers and its event stream; and addresses of engines."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, cast

from urllib3.connection import HTTPConnection

from producers import facts, record, sample
from producers.engine_json import InvalidMessage
from producers.identity import DEFAULT_RULES, Policy
from producers.record import Skip, Who
from producers.transport import BROKEN, EngineError, EventStream, Request
from schemas.codec import codec
from schemas.engines import masked_url, parse_engine
from schemas.errors import SettingError
from schemas.settings import Settings
from schemas.tick_decoder import decode_tick
from streams.core.thresholds import own_thresholds, rules_of
from streams.log_facts import read_fact
from streams.rules import threshold_rules
from tests.fuzz.mutate import json_like
from tests.fuzz.target import Target, of_bytes, of_json

RULES: Final = record.Rules("laptop", Policy((), (), (), DEFAULT_RULES), str)
_STRICT: Final = record.Rules("laptop", Policy(("web*", "label:team=*"), ("*test*",), ("team*",), DEFAULT_RULES), str)
ORIGIN: Final = facts.Origin("wst.", "E1", "laptop", "p")
AT: Final = facts.At(0, 1_780_000_000 * 10**9, 1_780_000_000 * 10**9)
_WHO: Final = cast("Who", record.who("a" * 64, "web", "img:1", {"com.docker.compose.project": "shop"}, RULES))
_HOST: Final = {"interval_ms": 10_000, "host_cpus": 4, "host_memory_bytes": 1 << 33}
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
        of_json("engine event", said["event"], _or_a_letter(_event), invalid, 1_000),
        of_json("engine listing", listed, _or_a_letter(_listed), invalid, 1_000),
        of_json("engine inspect", said["inspect"], _or_a_letter(_inspected), invalid, 1_000),
        of_json("engine stats", said["stats"], _or_a_letter(_sampled), invalid, 1_000),
        Target("labels", _labelled(listed), _judge_labels, invalid, 500),
        of_bytes("engine event stream", [_chunked(_LINE * 3), _chunked(_LINE * 40, 100), _chunked(json.dumps(said["event"][:3]).encode())],
                 _read_stream, (EngineError,), 100),
        of_bytes("engine answer", [_chunked(json.dumps(one).encode()) for one in said["stats"][:20]], _read_answer,
                 (*BROKEN, ValueError, InvalidMessage), 200),
        of_bytes("engine address", _ADDRESSES, _address, (SettingError, ValueError), 1_000),
    ]  # fmt: skip


def _or_a_letter(take: Callable[[Any], object]) -> Callable[[Any], object]:
    """What an engine said is published, or else a letter that says what it was."""

    def publish(raw: Any) -> object:
        try:
            return take(raw)
        except InvalidMessage as error:
            codec("dead_letter").decode(facts.dead_letter_of_answer("wst.", "E1", "event", raw, error, AT.time_ns).value)
            raise

    return publish


def _event(raw: Any) -> None:
    found = record.event(raw, RULES)
    if not isinstance(found, Skip):
        read_fact(facts.event_fact(ORIGIN, facts.At(0, found.time_ns, AT.time_ns), found, found.who.identity.workspace_name).value)


def _listed(raw: Any, rules: record.Rules = RULES) -> None:
    found = record.listed(raw, rules)
    if isinstance(found, Skip):
        return
    identity = found.who.identity
    entry = {
        "workspace_id": identity.workspace_id, "workspace_name": identity.workspace_name, "container": found.who.container,
        "state": found.state, "health": found.health, "unsettled": False, "created_at_ns": found.created_at_ns, "inspect": None,
    }  # fmt: skip
    for one in facts.snapshot_records(ORIGIN, AT, {"duration_ms": 1, "sync_interval_ms": 1}, [entry]):
        codec("snapshot").decode(one.value)


def _inspected(raw: Any) -> None:
    found = record.inspected(raw)
    read_fact(facts.details_fact(ORIGIN, AT, _WHO, "shop", found.record).value)


def _sampled(raw: Any) -> None:
    packed = sample.counters(raw, sample.Context())
    if not isinstance(packed, Skip):
        one = {"container_id": "a" * 64, "container_name": "web", "service": None, "counters": packed}
        for tick in facts.tick_records(ORIGIN, AT, _HOST, _WHO, "shop", [one]):
            decode_tick(tick.value)


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
        _listed(raw, rules)
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
            _event(one)
        except InvalidMessage:
            continue


def _read_answer(data: bytes) -> None:
    """An answer, from the raw bytes of the connection."""
    raw = Request(_Connections(data), "/stats", None).answer(1.0)  # type: ignore[arg-type]
    if raw is not None:
        _sampled(raw)


def _address(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    masked_url(text)
    parse_engine(text)
