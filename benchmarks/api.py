"""The API with 1,000 workspaces: the list at 100 requests a second, events to 200 listeners, memory of an idle listener.

    python -m benchmarks.api

Server and clients are two processes on one machine. Samples of a tenth of the workspaces come in every second meanwhile, so
that no list stays as it is for long. The whole list is asked for three times over: compressed, as browsers and our own command
line ask; plain; and with the ETag of the answer before. A time runs from when a request was due until its last byte was read,
the client's own work included; "the server's part" is CPU time of the server's process, samples included.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import statistics
import time
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import psutil
import websockets

from tests.browser.fleet import fleet, usage_of
from tests.face.api_parts import put_usage, served, whole_event

WORKSPACES, REQUESTS, PER_SECOND, LISTENERS, EVENTS = 1_000, 1_000, 100, 200, 100
CONNECTIONS, STRETCH = 20, 200


def serve(line: Connection) -> None:
    """Serves until told to end; `(what, number)` makes events, answers how much memory it takes."""
    states, chance = fleet(WORKSPACES), random.Random(1)
    ticks = [used for used in (usage_of(state, time.time_ns(), chance) for state in states) if used is not None]
    with served(*states) as api:
        line.send(api.url)
        turn = 0
        while True:
            if not line.poll(0.01):
                for used in ticks[turn % 100 :: 100]:
                    api.call(partial(put_usage, api.live, used | {"tick_at_ns": time.time_ns()}))
                turn += 1
                continue
            what, number = line.recv()
            if what == "end":
                return
            if what == "event":
                api.call(partial(api.live.recent.add, whole_event(number, message=str(time.time_ns()))))
            elif what == "cpu":
                line.send(time.process_time())
            else:
                line.send(psutil.Process().memory_info().rss)


def told(name: str, values_s: list[float]) -> None:
    """Prints the percentiles of durations, of all and of the quietest stretch: the machine has other work too."""
    cuts = statistics.quantiles(values_s, n=100)
    print(f"{name}: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms, most {max(values_s) * 1e3:.1f} ms, of {len(values_s)}")
    stretches = [values_s[begin : begin + STRETCH] for begin in range(0, len(values_s) - STRETCH + 1, STRETCH)]
    quietest = min(statistics.quantiles(values, n=100)[98] for values in stretches)
    print(f"  p99 of the quietest {STRETCH}: {quietest * 1e3:.1f} ms; load {os.getloadavg()[0]:.1f}")


class Line(asyncio.BufferedProtocol):
    """A connection that asks for the list again and again, and does as little as a client can: bodies are counted and passed over."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._tag = ""
        self._room = memoryview(bytearray(1 << 20))
        self._head = bytearray()
        self._left = 0
        self._size = 0
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answer.cancel()

    def connection_made(self, transport: Any) -> None:
        """Keeps the connection."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Always the same room."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Counts what came."""
        if self._left:
            self._left -= nbytes
        else:
            self._head += self._room[:nbytes]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            headers = dict(line.split(": ", 1) for line in self._head[:end].decode().lower().split("\r\n")[1:])
            self._tag = headers["etag"].replace('w/"', 'W/"')
            self._size = int(headers.get("content-length", "0"))
            self._left = self._size - (len(self._head) - end - 4)
            self._head.clear()
        if self._left == 0:
            self._answer.set_result(self._size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells who waits for an answer."""
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed by the server"))

    async def ask(self) -> int:
        """Asks once; the bytes of the answer's body."""
        more = {"gzip": "Accept-Encoding: gzip\r\n", "ETag": f"Accept-Encoding: gzip\r\nIf-None-Match: {self._tag}\r\n"}.get(self._how, "")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET /api/v1/workspaces HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode())
        return await self._answer


async def ask(url: str, line: Connection, how: str) -> None:
    """The list of all workspaces, at a steady rate whatever the answers take."""
    host, port = url.removeprefix("http://").split(":")
    # In turn, so that none is idle for so long that the server closes it.
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        _, protocol = await asyncio.get_running_loop().create_connection(partial(Line, how), host, int(port))
        free.put_nowait(protocol)
    took: list[float] = []
    sizes: list[int] = []

    async def once(due: float) -> None:
        asked = await free.get()
        sizes.append(await asked.ask())
        took.append(time.perf_counter() - due)
        free.put_nowait(asked)

    await once(0.0)
    took.clear()
    line.send(("cpu", 0))
    cpu_s, begin = line.recv(), time.perf_counter()
    tasks = []
    for number in range(REQUESTS):
        due = begin + number / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(once(due)))
    await asyncio.gather(*tasks)
    line.send(("cpu", 0))
    told(f"list of {WORKSPACES} workspaces, {how}, {statistics.mean(sizes) / 1e6:.2f} MB in the mean, {PER_SECOND}/s", took)
    print(f"  the server's part: {(line.recv() - cpu_s) / REQUESTS * 1e3:.2f} ms of CPU each")


async def listen(url: str, line: Connection) -> None:
    """Events to many listeners, and what an idle one costs the server."""

    def memory() -> int:
        line.send(("memory", 0))
        return int(line.recv())

    address = url.replace("http", "ws") + "/api/v1/stream?what=events"
    before = memory()
    sockets = [await websockets.connect(address, compression=None, proxy=None) for _ in range(LISTENERS)]
    for socket in sockets:
        await socket.recv()
    print(f"an idle listener takes {(memory() - before) / LISTENERS / 1024:.0f} KiB of the server")
    took: list[float] = []

    async def hear(socket: Any) -> None:
        heard = 0
        while heard < EVENTS:
            said = json.loads(await socket.recv())
            now_ns = time.time_ns()
            for event in said.get("events", ()):
                took.append((now_ns - int(event["message"])) / 1e9)
                heard += 1

    hearing = [asyncio.create_task(hear(socket)) for socket in sockets]
    for number in range(EVENTS):
        line.send(("event", number + 1))
        await asyncio.sleep(0.05)
    await asyncio.gather(*hearing)
    told(f"event to {LISTENERS} listeners", took)
    await asyncio.gather(*(socket.close() for socket in sockets))


def main() -> None:
    """Measures."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = here.recv()
    for how in ("gzip", "plain", "ETag"):
        asyncio.run(ask(url, here, how))
    asyncio.run(listen(url, here))
    here.send(("end", 0))
    server.join(10)


if __name__ == "__main__":
    main()
