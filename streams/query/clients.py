"""Threads and clients of one's own for an archive that may hang: who shared the loop's threads would wait for it, too."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clickhouse_connect.driver import Client

T = TypeVar("T")


class Threads:
    """So many calls at once; who comes later waits without a thread.

    Args:
        count: of threads.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._turns = asyncio.Semaphore(count)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="wst-archive")

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """What a call returns or raises.

        A turn ends with its call, not with who waited for it: a call cannot be broken off, and has its thread until then.
        """
        await self._turns.acquire()
        called = asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
        called.add_done_callback(lambda _: self._turns.release())
        return await asyncio.shield(called)

    async def close(self) -> None:
        """Lets go of the threads, after the calls that run."""
        for _ in range(self._count):
            await self._turns.acquire()
        self._threads.shutdown(wait=False)


class Clients:
    """Threads, each with a client that nobody else uses meanwhile.

    Args:
        opened: opens a client when one is needed.
        count: of clients.
    """

    def __init__(self, opened: Callable[[], Client], count: int) -> None:
        self._opened = opened
        self._threads = Threads(count)
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()

    async def run(self, asked: Callable[..., T], *arguments: object) -> T:
        """What a function of a client and these arguments returns or raises."""
        return await self._threads.run(self._with_client, asked, *arguments)

    def _with_client(self, asked: Callable[..., T], *arguments: object) -> T:
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = self._opened()
        try:
            return asked(client, *arguments)
        finally:
            self._idle.put(client)

    async def close(self) -> None:
        """Lets go of the connections, after the calls that run."""
        await self._threads.close()
        while not self._idle.empty():
            await asyncio.to_thread(self._idle.get_nowait().close)
