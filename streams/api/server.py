"""Serves an app on a socket, inside a running loop, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from schemas.errors import SettingError

_LAST_ANSWERS_S: Final = 1
_BACKLOG: Final = 128


class _Server(uvicorn.Server):
    """Leaves signals to the process, which has more to end than a server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


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
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # where everyone is let in, loopback is too
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket, on_end: Callable[[], None]) -> AsyncIterator[asyncio.Task[None]]:
    """Serves while the context is open; gives the task, which ends early only by a fault.

    Args:
        on_end: called before the last answers are waited for.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=_LAST_ANSWERS_S, ws="none"
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield task
    finally:
        on_end()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
