"""The API with 1,000 workspaces: the list at 100 requests a second, events to 200 listeners, memory of an idle listener.

    python -m benchmarks.api

Server and clients are two processes on one machine. Samples of a tenth of the workspaces come in every second meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
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
CONNECTIONS = 20


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
    """Prints the percentiles of durations."""
    cuts = statistics.quantiles(values_s, n=100)
    print(f"{name}: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms, most {max(values_s) * 1e3:.1f} ms, of {len(values_s)}")


async def ask(url: str, line: Connection) -> None:
    """The list of all workspaces, at a steady rate whatever the answers take. The client does as little as it can."""
    host, port = url.removeprefix("http://").split(":")
    question = f"GET /api/v1/workspaces HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    free: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, int(port), limit=1 << 22))
    took: list[float] = []
    sizes: list[int] = []

    async def once(due: float) -> None:
        reader, writer = connection = await free.get()
        writer.write(question)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length: ")[1].split()[0])
        await reader.readexactly(size)
        took.append(time.perf_counter() - due)
        sizes.append(size)
        free.put_nowait(connection)

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
    told(f"GET /api/v1/workspaces, {WORKSPACES} workspaces, {max(sizes) / 1e6:.2f} MB, {PER_SECOND}/s", took)
    print(f"of the server's time each takes {(line.recv() - cpu_s) / REQUESTS * 1e3:.2f} ms, samples that came meanwhile included")


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
    asyncio.run(ask(url, here))
    asyncio.run(listen(url, here))
    here.send(("end", 0))
    server.join(10)


if __name__ == "__main__":
    main()
