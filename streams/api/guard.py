"""Who may ask: decided from the request line and headers alone, before anything else looks at a request.

A browser page anywhere can send requests to loopback: hence the Host allow-list (DNS rebinding), and nothing for a page
of another origin. Beyond loopback only with a token.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from schemas.loopback import is_loopback
from schemas.settings import Settings
from schemas.tokens import bearer_of, make_token
from streams.api.problems import Problem

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Asked by health checks that have no token; it says nothing about workspaces.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/"})
#: The dashboard's own files: the same for everyone.
OPEN_FOLDER: Final = "/assets/"
#: How a browser, which cannot set headers on a WebSocket, sends its token: as a subprotocol, base64url without padding.
TOKEN_PROTOCOL: Final = "wst.token."  # noqa: S105  # a name, no secret
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules.

    Attributes:
        hosts: names a request may be addressed to; None: any, as a token is asked for.
        token: may do everything; None: nobody needs one.
        read_token: may read.
        origins: pages that are ours though the request is addressed otherwise, as a proxy may do: host, or host:port.
    """

    hosts: frozenset[str] | None
    token: str | None
    read_token: str | None
    origins: frozenset[str] = frozenset()

    def judge_socket(self, path: str, headers: Mapping[str, str]) -> Problem | None:
        """Why a WebSocket is refused: a browser lets any page open one, so a foreign page may not even read."""
        if self._is_foreign(headers):
            return Problem(403, "foreign origin", "a page of another origin may not listen here")
        return self.judge("GET", path, headers)

    def judge(self, method: str, path: str, headers: Mapping[str, str]) -> Problem | None:
        """Why a request is refused; None: it may pass."""
        host = _host_name(headers.get("host", ""))
        if self.hosts is not None and host not in self.hosts:
            known = "ask for it as localhost or 127.0.0.1, or add the name to WST_API_HOSTS"
            return Problem(421, "wrong host", f"this API is not called {host[:100]!r}; {known}")
        if method not in SAFE and self._is_foreign(headers):
            return Problem(403, "foreign origin", "a page of another origin may not change anything here")
        if method in SAFE and (self._is_foreign(headers) or _of_another_page(headers)):
            # It could not read the answer anyway; but it could make us work, and tell from the time what there is.
            return Problem(403, "foreign origin", "a page of another origin may not ask here")
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDER) or not (self.token or self.read_token):
            return None
        given = _token(headers)
        if self.token and hmac.compare_digest(given, self.token.encode()):
            return None
        if self.read_token and hmac.compare_digest(given, self.read_token.encode()):
            return None if method in SAFE else Problem(403, "read only", "this token may only read")
        return Problem(401, "token needed", "send a token: Authorization: Bearer …")

    def _is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a browser names another page than ours as the one that asks."""
        origin = headers.get("origin")
        return origin is not None and (page := _netloc(origin)) != headers.get("host") and page not in self.origins


def guard_of(settings: Settings) -> Guard:
    """The rules that follow from the settings; beyond loopback with the data directory's own token where none is set.

    Raises:
        WstError: that token cannot be kept.
    """
    token, read_token = (secret.get_secret_value() if secret else None for secret in (settings.api_token, settings.api_read_token))
    origins = frozenset(name.lower() for name in settings.api_hosts)
    if is_loopback(settings.api_host):
        return Guard(_LOOPBACK_NAMES | {settings.api_host, *map(_host_name, origins)}, token, read_token, origins)
    if not token and not read_token:
        token = make_token(settings.data_dir)
    return Guard(None, token, read_token, origins)


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _of_another_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin asks; that one follows a link there is no such thing."""
    follows_a_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not follows_a_link


def _token(headers: Mapping[str, str]) -> bytes:
    """The token sent, in either way; empty: none."""
    if bearer := bearer_of(headers.get("authorization", "")):
        return bearer.encode()
    for name in headers.get("sec-websocket-protocol", "").split(","):
        coded = name.strip().removeprefix(TOKEN_PROTOCOL)
        if coded != name.strip():
            with suppress(ValueError):
                return urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
    return b""


class GuardMiddleware:
    """Asks the guard about each request."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers why not."""
        if scope["type"] in ("http", "websocket"):
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            problem = self._judge(scope, headers)
            if problem is not None:
                await refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _judge(self, scope: Scope, headers: Mapping[str, str]) -> Problem | None:
        if scope["type"] == "websocket":
            return self._guard.judge_socket(scope["path"], headers)
        return self._guard.judge(scope["method"], scope["path"], headers)


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a problem, also before a WebSocket has begun."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(problem.response())
    else:
        await problem.response()(scope, receive, send)
