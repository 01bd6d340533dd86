"""The processes `wst api` and `wst serve`: composition of live view, archive, app and, embedded, the sink."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from schemas.engines import masked_url
from schemas.errors import SettingError
from schemas.settings import Settings
from schemas.watchdog import attended
from streams.api.app import make_app
from streams.api.desk import Desk
from streams.api.files import raise_limit
from streams.api.guard import guard_of
from streams.api.live import Live
from streams.api.server import address_of, listen, serving
from streams.migrate import address_of as archive_address
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.ready import say_ready
from streams.sinks.letters import letters
from streams.sinks.run import SinkPart
from streams.supervisor.engine import find_engines
from streams.supervisor.plan import PRODUCER

#: What the batch under way may take at the end, s; what does not get in is read again.
_LAST_BATCH_S: Final = 2.0
#: Nobody waits any more for an answer of an archive that hangs, s.
_LAST_QUESTIONS_S: Final = 1.0


async def run_api(settings: Settings, sink: SinkPart | None = None) -> None:
    """Serves until SIGTERM or SIGINT; says its address in the line `wst-ready URL`.

    Args:
        sink: runs in the same process (embedded: one process alone may open the archive).

    Raises:
        SettingError: the address cannot be listened on, or is not loopback and there is no token.
        WstError: the broker or the archive is out of reach, or the sink cannot go on.
    """
    raise_limit()
    guard = guard_of(settings)
    listening = listen(settings.api_host, settings.api_port)
    if sink is not None:
        await sink.prepare()
    # Until here a signal ends the process at once: opening an archive may take seconds, and may be cut off anywhere.
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    archive = ClickHouseArchive(archive_address(settings))
    live = Live(settings, archive if settings.journal else None)
    publisher = letters(settings)
    desk, figures = Desk(publisher, live, settings.topic_prefix), sink.consumer.figures if sink is not None else None
    app = make_app(live, archive, guard, lambda: _health(settings, sink), desk, figures)
    following = asyncio.create_task(live.run())
    sinking = [asyncio.create_task(sink.run())] if sink is not None else []
    try:
        async with attended("the API's loop"), serving(app, listening, live.recent.close) as server:
            ready = asyncio.create_task(_say_ready(live, address_of(listening)))
            asked = asyncio.create_task(stop.wait())
            await asyncio.wait([following, *sinking, server, asked], return_when=asyncio.FIRST_COMPLETED)
            for task in (ready, asked):
                task.cancel()
        _raise_the_first([following, *sinking, server])
    finally:
        if sink is not None:
            sink.stop()
        await _end([following], 0)
        await _end(sinking, _LAST_BATCH_S)
        await publisher.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_QUESTIONS_S):
                await archive.close()


def _raise_the_first(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()


async def _end(tasks: Sequence[asyncio.Task[None]], within_s: float) -> None:
    """Gives tasks time to end by themselves, then cancels them; what they raised was said before."""
    if tasks and within_s:
        await asyncio.wait(tasks, timeout=within_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _say_ready(live: Live, address: str) -> None:
    await live.loaded.wait()
    say_ready(address)


def _health(settings: Settings, sink: SinkPart | None) -> dict[str, Any]:
    said: dict[str, Any] = {"parts": parts_of(settings)}
    if settings.journal is not None:
        said |= tree_of(settings, said["parts"])
    if sink is not None:
        said["sink"] = asdict(sink.consumer.counters) | {"lag": sink.consumer.lag()}
    return said


def tree_of(settings: Settings, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an embedded tree works with: its wire, its files, and the engines it watches, without passwords."""
    watches = any(part["name"] == PRODUCER for part in parts)
    return {
        "brokers": settings.brokers,
        "data_dir": str(settings.data_dir),
        "engines": [masked_url(url) for url in _engines(settings)] if watches else [],
    }


def _engines(settings: Settings) -> list[str]:
    try:
        return [engine.url for engine in find_engines(settings.engines, os.environ, Path.home())]
    except SettingError:
        # A Docker context that was removed meanwhile: the producer is the one to complain.
        return []


def parts_of(settings: Settings) -> list[dict[str, Any]]:
    """How the parts of an embedded tree do, as its supervisor wrote it; none in a cluster."""
    if settings.journal is None:
        return []
    try:
        parts: list[dict[str, Any]] = json.loads((settings.data_dir / "parts.json").read_text())
    except (OSError, ValueError):
        return []
    return parts
