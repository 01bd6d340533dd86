"""The dashboard's files: read once, compressed once, the same for everyone."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

from fastapi import FastAPI, Request, Response

from streams.api.guard import OPEN_FOLDER
from streams.api.problems import Problem
from streams.api.site import Site

_PAGE: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    kind: str
    tag: str
    plain: bytes
    packed: bytes


@cache
def files() -> dict[str, _File]:
    """All files by name."""
    found: dict[str, _File] = {}
    for entry in resources.files("streams.dashboard").iterdir():
        kind = _TYPES.get(entry.name[entry.name.rfind(".") :])
        if kind is not None:
            plain = entry.read_bytes()
            found[entry.name] = _File(kind, f'"{sha256(plain).hexdigest()[:16]}"', plain, gzip.compress(plain, 9, mtime=0))
    return found


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes. They are no part of the API, and not in its document."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return _file(request, _PAGE)

    @app.get(f"{OPEN_FOLDER}{{name}}", include_in_schema=False)
    async def asset(request: Request, name: str) -> Response:
        return _file(request, name)


def _file(request: Request, name: str) -> Response:
    found = files().get(name)
    if found is None:
        raise Problem(404, "not found", "the dashboard has no such file")
    # A browser asks each time, with the tag: a newer wst shows itself at once, and an unchanged file costs a line.
    headers = {"ETag": found.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, 200, headers | {"Content-Encoding": "gzip"}, found.kind)
    return Response(found.plain, 200, headers, found.kind)
