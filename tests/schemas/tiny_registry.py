"""A schema registry: as much of Confluent's HTTP API as clients use to look up, register and read schemas."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from schemas import codec, registry


@dataclass
class TinyRegistry:
    """What it knows; `refuse` is a status it answers everything with."""

    url: str = ""
    schemas: list[str] = field(default_factory=list)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    refuse: int = 0
    say: bytes = b""

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match parts:
            case ["schemas", "ids", number]:
                known = int(number) <= len(self.schemas)
                return (200, {"schema": self.schemas[int(number) - 1]}) if known else (404, {"error_code": 40403, "message": "no schema"})
            case ["subjects", subject] | ["subjects", subject, "versions"]:
                return self._of(subject, json.dumps(json.loads(body["schema"])), register=len(parts) == 3)
        return 404, {"error_code": 404, "message": "no such path"}

    def _of(self, subject: str, schema: str, *, register: bool) -> tuple[int, Any]:
        number = self.schemas.index(schema) + 1 if schema in self.schemas else 0
        if number in self.subjects.get(subject, []):
            return 200, {"id": number, "subject": subject, "schema": schema}
        if not register:
            code = 40403 if subject in self.subjects else 40401
            return 404, {"error_code": code, "message": "not found"}
        if not number:
            self.schemas.append(schema)
            number = len(self.schemas)
        self.subjects.setdefault(subject, []).append(number)
        return 200, {"id": number}


@contextmanager
def tiny_registry() -> Iterator[TinyRegistry]:
    """Serves on loopback until the context ends."""
    made = TinyRegistry()

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            made.asked.append((self.path, self.headers.get("Authorization")))
            status, said = (made.refuse, {"message": "no"}) if made.refuse else made.answer(self.path, body)
            status = 200 if made.say else status
            content = made.say or json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def forget_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process begins without a registry, and this one goes on without."""
    for module, name in ((codec, "_framed"), (codec, "_plain")):
        monkeypatch.setattr(module, name, {})
    monkeypatch.setattr(registry, "_used", set())
