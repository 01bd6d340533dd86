"""Wakes everyone who waits for news, and tells which workspaces had some: no queue per listener, so none can grow."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator


class Pulse:
    """Counts beats; any number of tasks wait for the next one."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False
        self._next: asyncio.Future[None] | None = None

    def beat(self) -> None:
        """Something is new."""
        self.count += 1
        beaten, self._next = self._next, None
        if beaten is not None and not beaten.done():
            beaten.set_result(None)

    async def after(self, count: int, timeout_s: float) -> bool:
        """Waits for a beat behind that count, for so long at most; False: there was none."""
        if self.count == count and not self.closed:
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            # `wait` leaves the future alone at a time-out: others wait for it too.
            await asyncio.wait((self._next,), timeout=timeout_s)
        return self.count != count or self.closed

    def close(self) -> None:
        """Wakes all who wait, now and later."""
        self.closed = True
        self.beat()


class Touched:
    """Workspace ids by when they last changed: who looks rarely sees each once, whatever happened in between."""

    def __init__(self) -> None:
        self.number = 0
        self._last: OrderedDict[str, int] = OrderedDict()

    def touch(self, workspace_id: str) -> None:
        """A workspace changed."""
        self.number += 1
        self._last[workspace_id] = self.number
        self._last.move_to_end(workspace_id)

    def since(self, number: int) -> Iterator[str]:
        """Those that changed behind that number, the latest first."""
        for workspace_id in reversed(self._last):
            if self._last[workspace_id] <= number:
                return
            yield workspace_id
