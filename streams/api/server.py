"""Serves an app on a socket, inside a running loop, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from schemas.errors import SettingError
from schemas.loopback import url_here
from streams.api.patience import PATIENCE_S, Patience

_LAST_ANSWERS_S: Final = 1
_BACKLOG: Final = 128
#: The longest request line and headers, and the longest message a WebSocket's client may send.
_HEADER_BYTES: Final = 98_304
_MESSAGE_BYTES: Final = 4_096
#: Name of the ASGI extension with which a WebSocket's connection is cut.
ABORT: Final = "wst.abort"


class _Server(uvicorn.Server):
    """Leaves signals to the process, which has more to end than a server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class _Socket(WebSocketsSansIOProtocol):
    """Lets the app end a connection whose client no longer reads: a polite close would wait for it for ever."""

    def handle_connect(self, event: Request) -> None:
        """Takes a handshake."""
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            self.scope["extensions"][ABORT] = {"abort": self.transport.abort}

    async def send(self, message: Any) -> None:
        """Sends what the app says; a refusal instead of a handshake is a whole answer too, and no fault to log."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0: any.

    Raises:
        SettingError: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise SettingError(
            f"WST_API_HOST, WST_API_PORT: {host} port {port} cannot be used ({error.strerror or error})", "set another port, or 0 for any"
        ) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """How a client on this machine reaches a socket."""
    host, port = listening.getsockname()[:2]
    return url_here(host, port)


@asynccontextmanager
async def serving(
    app: ASGIApp, listening: socket.socket, on_end: Callable[[], None], patience_s: float = PATIENCE_S
) -> AsyncIterator[asyncio.Task[None]]:
    """Serves while the context is open; gives the task, which ends early only by a fault.

    Args:
        on_end: called before the last answers are waited for.
        patience_s: who keeps the server waiting for so long is cut off.
    """
    config = uvicorn.Config(
        app, http="h11", log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=_LAST_ANSWERS_S,
        ws=_Socket, ws_max_size=_MESSAGE_BYTES, ws_per_message_deflate=False, h11_max_incomplete_event_size=_HEADER_BYTES,
    )  # fmt: skip
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    looking = asyncio.create_task(Patience(server.server_state.connections).run(patience_s))
    try:
        yield task
    finally:
        looking.cancel()
        on_end()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
