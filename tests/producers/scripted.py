"""An engine whose every answer a test decides, behind a real unix socket: for what a real one does not do on demand."""

from __future__ import annotations

import json
import socketserver
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from producers.recorded import rfc3339
from tests.producers.test_sample import V1

Json = dict[str, Any]


def container_id(name: str) -> str:
    """A full id made of a name."""
    return name.encode().hex().ljust(64, "0")


class ScriptedEngine:
    """Containers, events and faults.

    Attributes:
        calls: requests by kind.
        fault: None, `500`, or `hang`: what happens to all requests but the event stream.
        hung: a request hangs.
        clock_ns: added to this machine's time.
        lies: what is answered instead, by kind of request (version, info, list, stats, and json: an inspect).
        before_list: what happens between the engine's time and its listing.
        ring: events as the engine's memory holds them.
        remembers: how many of them it gives to a stream that is opened; those that are open are given all.
        shut: no event stream can be opened.
        most_at_once: most samples that were asked for at one time.
    """

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="wst-scripted-")
        self.url = f"unix://{self.folder.name}/docker.sock"
        self.containers: dict[str, Json] = {}
        self.ring: list[Json] = []
        self.remembers = 1_000_000
        self.shut = False
        self.calls: Counter[str] = Counter()
        self.fault: str | None = None
        self.hung = threading.Event()
        self.clock_ns = 0
        self.stats_delay_s = 0.0
        self.engine_id = "SCRIPTED"
        self.lies: dict[str, bytes] = {}
        self.before_list: Callable[[], object] = bool
        self.version = "26.1.5"
        self.most_at_once = self._at_once = 0
        self._counting = threading.Lock()
        self._news = threading.Condition()
        self._dropped: set[int] = set()
        self._streams = 0
        self._cut = 0

    def now_ns(self) -> int:
        """The engine's clock."""
        return time.time_ns() + self.clock_ns

    def add(self, name: str, state: str = "running", **labels: str) -> str:
        """A container that is simply there, without any event."""
        self.containers[container_id(name)] = {"name": name, "state": state, "labels": labels, "health": None, "started_ns": self.now_ns()}
        return container_id(name)

    def say(self, name: str, action: str, at_ns: int | None = None, **attributes: str) -> Json:
        """An event of a container, which need not exist."""
        labels = self.containers.get(container_id(name), {}).get("labels", {})
        at = at_ns if at_ns is not None else self.now_ns()
        actor = {"ID": container_id(name), "Attributes": {"name": name, "image": "img", **labels, **attributes}}
        return self.say_raw({"Type": "container", "Action": action, "Actor": actor, "time": at // 10**9, "timeNano": at})

    def say_raw(self, message: Json) -> Json:
        """Anything on the event stream."""
        with self._news:
            self.ring.append(message)
            self._news.notify_all()
        return message

    def drop(self, name: str, action: str) -> Json:
        """An event that the engine remembers, and does not give to the streams that are open: they read too slowly."""
        with self._news:
            message = self.say(name, action)
            self._dropped.add(id(message))
        return message

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A sample is asked for until the block ends."""
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        yield
        with self._counting:
            self._at_once -= 1

    def cut_streams(self) -> None:
        """Ends all event streams that are open."""
        with self._news:
            self._cut += 1
            self._news.notify_all()

    def streams(self) -> int:
        """Event streams opened so far."""
        return self._streams

    def listed(self) -> list[Json]:
        """The listing."""
        return [
            {
                "Id": i, "Names": [f"/{c['name']}"], "Image": "img", "Labels": c["labels"], "State": c["state"], "Created": 1_700_000_000,
                "Status": f"Up ({c['health']})" if c["health"] else "Up",
            }
            for i, c in self.containers.items()
        ]  # fmt: skip

    def inspect(self, i: str) -> Json | None:
        """One container."""
        c = self.containers.get(i)
        if c is None:
            return None
        running = c["state"] in ("running", "paused")
        state = {"Status": c["state"], "Running": running, "ExitCode": 0 if running else 1, "StartedAt": rfc3339(c["started_ns"])}
        config = {"Labels": c["labels"], "Healthcheck": c.get("healthcheck"), "Env": ["PASSWORD=hunter2"]}
        return {"Id": i, "Name": f"/{c['name']}", "Created": "2026-01-31T12:00:00Z", "State": state, "Config": config,
                "HostConfig": {"NetworkMode": c.get("network", "bridge")}, "RestartCount": 0}  # fmt: skip

    def events(self, since_ns: int) -> Iterator[bytes]:
        """The stream: the ring from a time on (inclusive), then what comes."""
        self._streams += 1
        cut = self._cut
        kept = {id(message) for message in self.ring}
        oldest = max(len(self.ring) - self.remembers, 0)
        at = (
            next((n for n, message in enumerate(self.ring) if n >= oldest and message.get("timeNano", 0) >= since_ns), len(self.ring))
            if since_ns
            else len(self.ring)
        )
        while True:
            with self._news:
                while at >= len(self.ring) and cut == self._cut:
                    self._news.wait(0.2)
                    yield b""
                fresh, at = self.ring[at:], len(self.ring)
            if cut != self._cut:
                return
            for message in fresh:
                if id(message) in self._dropped - kept:
                    continue
                yield (message["raw"] if "raw" in message else json.dumps(message)).encode() + b"\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: ScriptedEngine

    def do_GET(self) -> None:
        """Answers as an engine."""
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v1.45")
        kind = path.rsplit("/", 1)[-1] if path.startswith("/containers/") else path.strip("/")
        if path == "/containers/json":
            kind = "list"
        self.engine.calls[{"json": "inspect"}.get(kind, kind)] += 1
        if kind == "events":
            return self._stream(parse_qs(parts.query))
        while self.engine.fault == "hang":
            self.engine.hung.set()
            time.sleep(0.02)
        if self.engine.fault == "500":
            return self._answer(500, {"message": "boom"})
        return self._plain(kind, path.split("/")[2] if path.startswith("/containers/") else "")

    def _plain(self, kind: str, i: str) -> None:
        engine = self.engine
        if kind in engine.lies:
            self._answer_raw(200, engine.lies[kind])
        elif kind == "version":
            self._answer(200, {"Version": engine.version, "ApiVersion": "1.45"})
        elif kind == "info":
            system = {"SystemTime": rfc3339(engine.now_ns()), "NCPU": 4, "MemTotal": 1 << 30, "ServerVersion": engine.version}
            self._answer(200, {"ID": engine.engine_id, "Name": "scripted", **system})
        elif kind == "list":
            engine.before_list()
            self._answer(200, engine.listed())
        elif kind == "json":
            found = engine.inspect(i)
            self._answer(200 if found else 404, found or {"message": "No such container"})
        elif kind == "stats":
            with engine.asking():
                time.sleep(engine.stats_delay_s)
            self._answer(200 if i in engine.containers else 404, {**V1, "read": rfc3339(engine.now_ns())})
        else:
            self._answer(200, {})

    def _answer(self, status: int, body: object) -> None:
        self._answer_raw(status, json.dumps(body).encode())

    def _answer_raw(self, status: int, raw: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, query: dict[str, list[str]]) -> None:
        if self.engine.fault == "500" or self.engine.shut:
            return self._answer(500, {"message": "boom"})
        seconds, _, rest = query.get("since", ["0"])[0].partition(".")
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in self.engine.events(int(seconds) * 10**9 + int(rest or 0)):
            if line:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
        self.close_connection = True
        return None

    def address_string(self) -> str:
        """A unix socket has none."""
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error here."""


@contextmanager
def scripted_engine() -> Iterator[ScriptedEngine]:
    """A scripted engine that listens."""
    engine = ScriptedEngine()
    handler = type("Handler", (_Handler,), {"engine": engine})
    server = _Server(str(Path(engine.folder.name) / "docker.sock"), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield engine
    finally:
        engine.fault = None
        engine.cut_streams()
        server.shutdown()
        server.server_close()
        engine.folder.cleanup()
