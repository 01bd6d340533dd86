"""The processes `wst api` and `wst serve`: composition of live view, archive, app and, embedded, the sink."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from schemas.settings import Settings
from streams.api.app import make_app
from streams.api.guard import guard_of
from streams.api.live import Live
from streams.api.server import address_of, listen, serving
from streams.query.archive import ClickHouseArchive

_log: Final = logging.getLogger("wst.api")

#: What a process says on stdout once it can be used, followed by its address.
READY: Final = "wst-ready "


async def run_api(
    settings: Settings,
    archive: ClickHouseArchive,
    beside: Callable[[], Awaitable[None]] | None = None,
    health: Callable[[], Any] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT; says its address in the line `wst-ready URL`.

    Args:
        beside: runs in the same process (the embedded sink); when it ends, all ends.
        health: what it says for `/healthz`.

    Raises:
        SettingError: the address cannot be listened on, or is not loopback and there is no token.
        Unreachable: the broker or ClickHouse does not answer.
    """
    guard = guard_of(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listening = listen(settings.api_host, settings.api_port)
    live = Live(settings, archive if settings.journal else None)
    app = make_app(live, archive, guard, lambda: {"parts": parts_of(settings)} | ({"sink": health()} if health else {}))
    services = [asyncio.ensure_future(live.run())] + ([asyncio.ensure_future(beside())] if beside else [])
    try:
        async with serving(app, listening, live.recent.close) as server:
            loaded = asyncio.create_task(_say_ready(live, address_of(listening)))
            await asyncio.wait([*services, server, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
            loaded.cancel()
        for service in (*services, server):
            if service.done():
                service.result()
    finally:
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        await archive.close()


async def _say_ready(live: Live, address: str) -> None:
    await live.loaded.wait()
    print(f"{READY}{address}", flush=True)  # noqa: T201  # the supervisor reads it


def parts_of(settings: Settings) -> list[dict[str, Any]]:
    """How the parts of an embedded tree do, as its supervisor wrote it; none in a cluster."""
    if settings.journal is None:
        return []
    try:
        parts: list[dict[str, Any]] = json.loads((settings.data_dir / "parts.json").read_text())
    except (OSError, ValueError):
        return []
    return parts
