"""Ends connections that keep the server waiting: a request that does not come to its end, an answer that is not read.

Each of them holds a file of the process, and an answer of the list as much memory as it is long: a few hundred would be felt by all.
Who listens on the WebSocket is looked after by its listener (`stream.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: A request has so long to come, and a part of an answer to be taken, s.
PATIENCE_S: Final = 20.0
LOOKS: Final = 4
_BEGUN: Final = (h11.IDLE, h11.SEND_BODY)


class Patience:
    """Looks at the connections now and then, and counts the looks at which nothing of what is awaited had come."""

    def __init__(self, connections: Collection[Any]) -> None:
        self._connections = connections
        self._seen: dict[H11Protocol, tuple[tuple[object, ...], int]] = {}

    async def run(self, patience_s: float) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(patience_s / LOOKS)
            self.look()

    def look(self) -> None:
        """Looks once, and cuts off who has kept us waiting for too long."""
        before, self._seen = self._seen, {}
        for one in list(self._connections):
            if not isinstance(one, H11Protocol):
                continue
            awaited = _awaited(one)
            if awaited is None:
                continue
            was, looks = before.get(one, ((), 0))
            looks = looks + 1 if was == awaited else 1
            if looks > LOOKS:
                one.transport.abort()
            else:
                self._seen[one] = awaited, looks


def _awaited(one: H11Protocol) -> tuple[object, ...] | None:
    """What a connection keeps us waiting for, the same for as long as it is the same; None: nothing."""
    left = one.transport.get_write_buffer_size()
    if left:
        return "read", left
    # How much of a request has come is of no matter: a byte now and then would keep it for ever.
    if one.conn.their_state in _BEGUN and one.timeout_keep_alive_task is None:
        return "request", one.cycle
    return None
