"""How a part tells its figures: over HTTP where it has a port, and in an embedded tree through a file that the API reads.

The server runs in the loop that does the work, on purpose: a part that hangs does not answer, and Prometheus says it is down.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from schemas.errors import SettingError
from schemas.loopback import is_loopback
from schemas.metrics.declared import DECLARED, Figure, Figures
from schemas.metrics.exposition import CONTENT_TYPE, exposition
from schemas.metrics.process import process_figures
from schemas.settings import Settings
from schemas.tokens import bearer_of

_log: Final = logging.getLogger("wst.metrics")

#: Between two files of an embedded tree's part, s, and how old one may be that is still believed.
TELL_EVERY_S: Final = 5.0
OLD_S: Final = 30.0
_FOLDER: Final = "figures"
#: A request: no more of it, no longer, and no more of them at once.
_REQUEST_BYTES: Final = 8_192
_REQUEST_S: Final = 5.0
_AT_ONCE: Final = 16


class Teller:
    """Tells what one part knows.

    Args:
        part: its name, the label `part`.
        figures: asked each time.
    """

    def __init__(self, settings: Settings, part: str, figures: Figures) -> None:
        self._settings = settings
        self._part = part
        self._figures = figures
        self._under_way = 0
        #: Where it is served, once it is; empty: nowhere.
        self.address = ""

    def now(self) -> Iterable[Figure]:
        """What it would tell now."""
        return chain(process_figures(), self._figures())

    async def run(self) -> None:
        """Tells until cancelled; ends at once where nobody would hear it.

        Raises:
            SettingError: the address cannot be listened on, or is open to others and there is no token.
        """
        if self._settings.journal is not None:
            await self._write_for_ever()
        elif self._settings.metrics_port is not None:
            await self._serve(self._settings.metrics_port)

    async def _write_for_ever(self) -> None:
        path = self._settings.data_dir / _FOLDER / f"{self._part.replace(' ', '-')}.json"
        while True:
            # A disk that is full is told by what needs it more.
            with contextlib.suppress(OSError):
                write_figures(path, self._part, self.now())
            await asyncio.sleep(TELL_EVERY_S)

    async def _serve(self, port: int) -> None:
        tokens = check_open(self._settings)
        host = self._settings.metrics_host
        try:
            server = await asyncio.start_server(lambda r, w: self._answer(r, w, tokens), host, port, limit=_REQUEST_BYTES)
        except OSError as error:
            raise SettingError(
                f"WST_METRICS_HOST, WST_METRICS_PORT: {host} port {port} cannot be used ({error.strerror or error})", "set another port"
            ) from error
        self.address = "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
        _log.info("figures of %s are at %s/metrics", self._part, self.address)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tokens: list[bytes]) -> None:
        self._under_way += 1
        try:
            if self._under_way <= _AT_ONCE:
                async with asyncio.timeout(_REQUEST_S):
                    request = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._response(request, tokens))
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            pass  # no request, or nobody there any more
        finally:
            self._under_way -= 1
            writer.close()

    def _response(self, request: bytes, tokens: list[bytes]) -> bytes:
        line, *fields = request.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
        method, _, target = line.partition(b" ")
        if target.split(b" ")[0].split(b"?")[0] != b"/metrics":
            return _http(404, b"figures are at /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return _http(405, b"figures are only read\n")
        if not tokens and not _means_loopback(headers.get(b"host", b"")):
            return _http(421, b"ask for it as localhost or 127.0.0.1\n")
        given = bearer_of(headers.get(b"authorization", b"").decode("latin-1")).encode("latin-1")
        if tokens and not any(hmac.compare_digest(given, token) for token in tokens):
            return _http(401, b"send a token: Authorization: Bearer ...\n")
        body = exposition([(self._part, self.now())])
        return _http(200, body, with_body=method == b"GET")


def check_open(settings: Settings) -> list[bytes]:
    """The tokens of which one is asked for; none: on loopback nobody needs one.

    Raises:
        SettingError: others reach the address, and there is no token.
    """
    tokens = [secret.get_secret_value().encode() for secret in (settings.api_token, settings.api_read_token) if secret]
    if not tokens and not is_loopback(settings.metrics_host):
        raise SettingError(
            f"WST_METRICS_HOST: figures on {settings.metrics_host} would be open to everyone",
            "set WST_API_READ_TOKEN_FILE, or use 127.0.0.1",
        )
    return tokens


def _means_loopback(host: bytes) -> bool:
    """Whether a request was addressed to loopback: a web page may have rebound its own name to it."""
    name = host.decode("latin-1")
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return is_loopback(name)


_REASONS: Final = {200: "OK", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request"}


def _http(status: int, body: bytes, *, with_body: bool = True) -> bytes:
    kind = CONTENT_TYPE if status == 200 else "text/plain; charset=utf-8"
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")


@asynccontextmanager
async def telling(settings: Settings, part: str, figures: Figures) -> AsyncIterator[None]:
    """Tells a part's figures while the context is open; that it cannot is logged, and harms nothing else."""
    task = asyncio.create_task(tell(Teller(settings, part, figures)), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def tell(teller: Teller) -> None:
    """Tells until cancelled; that it cannot is logged, and harms nothing else."""
    try:
        await teller.run()
    except SettingError as error:
        _log.error("%s: %s", error, error.hint)


def write_figures(path: Path, part: str, figures: Iterable[Figure]) -> None:
    """Writes a part's figures for the API of its tree."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    told = {"part": part, "at": time.time(), "figures": [[figure.metric.name, list(figure.labels), figure.value] for figure in figures]}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(told), "utf-8")
    new.replace(path)


def read_figures(data_dir: Path, now: Callable[[], float] = time.time) -> Iterator[tuple[str, list[Figure]]]:
    """What the other parts of an embedded tree told lately; what is no figure of ours is passed over."""
    for path in sorted((data_dir / _FOLDER).glob("*.json")):
        try:
            told = json.loads(path.read_text("utf-8"))
            if now() - told["at"] <= OLD_S:
                yield str(told["part"]), [figure for each in told["figures"] if (figure := _figure(*each)) is not None]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being replaced, or of another version


def _figure(name: str, labels: list[str], value: float) -> Figure | None:
    metric = DECLARED.get(name)
    return Figure(metric, tuple(labels), value) if metric is not None and len(labels) == len(metric.labels) else None
