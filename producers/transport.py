"""Connections to an engine below the SDK's objects: many cheap requests at once, and the event stream.

They come from the SDK's own transport, so that unix sockets, TLS and ssh are its business.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from urllib3.connection import HTTPConnection

from producers.engine_json import Json
from schemas.engines import masked_url

#: What a broken connection raises, by way of three libraries.
BROKEN: Final = (OSError, HTTPException, urllib3.exceptions.HTTPError, requests.RequestException)
_IDLE_CONNECTIONS: Final = 8
#: Far more than an event with all its labels; a line that never ends must not fill the memory.
_MAX_LINE_BYTES: Final = 1 << 20
_NO_JSON: Final = b"!"


class EngineError(Exception):
    """A call that the engine did not answer as it should; worth another try.

    Attributes:
        silent: nothing came within the time limit, which a quiet event stream may do in all health.
    """

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class Transport:
    """Connections of the SDK's transport (unix socket, TCP, TLS, ssh), kept alive. One thread's, but for `connect`."""

    def __init__(self, api: Any, timeout_s: float) -> None:
        # The adapter is asked as requests asks it, so that certificates and ssh are the SDK's business.
        request = requests.Request("GET", f"{api.base_url}/_ping").prepare()
        adapter = api.get_adapter(request.url)
        self._pool = adapter.get_connection_with_tls_context(request, api.verify, proxies={}, cert=api.cert)
        self._prefix = f"{urlsplit(api.base_url).path.rstrip('/')}/v{api.api_version}"
        self._timeout_s = timeout_s
        self._idle: list[HTTPConnection] = []

    def connect(self) -> HTTPConnection:
        """A new connection, not opened yet."""
        connection: HTTPConnection = self._pool._new_conn()  # the pool's public calls wait for the answer
        return connection

    def get(self, connection: HTTPConnection, path: str, *, preload: bool = True) -> None:
        """Writes a request; the answer is the caller's to read."""
        connection.timeout = self._timeout_s
        connection.request("GET", self._prefix + path, preload_content=preload)

    def send(self, path: str) -> Request:
        """Asks on an idle connection, or a new one."""
        return Request(self, path, self._idle.pop() if self._idle else None)

    def give_back(self, connection: HTTPConnection) -> None:
        """Keeps a connection whose answer was read whole."""
        if len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Closes the idle connections."""
        while self._idle:
            self._idle.pop().close()


class Request:
    """A request under way; failures wait until the answer is read."""

    def __init__(self, transport: Transport, path: str, idle: HTTPConnection | None) -> None:
        self._transport, self._path = transport, path
        self._reused = idle is not None
        self._connection = idle or transport.connect()
        self._failure: Exception | None = None
        self._send()

    def _send(self) -> None:
        try:
            self._transport.get(self._connection, self._path)
        except BROKEN as error:
            self._failure = error

    def answer(self, timeout_s: float) -> Json | None:
        """The JSON answered; None for 404."""
        try:
            return self._read(timeout_s)
        except (ConnectionError, HTTPException, urllib3.exceptions.ProtocolError):
            if not self._reused:
                raise
            # The engine may have closed an idle connection in the meantime; only a new one proves anything.
            self._connection.close()
            self._connection, self._reused, self._failure = self._transport.connect(), False, None
            self._send()
            return self._read(timeout_s)

    def _read(self, timeout_s: float) -> Json | None:
        try:
            if self._failure is not None:
                raise self._failure
            self._connection.timeout = max(timeout_s, 0.001)  # getresponse sets it on the socket
            response = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise
        self._transport.give_back(self._connection)
        if response.status == 404:
            return None
        if response.status != 200:
            raise EngineStatus(response.status)
        try:
            answer = json.loads(response.data)
        except RecursionError as error:
            raise ValueError("the answer is nested too deeply") from error
        if not isinstance(answer, dict):
            raise ValueError("the answer is no JSON object")
        return answer


class EngineStatus(HTTPException):
    """The engine answered with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the engine answered {status}")


class EventStream:
    """The event stream over a connection of its own: one JSON object a line."""

    def __init__(self, transport: Transport, path: str, timeout_s: float) -> None:
        self._connection = transport.connect()
        try:
            transport.get(self._connection, path, preload=False)
            self._socket: Any = self._connection.sock
            self._response = self._connection.getresponse()
            if self._response.status != 200:
                raise EngineStatus(self._response.status)
            self._socket.settimeout(timeout_s)
        except BROKEN as error:
            self._connection.close()
            raise EngineError(short(error)) from error

    def __iter__(self) -> Iterator[object]:
        rest = b""
        try:
            for chunk in self._response.stream(65_536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _parsed(line)
                if len(rest) > _MAX_LINE_BYTES:
                    rest = _NO_JSON  # with whatever follows up to the line's end
        except (*BROKEN, AttributeError, ValueError) as error:  # one that another thread closed
            silent = any(isinstance(cause, (TimeoutError, urllib3.exceptions.ReadTimeoutError)) for cause in chain(error))
            raise EngineError(short(error), silent=silent) from error
        raise EngineError("the engine ended the event stream")

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
        except (OSError, TypeError, AttributeError):
            self._connection.close()


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None  # no event: the reader of events makes a dead letter of it


def short(error: BaseException) -> str:
    """One line of an error, without the wrappings of three HTTP libraries and what a URL in it should not show."""
    root = next((e for e in chain(error) if isinstance(e, (OSError, EngineStatus)) and str(e)), error)
    return masked_url(f"{type(root).__name__}: {root}".replace("\n", " "))[:300]


def chain(error: BaseException, depth: int = 8) -> Iterator[BaseException]:
    """The causes of an error, innermost first: requests and urllib3 hide them in arguments."""
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for cause in inner:
        if isinstance(cause, BaseException) and depth:
            yield from chain(cause, depth - 1)
    yield error
