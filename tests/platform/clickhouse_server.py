"""ClickHouse's HTTP interface over chDB, the same engine in process: run by `ClickHouseHttpServer`.

Differs from a server: answers are not compressed; `DateTime('zone')` loses its zone in Native
(`DateTime64` keeps it); no users but one; no external data; ends where a write to its disk failed.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import sys
import tempfile
import threading
import uuid
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb
import lz4.frame
import uvicorn
from backports import zstd
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.platform.clickhouse_statement import Insert, parse

# Parameters that speak to the HTTP interface; every other one is a setting of the query.
TRANSPORT = frozenset(
    (
        *("query", "query_id", "database", "role", "user", "password", "quota_key"),
        *("session_id", "session_timeout", "session_check", "wait_end_of_query", "buffer_size"),
        *("compress", "decompress", "enable_http_compression"),
        *("default_format", "client_protocol_version", "stacktrace"),
    )
)


def frames_of(body: bytes) -> bytes:
    """Decompress LZ4: a large insert comes as several frames, one behind the other."""
    decompressor, rows = lz4.frame.LZ4FrameDecompressor(), b""
    while body:
        rows += decompressor.decompress(body)
        body = decompressor.unused_data or b""
        decompressor.reset()
    return rows


DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": frames_of,
    "zstd": zstd.decompress,
}
# As a server maps them: what the client did wrong, what is not there, what is not allowed.
STATUS = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 53, 62, 72, 130, 131, 190, 386, 457), 400),
    **dict.fromkeys((16, 46, 47, 50, 57, 60, 81, 115), 404),
    **dict.fromkeys((164, 497, 516), 403),
    **dict.fromkeys((159,), 408),
    **dict.fromkeys((48, 344), 501),
    **dict.fromkeys((202,), 503),
}
FAILED_WRITES = "SELECT sum(value) FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'"
NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(slots=True)
class Answer:
    """What one request is answered with."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def refusal(message: str) -> Answer:
    """Return an error as ClickHouse words it: the code in a header, the text as the body."""
    found = re.search(r"Code: (\d+)", message)
    code = int(found[1]) if found else 1002
    headers = {"X-ClickHouse-Exception-Code": str(code)}
    return Answer(f"{message.strip()}\n".encode(), STATUS.get(code, 500), headers)


def quoted(text: str) -> str:
    """Return a string as a literal of ClickHouse's SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Engine:
    """The one chDB engine of this process, and a connection of its own for each session."""

    def __init__(self, data: Path) -> None:
        """Open the engine's data; raises RuntimeError where another process holds it."""
        self._data = str(data)
        self._keeper = self._connect()
        self._sessions: dict[str, tuple[threading.Lock, Any]] = {}
        self._guard = threading.Lock()
        answer = self._keeper.query("SELECT timezone()", "TabSeparated")
        self.timezone = answer.bytes().decode().strip()

    def _connect(self) -> Any:
        connect: Any = chdb.connect  # untyped; a connection more to an open engine costs 0.1 ms
        return connect(self._data)

    def execute(self, parameters: Mapping[str, str], body: bytes, read_only: bool) -> Answer:
        """Run one request; errors of ClickHouse become an answer too."""
        session = parameters.get("session_id")
        try:
            if session is None:
                with closing(self._connect()) as connection:
                    return self._execute(connection, parameters, body, read_only)
            lock, connection = self._session(session)
            if not lock.acquire(blocking=False):
                return refusal(f"Code: 373. DB::Exception: Session {session} is locked. (SESSION_IS_LOCKED)")
            try:
                return self._in_session(session, connection, parameters, body, read_only)
            finally:
                lock.release()
        except RuntimeError as error:  # what chDB raises for every error of ClickHouse
            return refusal(str(error))

    def _session(self, name: str) -> tuple[threading.Lock, Any]:
        with self._guard:
            if name not in self._sessions:
                self._sessions[name] = (threading.Lock(), self._connect())
            return self._sessions[name]

    def _in_session(self, name: str, connection: Any, parameters: Mapping[str, str], body: bytes, read_only: bool) -> Answer:
        """Run one request of a session and take its settings back, which hold for it alone."""
        settings = self._settings(parameters, read_only)
        before = self._values(connection, settings)
        try:
            return self._execute(connection, parameters, body, read_only)
        finally:
            try:
                self._apply(connection, before)
            except RuntimeError:
                # A read-only session lets nothing be set again, not even that: begin it anew.
                with self._guard:
                    del self._sessions[name]
                connection.close()

    @staticmethod
    def _values(connection: Any, settings: Mapping[str, str]) -> dict[str, str]:
        if not settings:
            return {}
        names = ", ".join(quoted(name) for name in settings)
        sql = f"SELECT name, value FROM system.settings WHERE name IN ({names})"
        lines = connection.query(sql, "JSONEachRow").bytes().splitlines()
        return {row["name"]: row["value"].strip("'") for row in map(json.loads, lines)}

    @staticmethod
    def _settings(parameters: Mapping[str, str], read_only: bool) -> dict[str, str]:
        implied = {"readonly": "2"} if read_only else {}
        return implied | {name: value for name, value in parameters.items() if name not in TRANSPORT and not name.startswith("param_")}

    @staticmethod
    def _apply(connection: Any, settings: Mapping[str, str]) -> None:
        for name in settings:
            if not NAME.fullmatch(name):
                raise RuntimeError(f"Code: 115. DB::Exception: Unknown setting {name}. (UNKNOWN_SETTING)")
        # `readonly` in a statement of its own: nothing can be set beside it.
        for part in (settings.keys() - {"readonly"}, settings.keys() & {"readonly"}):
            if part:
                connection.query("SET " + ", ".join(f"{name} = {quoted(settings[name])}" for name in part))

    def _execute(self, connection: Any, parameters: Mapping[str, str], body: bytes, read_only: bool) -> Answer:
        answer = self._answer(connection, parameters, body, read_only)
        if int(connection.query(FAILED_WRITES, "TabSeparated").bytes()):
            # A server fails what could not be written. This engine says nothing, and leaves it out when it is opened anew.
            sys.stderr.write("the disk took not all that was written: ended, nothing answered\n")
            os._exit(os.EX_IOERR)
        return answer

    def _answer(self, connection: Any, parameters: Mapping[str, str], body: bytes, read_only: bool) -> Answer:
        default_format = parameters.get("default_format", "TabSeparated")
        statement = parse(parameters.get("query", "").encode(), body, default_format)
        if "database" in parameters:
            connection.query(f"USE `{parameters['database']}`")
        self._apply(connection, self._settings(parameters, read_only))
        if isinstance(statement, Insert):
            return self._insert(connection, statement)
        bound = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        format_ = statement.answer_format or "TabSeparated"
        result = connection.query(statement.sql, format_, params=bound)
        summary = {"read_rows": str(result.rows_read()), "read_bytes": str(result.bytes_read())}
        headers = {"X-ClickHouse-Summary": json.dumps(summary)}
        if statement.answer_format is not None:
            headers["X-ClickHouse-Format"] = statement.answer_format
        return Answer(result.bytes() or b"", headers=headers)

    @staticmethod
    def _insert(connection: Any, insert: Insert) -> Answer:
        with tempfile.NamedTemporaryFile(prefix="wst-insert-") as data:
            data.write(insert.data)
            data.flush()
            result = connection.query(insert.from_file(data.name))
        rows = str(result.rows_read())
        summary = {"written_rows": rows, "written_bytes": str(len(insert.data)), "read_rows": rows}
        return Answer(headers={"X-ClickHouse-Summary": json.dumps(summary)})

    def close(self) -> None:
        """Close every connection, and with the last one the engine."""
        for _, connection in self._sessions.values():
            connection.close()
        self._keeper.close()


