"""A watchdog of one process: a thread that counts who comes round with its work, and ends the process when somebody does not.

A process that hangs cannot say so, and Compose starts again only what has ended. The watchdog counts its own looks and
reads no clock: a process that was paused, or a machine that slept, has looked as seldom as it has worked.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

#: Exit status of a part that ended itself; whoever supervises it starts it again.
EXIT_ENDED: Final = 70
#: Between two looks, s.
LOOK_S: Final = 1.0
#: So many looks in a row may find that somebody has not come round.
LOOKS: Final = 60

_STDERR: Final = 2


def end_hung(reason: str) -> None:
    """Says why and where every thread stands, and ends the process at once.

    Without logging and without waiting: a thread that hangs may hold the log's lock, and a pipe that nobody reads may be
    what it hangs on. Where a thread stands is said by file and line, never by what its variables hold.
    """
    with suppress(OSError):
        os.set_blocking(_STDERR, False)
        os.write(_STDERR, f"wst: ending this process, as it hangs: {reason}: whoever supervises it starts it again\n".encode())
        faulthandler.dump_traceback(_STDERR)
    os._exit(EXIT_ENDED)


class Watchdog:
    """Counts rounds, in a thread of its own from `start` to `stop`.

    Args:
        end: told the reason when somebody has not come round for `looks` looks; ends the process unless a test says otherwise.
    """

    def __init__(self, end: Callable[[str], None] = end_hung, looks: int = LOOKS, look_s: float = LOOK_S) -> None:
        self._end = end
        self._looks = looks
        self._look_s = look_s
        self._rounds: dict[str, int] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begins to look."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Looks no more: the process ends by itself."""
        self._stopped.set()

    async def attend(self, name: str) -> None:
        """Runs in an event loop until cancelled, and shows that the loop comes round.

        Args:
            name: of the loop, for people.
        """
        try:
            while True:
                self._rounds[name] = self._rounds.get(name, 0) + 1
                await asyncio.sleep(self._look_s)
        finally:
            self._rounds.pop(name, None)

    def look(self) -> None:
        """Looks once at everybody."""
        for name, rounds in tuple(self._rounds.items()):
            before, missed = self._seen.get(name, (-1, 0))
            missed = missed + 1 if rounds == before else 0
            self._seen[name] = rounds, missed
            if missed >= self._looks:
                self._end(f"{name} has not come round for {missed * self._look_s:g} s")

    def _run(self) -> None:
        while not self._stopped.wait(self._look_s):
            self.look()


@asynccontextmanager
async def attended(name: str) -> AsyncIterator[None]:
    """A watchdog over the running event loop, for as long as the block lasts.

    Args:
        name: of the loop, for people.
    """
    watchdog = Watchdog()
    attending = asyncio.create_task(watchdog.attend(name))
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()
        attending.cancel()
