"""An HTTP server that does to each request what it was told, and remembers what it got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
GARBAGE = b"\x00\xff<html>SSH-2.0-nonsense\r\n" * 10
#: Not an answer but none at all.
HANG = b"hang"
DROP = b""
#: A good status and then a body without end.
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


def answer(status: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", "")).encode()


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Target:
    """Answers are used up one by one; then it is `OK`."""

    port: int
    answers: list[bytes]
    got: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def target(*answers: bytes) -> AsyncIterator[Target]:
    """Serves until the context ends."""
    connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        try:
            while await _one(reader, writer, made):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made = Target(server.sockets[0].getsockname()[1], list(answers))
    try:
        yield made
    finally:
        server.close()
        for writer in list(connections):
            writer.transport.abort()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, made: Target) -> bool:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    made.got.append(Request(lines[0].split()[1], headers, body))
    said = made.answers.pop(0) if made.answers else OK
    if said == HANG:
        await reader.read()
        return False
    writer.write(said)
    while said == ENDLESS:
        writer.write(b"x" * 65_536)
        await writer.drain()
    await writer.drain()
    return said.startswith(b"HTTP/1.1") and said != DROP


def bodies(requests: Sequence[Request]) -> list[bytes]:
    return [request.body for request in requests]
