"""What every request and answer has to keep to, whatever its route: limits, and headers that tell browsers what not to do."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.api.guard import refuse
from streams.api.problems import Problem

#: Path and query together, bytes.
LONGEST_QUERY: Final = 65_000
#: Bytes of a request's body.
LARGEST_BODY: Final = 65_536
#: All headers of a request together, bytes. The server cuts off what grows without an end; a block that comes whole may be larger.
LARGEST_HEADERS: Final = 32_768

_HEADERS: Final = {
    # The dashboard has no inline script or style, and speaks to its own origin only.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class _TooLarge(Exception):
    """The body grew beyond the limit."""


class EdgeMiddleware:
    """Refuses what is too large, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        problem = _judge(scope)
        if problem is not None:
            await refuse(problem, scope, receive, with_headers)
            return
        try:
            await self._app(scope, _limited(receive) if scope["type"] == "http" else receive, with_headers)
        except _TooLarge:
            await refuse(_too_large(), scope, receive, with_headers)


def _judge(scope: Scope) -> Problem | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_QUERY:
        return Problem(414, "too long", f"path and query are longer than {LONGEST_QUERY} bytes")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
        return Problem(431, "too large", f"the headers are larger than {LARGEST_HEADERS} bytes")
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        return _too_large()
    return None


def _too_large() -> Problem:
    return Problem(413, "too large", f"the body is larger than {LARGEST_BODY} bytes")


def _limited(receive: Receive) -> Receive:
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise _TooLarge
        return message

    return limited
