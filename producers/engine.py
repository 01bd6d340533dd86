"""The Docker Engine: the only file that knows the Docker SDK.

`Engine` is what the producer needs of an engine; all its calls block and have a time limit. `DockerEngine` takes
configuration, TLS, ssh and version negotiation from the SDK. The hot stats call and the event stream go over
connections of the SDK's own transport with less around them: 0.2 ms of CPU a container instead of 1 (measured,
`benchmarks/producer.py`).
"""

from __future__ import annotations

import math
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import docker
import docker.errors
import requests
import urllib3.exceptions

from producers.engine_json import Json
from producers.transport import BROKEN, EngineError, EventStream, Request, Transport, chain, short
from schemas.engines import masked_url
from schemas.errors import Unreachable

__all__ = ["DockerEngine", "Engine", "EngineError", "Events", "unreachable"]

#: The first engine whose one-shot stats do not wait for the daemon's one-second loop.
_FAST_STATS_SINCE: Final = 25
_STATS_WIDTH: Final = 6
#: Those before it are asked for so many at once: each is a connection, and a process may have 1,024 files open by default.
_SLOW_STATS_WIDTH: Final = 256
_FAILED: Final = (*BROKEN, docker.errors.DockerException)
#: What reading an answer raises that is no JSON, or is nested without a bottom.
_NO_JSON: Final = (ValueError, RecursionError)

T = TypeVar("T")


class Events(Protocol):
    """An open event stream: raw messages in the engine's order."""

    def __iter__(self) -> Iterator[object]:
        """Raises EngineError when the stream breaks, or is silent for longer than its time limit."""

    def close(self) -> None:
        """Ends the stream, from any thread."""


class Engine(Protocol):
    """One container engine. Calls block, have a time limit, and raise EngineError."""

    @property
    def url(self) -> str:
        """Where it is, for people: without user and password."""

    @property
    def api_version(self) -> str:
        """The API version agreed on."""

    def info(self) -> Json:
        """The engine's `/info`."""

    def list(self) -> list[object]:
        """All containers, running or not."""

    def inspect(self, container_id: str) -> Json | None:
        """One container's details; None when it is gone."""

    def events(self, since_ns: int | None) -> Events:
        """Container events from a time on (inclusive, engine's clock), or from now on; subscribed on return."""

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        """One reading of each container, None when it is gone; all end by the deadline (`time.monotonic`)."""

    def close(self) -> None:
        """Lets go of all connections."""


class _Api(docker.APIClient):
    """The SDK's API client, for which an engine's certificate authority wins over the environment's.

    REQUESTS_CA_BUNDLE and its like are for the web's servers, and requests prefers them to the `verify` of a session:
    https://github.com/psf/requests/issues/3829
    """

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        return super().merge_environment_settings(url, proxies, stream, self.verify if verify is None else verify, cert)


