"""A line does to its connections what networks do."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.platform.line import Line
from tests.platform.process import free_port, wait_until


class _Echo(socketserver.BaseRequestHandler):
    heard: list[bytes]

    def handle(self) -> None:
        with suppress(OSError):
            while piece := self.request.recv(100):
                self.server.heard.append(piece)  # type: ignore[attr-defined]
                self.request.sendall(piece)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Echo)
        self.heard: list[bytes] = []


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(free_port()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def line(server: _Server) -> Iterator[Line]:
    line = Line(server.server_address[1])
    line.open()
    yield line
    line.close()


def client_of(line: Line) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", line.port), 10)
    client.settimeout(10)
    return client


def test_what_is_dead_for_a_while_goes_on_with_nothing_missing(line: Line) -> None:
    with client_of(line) as client:
        client.sendall(b"a")
        assert client.recv(10) == b"a"
        line.fail("dead")
        client.sendall(b"b")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(10)
        line.fail(None)
        client.settimeout(10)
        assert client.recv(10) == b"b"


def test_a_request_gets_through_whose_answer_never_comes(line: Line, server: _Server) -> None:
    with client_of(line) as client:
        client.sendall(b"a")
        assert client.recv(10) == b"a"
        line.fail("deaf")
        client.sendall(b"b")
        wait_until(lambda: b"b" in server.heard, "the request to be there")
        line.fail(None)
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    with client_of(line) as client:
        client.sendall(b"c")
        assert client.recv(10) == b"c"


def test_what_is_cut_is_reset_and_takes_nobody_until_it_is_mended(line: Line) -> None:
    with client_of(line) as client:
        client.sendall(b"a")
        assert client.recv(10) == b"a"
        line.fail("cut")
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    with client_of(line) as client, pytest.raises(ConnectionResetError):
        client.recv(10)
    line.fail(None)
    with client_of(line) as client:
        client.sendall(b"b")
        assert client.recv(10) == b"b"


def test_what_is_slow_comes_late(line: Line) -> None:
    line.fail("slow")
    with client_of(line) as client:
        began = time.monotonic()
        client.sendall(b"a")
        assert client.recv(10) == b"a"
        assert time.monotonic() - began >= 0.3
