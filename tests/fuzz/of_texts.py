"""Short texts that people and clients hand in: times, durations, places, cursors, SQL, rows of dead letters."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from schemas.codec import codec
from schemas.errors import Refused
from schemas.settings import parse_duration
from streams.api import pages, routes_letters
from streams.api.guard import Guard
from streams.api.orders import ORDERS
from streams.api.places import Place
from streams.api.problems import Problem
from streams.api.site import answer
from streams.api.times import parse_time_ns
from streams.cli.times import parse_time
from streams.query import archive
from streams.query.sql_rules import judge_ast, judge_tree, readable
from tests.fuzz.target import Target, of_bytes, of_json
from tests.sinks import records

_NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
_TIMES: Final = (
    b"2h", b"2h ago", b"yesterday 14:00", b"14:00", b"2026-01-31", b"2026-01-31T12:00:00+09:00", b"90m", b"1.5d", b"500ms", b"today",
)  # fmt: skip
_PLACES: Final = (b"1760000000-1.2.3.4", b"1-", b"0-0", b"999999999999999999-1")
_PLAIN_CURSORS: Final = (b"1760000000000000000:4:state.1.4.shop", b'["shop"]', b'[3,"shop","shop@x"]', b"shop", b"1:2:", b"1:2:1.0.7")
_CURSORS: Final = tuple(urlsafe_b64encode(text).rstrip(b"=") for text in _PLAIN_CURSORS)
_SQL: Final = (
    b"SELECT * FROM wst.samples WHERE workspace_id = 'shop'", b"WITH 1 AS x SELECT x", b"EXPLAIN SYNTAX SELECT 1", b"SHOW TABLES LIKE '%a'",
    b"DESCRIBE TABLE wst.samples", b"SELECT `a b` FROM `wst`.`samples`", b"SHOW CREATE TABLE samples",
)  # fmt: skip
_DUMPS: Final = (
    b"SelectQuery (children 1)\n Function count\n  TableIdentifier wst.samples", b"  Function file\n Identifier system.users\n Set",
    b"TABLE id: 3, table_name: wst.samples_rows, table_function_name: numbers, function_name: plus",
)  # fmt: skip
_VALUE: Final = codec("event").encode(records.event(1))
_LETTER: Final[dict[str, Any]] = {
    "id": "1.0.7", "refused_at": "2026-01-31T12:00:00.000Z", "stage": "state", "code": "undecodable", "reason": "x",
    "topic": "wst.workspace.changes", "epoch": 1, "partition": 0, "offset": 7, "value_bytes": len(_VALUE), "kept_bytes": len(_VALUE),
}  # fmt: skip
_CLOSED: Final = Guard(frozenset({"127.0.0.1"}), "secret", "other", frozenset({"ours.example"}))


def targets() -> list[Target]:
    """All of them."""
    return [
        of_bytes("time, API", _TIMES, lambda data: parse_time_ns("since", _text(data)), (Problem,), 1_000),
        of_bytes("time, command line", _TIMES, lambda data: parse_time(_text(data), _NOW), (click.BadParameter, ValueError), 1_000),
        of_bytes("duration", _TIMES, lambda data: parse_duration(_text(data)), (ValueError,), 1_000),
        of_bytes("place in the events", _PLACES, lambda data: str(Place.parse(_text(data))), (Refused,), 1_000),
        of_bytes("cursor", _CURSORS, _cursors, (Refused, Problem), 1_000),
        of_bytes("SQL", _SQL, lambda data: readable(_text(data), "wst"), (Refused,), 1_000),
        of_bytes("ClickHouse's dumps of SQL", _DUMPS, _judge, (Refused,), 1_000),
        of_bytes("dead letter, shown and given again", [_VALUE], _letter, (Problem,), 1_000),
        of_json("headers of a request", _ASKED, _guard, (), 1_000),
    ]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


_LISTS: Final[tuple[Callable[[str], object], ...]] = (
    lambda text: ORDERS["id"].read(pages.Cursor.parse(text).last),
    lambda text: ORDERS["need"].read(pages.Cursor.parse(text).last),
    lambda text: routes_letters._place(archive.Cursor.parse(text).id),
)


def _cursors(data: bytes) -> None:
    """Whichever list it is handed to."""
    text = _text(data)
    refused: list[Refused | Problem] = []
    for read in _LISTS:
        try:
            read(text)
        except (Refused, Problem) as error:
            refused.append(error)
    if len(refused) == len(_LISTS):
        raise refused[-1]


def _judge(data: bytes) -> None:
    lines = _text(data).splitlines()
    judge_tree(lines, "wst", frozenset({"file", "url"}))
    judge_ast(lines, "wst", frozenset({"file", "url"}))


def _letter(data: bytes) -> None:
    """A refused record that holds anything."""
    row = _LETTER | {"key_hex": data[:9].hex(), "value_hex": data.hex(), "headers_hex": {_text(data[:5]): data[-9:].hex()}}
    row |= {"value_bytes": len(data), "kept_bytes": len(data)}
    answer(routes_letters._shown(row) | {"decoded": routes_letters._decoded(row)})
    routes_letters._record(row)


_ASKED: Final = (
    {"host": "127.0.0.1:8321", "authorization": "Bearer secret", "origin": "http://127.0.0.1:8321"},
    {"host": "[::1]:8321", "sec-websocket-protocol": "wst, wst.token.c2VjcmV0", "sec-fetch-site": "cross-site"},
    {"host": "ours.example", "authorization": "bearer other", "origin": "https://ours.example"},
)


def _guard(asked: Any) -> None:
    headers = {str(name): value for name, value in asked.items() if isinstance(value, str)} if isinstance(asked, dict) else {}
    headers = {name: value.encode("latin-1", "replace").decode("latin-1") for name, value in headers.items()}
    for method in ("GET", "POST"):
        _CLOSED.judge(method, "/api/v1/workspaces", headers)
    _CLOSED.judge_socket("/api/v1/stream", headers)
