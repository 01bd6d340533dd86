"""The dashboard's files: read once, compressed once, the same for everyone."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

from fastapi import FastAPI, Request, Response

from streams.api.bundle import bundled
from streams.api.guard import OPEN_FOLDER
from streams.api.problems import Problem
from streams.api.site import Site

_PAGE: Final = "index.html"
#: The page without what it has the browser fetch ahead.
_WITHOUT_AHEAD: Final = "/without-ahead"
_AHEAD: Final = re.compile(r'^<link rel="preload".*\n', re.MULTILINE)
#: The modules of the dashboard as one, and the one that begins.
_SCRIPT: Final = "dashboard.js"
_ENTRY: Final = "main"
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
    texts = {entry.name: entry.read_text("utf-8") for entry in resources.files("streams.dashboard").iterdir() if _kind(entry.name)}
    modules = {name.removesuffix(".js"): text for name, text in texts.items() if name.endswith(".js")}
    served = {name: text for name, text in texts.items() if not name.endswith(".js")} | {_SCRIPT: bundled(modules, _ENTRY)}
    made = {name: _made(_kind(name), text.encode()) for name, text in served.items()}
    return made | {_WITHOUT_AHEAD: _made(_TYPES[".html"], _AHEAD.sub("", texts[_PAGE]).encode())}


def _kind(name: str) -> str:
    return _TYPES.get(name[name.rfind(".") :], "")


def _made(kind: str, plain: bytes) -> _File:
    return _File(kind, f'"{sha256(plain).hexdigest()[:16]}"', plain, gzip.compress(plain, 9, mtime=0))


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes. They are no part of the API, and not in its document."""

    # A browser fetches ahead without a token: where one is needed, it must not.
    page_name = _PAGE if site.guard.token is None and site.guard.read_token is None else _WITHOUT_AHEAD

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return _file(request, page_name)

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
