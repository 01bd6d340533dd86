"""Answers compressed for who takes them so: JSON of a fleet shrinks to a fifteenth."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Shorter answers are one packet either way.
_WORTH_IT_BYTES: Final = 4_096
#: Beyond this a thread compresses, that others are not kept waiting.
_IN_PLACE_BYTES: Final = 65_536
_LEVEL: Final = 6
#: No name, no time, no system (RFC 1952, 2.3).
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
#: An empty block with fixed codes that is the last one.
_LAST_BLOCK: Final = b"\x03\x00"
_KINDS: Final = ("application/json", "application/problem+json", "text/csv")


def takes_gzip(headers: Headers) -> bool:
    """Whether whoever asks takes a compressed answer (RFC 9110, 12.5.3)."""
    for word in headers.get("accept-encoding", "").split(","):
        name, _, quality = word.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


async def packed(body: bytes) -> bytes:
    """A body compressed."""
    if len(body) <= _IN_PLACE_BYTES:
        return gzip.compress(body, _LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)


class Piece(NamedTuple):
    """Part of a body, compressed by itself: pieces one behind the other, framed by `gzip_of`, are the body compressed (RFC 1951, 1952)."""

    plain: bytes
    packed: bytes


def piece_of(plain: bytes) -> Piece:
    """Compresses part of a body."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A sync flush ends at a byte, and with a block that is not said to be the last.
    return Piece(plain, packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH))


def gzip_of(pieces: Sequence[Piece]) -> bytes:
    """The gzip file of a body that is these pieces."""
    crc, size = 0, 0
    for piece in pieces:
        crc, size = zlib.crc32(piece.plain, crc), size + len(piece.plain)
    end = _LAST_BLOCK + crc.to_bytes(4, "little") + (size & 0xFFFF_FFFF).to_bytes(4, "little")
    return b"".join([_HEADER, *(piece.packed for piece in pieces), end])


class PackingMiddleware:
    """Compresses answers that are whole, long and text; what a route has encoded itself stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or not takes_gzip(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        begun: Message | None = None

        async def packing(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = message
                return
            if begun is not None:
                body, start, begun = message.get("body", b""), begun, None
                if len(body) >= _WORTH_IT_BYTES and not message.get("more_body", False) and _may_be_packed(start):
                    message = {**message, "body": await packed(body)}
                    headers = MutableHeaders(scope=start)
                    headers["Content-Encoding"], headers["Content-Length"] = "gzip", str(len(message["body"]))
                    headers.add_vary_header("Accept-Encoding")
                await send(start)
            await send(message)

        await self._app(scope, receive, packing)


def _may_be_packed(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    return "content-encoding" not in headers and headers.get("content-type", "").partition(";")[0] in _KINDS