class _Client(docker.DockerClient):
    """The SDK's client, over that."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.api = _Api(*args, **kwargs)


class DockerEngine:
    """A Docker Engine, or what speaks its API.

    Args:
        url: unix://, tcp://, ssh://; None: the Docker client's active context.
        timeout_s: limit of every call, s.
        stream_timeout_s: silence after which the event stream counts as broken, s: a half-open connection never says so.

    Raises:
        Unreachable: it does not answer; the message says what to do.
    """

    def __init__(self, url: str | None = None, *, timeout_s: float = 10.0, stream_timeout_s: float = 60.0) -> None:
        self._timeout_s = timeout_s
        self._stream_timeout_s = stream_timeout_s
        environment = dict(os.environ) | ({"DOCKER_HOST": url} if url else {})
        self.url = masked_url(url or environment.get("DOCKER_HOST") or "the Docker client's active context")
        try:
            self._api = _Client.from_env(environment=environment, timeout=math.ceil(timeout_s), use_ssh_client=True).api
            self._major = _major(self._call(lambda: self._api.version(api_version=False), dict).get("Version"))
        except (EngineError, *_FAILED, *_NO_JSON, TypeError) as error:
            raise unreachable(self.url, error) from error
        self._transport = Transport(self._api, timeout_s)

    @property
    def api_version(self) -> str:
        """The API version agreed on."""
        return str(self._api.api_version)

    def info(self) -> Json:
        """The engine's `/info`."""
        return self._call(self._api.info, dict)

    def list(self) -> list[object]:
        """All containers, running or not."""
        return self._call(lambda: self._api.containers(all=True), list)

    def inspect(self, container_id: str) -> Json | None:
        """One container's details; None when it is gone."""
        try:
            return self._call(lambda: self._api.inspect_container(container_id), dict)
        except EngineError as error:
            if isinstance(error.__cause__, docker.errors.NotFound):
                return None
            raise

    def _call(self, call: Callable[[], object], kind: type[T]) -> T:
        try:
            answer = call()
        except (*_FAILED, *_NO_JSON) as error:
            raise EngineError(short(error)) from error
        # An object for a list would be read as a host without any container.
        if not isinstance(answer, kind):
            raise EngineError(f"the engine answered with JSON of another kind ({type(answer).__name__} instead of {kind.__name__})")
        return answer

    def events(self, since_ns: int | None) -> Events:
        """Container events from a time on, or from now on; subscribed on return."""
        query = "filters=" + quote('{"type":["container"]}')
        if since_ns is not None:
            query += f"&since={since_ns // 1_000_000_000}.{since_ns % 1_000_000_000:09d}"
        return EventStream(self._transport, f"/events?{query}", self._stream_timeout_s)

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        """One reading of each container, several requests in flight on one thread.

        An engine before 25 answers only after its loop has come round, about a second: there hundreds are asked at once.
        After the deadline none is asked: where a connection is not even refused, each would take its whole time limit.
        """
        width = _STATS_WIDTH if self._major >= _FAST_STATS_SINCE else _SLOW_STATS_WIDTH
        waiting = deque(container_ids)
        flying: deque[tuple[str, Request]] = deque()
        while waiting or flying:
            while waiting and len(flying) < width and time.monotonic() < deadline:
                container_id = waiting.popleft()
                path = f"/containers/{quote(container_id, safe='')}/stats?stream=0&one-shot=1"
                flying.append((container_id, self._transport.send(path)))
            if not flying:
                yield waiting.popleft(), EngineError("the time was over before it was asked")
                continue
            container_id, request = flying.popleft()
            try:
                yield container_id, request.answer(min(self._timeout_s, deadline - time.monotonic()))
            except (*_FAILED, ValueError) as error:
                yield container_id, EngineError(short(error))

    def close(self) -> None:
        """Lets go of all connections."""
        self._transport.close()
        self._api.close()


def _major(version: object) -> int:
    digits = str(version or "").split(".")[0]
    return int(digits) if digits.isdecimal() else 0


def unreachable(url: str, error: BaseException) -> Unreachable:
    """What a person has to know about an engine that does not answer."""
    causes = list(chain(error))

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(PermissionError):
        hint = "permission denied; add yourself to the group docker (`sudo usermod -aG docker $USER`, then log in again)"
    elif among(socket.gaierror):
        hint = "its host name is not known; check WST_ENGINES or DOCKER_HOST"
    elif among(FileNotFoundError):
        hint = "there is no such socket; start Docker, or name an engine in WST_ENGINES"
    elif among(ConnectionRefusedError):
        hint = "connection refused; start Docker (`sudo systemctl start docker`), or name another engine in WST_ENGINES"
    elif among(ssl.SSLError, docker.errors.TLSParameterError):
        hint = "TLS failed; check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY"
    elif among(TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError):
        hint = "it is there but silent; `docker ps` hangs too? then restart it (`sudo systemctl restart docker`)"
    elif "paramiko" in str(error):
        hint = "an engine over ssh needs `pip install 'workspace-status[ssh]'`"
    else:
        hint = f"{short(error)}; check WST_ENGINES, DOCKER_HOST or `docker context show`"
    return Unreachable(f"the Docker Engine at {url} does not answer", hint)
