"""An API over made-up states, as an app and as a server on a loopback port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from schemas import topics
from schemas.codec import codec
from schemas.settings import Settings
from streams.api.app import app_of
from streams.api.guard import Guard
from streams.api.live import Live
from streams.api.patience import PATIENCE_S
from streams.api.server import address_of, listen, serving
from streams.api.site import Site
from streams.query.archive import Archive
from streams.query.memory import MemoryArchive
from tests.sinks.records import arrive, event, position, rows_of, state, usage

LOCAL = Guard(frozenset({"127.0.0.1", "localhost", "api"}), None, None)


def make_live(*states: dict[str, Any], loaded: bool = True) -> Live:
    """A live view that has these states."""
    live = Live(Settings(), None)
    for number, record in enumerate(states, 1):
        live.states.apply(record["workspace_id"], record, position(number))
    if loaded:
        live.loaded.set()
    return live


async def make_archive(*events: dict[str, Any]) -> MemoryArchive:
    """An archive that has these events."""
    archive = MemoryArchive()
    for number, record in enumerate(events, 1):
        await archive.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, record, position(number))))
    return archive


def whole_event(seq: int, **more: Any) -> dict[str, Any]:
    """An event with every field, as a decoder gives it."""
    return arrive(topics.WORKSPACE_CHANGES, event(seq, **more), position(seq)).record or {}


def whole_state(workspace_id: str, **more: Any) -> dict[str, Any]:
    """A state with every field, as a decoder gives it."""
    return arrive(topics.WORKSPACE_STATE, state(workspace_id, **more), position(1)).record or {}


def whole_usage(**more: Any) -> dict[str, Any]:
    """A usage record with every field."""
    own = codec(topics.WORKSPACE_USAGE.subject)
    return own.decode(own.encode(usage(**more)))


def put_state(live: Live, record: dict[str, Any] | None, workspace_id: str | None = None) -> None:
    """Changes a workspace's state, as a record of the topic would; None: it is forgotten."""
    key = workspace_id or (record or {})["workspace_id"]
    known = live.states.position(key)
    at = position(1 + (known.offset if known is not None else 0))
    if live.states.apply(key, record, at):
        live.changed_states.touch(key)
        live.pulse.beat()


def put_usage(live: Live, record: dict[str, Any]) -> None:
    """Takes samples, as a record of the topic would bring them."""
    if live.usage.apply(record):
        live.changed_metrics.touch(record["workspace_id"])
        live.pulse.beat()


class Served:
    """An API that answers on a port; `live` may be changed from the test's thread by `call`."""

    def __init__(self, url: str, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.site = site
        self.live = site.live
        self._loop = loop

    def call(self, change: Callable[[], Any]) -> None:
        """Changes something in the API's own loop."""
        self._loop.call_soon_threadsafe(change)


@contextmanager
def served(
    *states: dict[str, Any],
    events: tuple[dict[str, Any], ...] = (),
    guard: Guard = LOCAL,
    loaded: bool = True,
    health: Mapping[str, Any] = MappingProxyType({"parts": []}),
    prepare: Callable[[Served], None] | None = None,
    archive: Callable[[], Archive] | None = None,
    patience_s: float = PATIENCE_S,
) -> Iterator[Served]:
    """Serves on a loopback port, in a thread of its own, until the context ends."""
    listening = listen("127.0.0.1", 0)
    started = threading.Event()
    found: list[Served] = []
    stops: list[Callable[[], Any]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        live = make_live(*states, loaded=loaded)
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        site = Site(live, archive() if archive else await make_archive(*events), guard, lambda: dict(health))
        found.append(Served(address_of(listening), site, loop))
        if prepare is not None:
            prepare(found[0])
        app = app_of(site)
        async with serving(app, listening, live.recent.close, patience_s):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        stops[0]()
        thread.join(10)
