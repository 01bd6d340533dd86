"""A line between a client and a server: a TCP relay that is cut, goes dead, swallows answers, or is slow, as a network is."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, Literal

from tests.platform.process import free_port

#: `cut`: connections are reset and new ones refused. `dead`: nothing gets through, nobody is told, and after it all goes on.
#: `deaf`: requests get through, their answers do not, and after it connections are reset. `slow`: each piece takes a while.
Trouble = Literal["cut", "dead", "deaf", "slow"]
TROUBLES: Final[tuple[Trouble, ...]] = ("cut", "dead", "deaf", "slow")
_PIECE: Final = 1 << 16
#: How long a piece takes on a slow line, s.
_SLOW_S: Final = 0.15


class Line:
    """Relays to a loopback port, in a thread of its own.

    Attributes:
        port: what clients connect to.
        to_port: where the server is.
    """

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self.to_port = to_port
        self.trouble: Trouble | None = None
        self._whole = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"line-{self.port}", daemon=True)

    def open(self) -> None:
        """Relays from now on; a second time: nothing."""
        if not self._ready.is_set():
            self._thread.start()
            self._ready.wait()

    def close(self) -> None:
        """Resets all connections and takes no more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join()

    def fail(self, trouble: Trouble | None) -> None:
        """From now on it is so; None: it is well."""
        self._loop.call_soon_threadsafe(self._become, trouble)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._become(None)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    def _stop(self) -> None:
        self._reset()
        self._loop.stop()

    @staticmethod
    async def _end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _become(self, trouble: Trouble | None) -> None:
        if trouble == "cut" or (self.trouble == "deaf" and trouble != "deaf"):
            self._reset()  # after answers that never came a stream of bytes cannot go on
        self.trouble = trouble
        if trouble == "dead":
            self._whole.clear()
        else:
            self._whole.set()

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._note(writer)
        with suppress(OSError):
            if self.trouble != "cut":
                there, back = await asyncio.open_connection("127.0.0.1", self.to_port)
                self._note(back)
                await _first_of(self._pass(reader, back), self._pass(there, writer, answers=True))
                back.transport.abort()
                self._writers.discard(back)
        writer.transport.abort()
        self._writers.discard(writer)

    def _note(self, writer: asyncio.StreamWriter) -> None:
        """Its end is to be a reset."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writers.add(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self.trouble == "slow":
                    await asyncio.sleep(_SLOW_S)
                await self._whole.wait()
                if not (answers and self.trouble == "deaf"):
                    writer.write(piece)
                    await writer.drain()


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Ends all with the first: a connection of which half is gone is gone."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