class CutResponse(Response):
    """An answer that ends half-way: the connection closes before all that was announced was sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Announce more than there is, send half of it, and leave."""
        body = bytes(self.body)
        others = [(key, value) for key, value in self.raw_headers if key != b"content-length"]
        headers = [*others, (b"content-length", str(len(body) + 16).encode())]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


class Interface:
    """The HTTP side: `/`, `/ping`, and `/fault` for tests that want it to fail."""

    def __init__(self, engine: Engine, password: str) -> None:
        """Serve `engine` to whoever knows `password` (anybody, where it is empty)."""
        self._engine = engine
        self._password = password
        self._faults: list[dict[str, Any]] = []

    async def ping(self, _: Request) -> Response:
        """Say that the server lives."""
        return PlainTextResponse("Ok.\n")

    async def fault(self, request: Request) -> Response:
        """Take the list of faults to come (see `Fault`), in place of what was left of the last."""
        self._faults = await request.json()
        return PlainTextResponse("Ok.\n")

    async def query(self, request: Request) -> Response:
        """Answer one request, or fail it as a test has asked."""
        parameters = dict(request.query_params)
        if not self._knows_password(request, parameters):
            return self._respond(refusal("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)"))
        decompress = DECOMPRESS.get(request.headers.get("content-encoding", ""))
        if decompress is None:
            return self._respond(refusal("Code: 48. DB::Exception: Unknown encoding. (NOT_IMPLEMENTED)"))
        body = decompress(await request.body())
        fault = self._next_fault(parameters.get("query", "").encode() + b"\n" + body)
        await asyncio.sleep(fault.get("delay_s", 0))
        if fault.get("kind") == "refuse":
            return self._respond(refusal(fault["message"]))
        read_only = request.method != "POST"
        answer = await run_in_threadpool(self._engine.execute, parameters, body, read_only)
        if fault.get("kind") == "lose":
            return self._respond(refusal(fault["message"]))
        query_id = parameters.get("query_id") or str(uuid.uuid4())
        answer.headers["X-ClickHouse-Query-Id"] = query_id
        answer.headers["X-ClickHouse-Timezone"] = self._engine.timezone
        return self._respond(answer, CutResponse if fault.get("kind") == "cut" else Response)

    @staticmethod
    def _respond(answer: Answer, kind: type[Response] = Response) -> Response:
        return kind(answer.body, answer.status, answer.headers, media_type="text/plain; charset=UTF-8")

    def _next_fault(self, request: bytes) -> dict[str, Any]:
        for fault in self._faults:
            if fault["times"] > 0 and fault["match"].encode() in request:
                fault["times"] -= 1
                return fault
        return {}

    def _knows_password(self, request: Request, parameters: Mapping[str, str]) -> bool:
        given = request.headers.get("x-clickhouse-key") or parameters.get("password", "")
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            with suppress(ValueError):
                given = b64decode(credentials).decode().partition(":")[2]
        return not self._password or given == self._password


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    arguments = parser.parse_args()
    with closing(Engine(arguments.data)) as engine:
        interface = Interface(engine, arguments.password)
        routes = [
            Route("/", interface.query, methods=["GET", "POST"]),
            Route("/ping", interface.ping),
            Route("/fault", interface.fault, methods=["POST"]),
        ]
        uvicorn.run(
            Starlette(routes=routes),
            host="127.0.0.1",
            port=arguments.port,
            ssl_certfile=arguments.certificate,
            ssl_keyfile=arguments.key,
            log_level="warning",
            h11_max_incomplete_event_size=1 << 20,
            timeout_graceful_shutdown=2,
        )


if __name__ == "__main__":
    main()
