"""The producer put together: settings → engines, outlet, control, loops; and its clean end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from producers.control import Control, JournalControl, KafkaControl
from producers.engine import DockerEngine
from producers.engines import Given, identify
from producers.identity import DEFAULT_RULES, Policy
from producers.measured import producer_figures
from producers.publisher import JournalOutlet, Outlet
from producers.store import Store
from producers.watch import EngineWatch, Pace
from schemas.engines import parse_engine
from schemas.errors import WstError
from schemas.metrics.telling import telling
from schemas.settings import Settings

_log: Final = logging.getLogger("wst.producer")

#: How long the start waits for earlier control records; a broker that is away must not keep a producer from journaling.
_CONTROL_S: Final = 3.0
#: For the last words when it ends, s.
_GOODBYE_S: Final = 1.0


def policy_of(settings: Settings) -> Policy:
    """What is tracked and what may be stored."""
    return Policy(tuple(settings.include), tuple(settings.exclude), tuple(settings.labels_include), DEFAULT_RULES)


def pace_of(settings: Settings) -> Pace:
    """How often."""
    return Pace(settings.collect_interval, settings.sync_interval, settings.max_retries)


def outlet_of(settings: Settings) -> Outlet:
    """Where records go: the shared journal in an embedded tree, else Kafka behind a private outbox."""
    if settings.journal is not None:
        return JournalOutlet(settings.journal, settings.partitions, settings.topic_prefix)
    from producers.outbox import KafkaOutlet
    from schemas.kafka import client_arguments

    return KafkaOutlet(client_arguments(settings), settings.data_dir / "outbox.sqlite", settings.topic_prefix)


def control_of(settings: Settings) -> Control:
    """Where requests come from."""
    if settings.journal is not None:
        return JournalControl(settings.journal, settings.partitions, settings.topic_prefix)
    from schemas.kafka import client_arguments

    return KafkaControl(client_arguments(settings), settings.topic_prefix)


def connect(settings: Settings) -> list[Given]:
    """Connects to all engines; the setting of a name or id is of the first, unless its entry names it.

    Raises:
        SettingError: an entry is no engine.
        Unreachable: one of them does not answer.
    """
    entries = [parse_engine(entry) for entry in settings.engines]
    if not entries:
        return [Given(DockerEngine(), settings.engine_name, settings.engine_id)]
    names = [settings.engine_name, *(None for _ in entries[1:])]
    return [
        Given(DockerEngine(entry.url), entry.name or name, settings.engine_id, named_here=entry.name is not None)
        for entry, name in zip(entries, names, strict=True)
    ]


async def run(
    settings: Settings,
    engines: Sequence[Given],
    *,
    pace: Pace | None = None,
    outlet: Outlet | None = None,
    control: Control | None = None,
    until: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Watches engines until SIGTERM, SIGINT, or what `until` waits for.

    Raises:
        WstError: an engine does not answer at the start or is named twice, another producer watches it, or the journal takes nothing.
        Exception: the outlet does not send any more; whoever started this producer starts it again.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = Store(settings.data_dir)
    outlet = outlet or outlet_of(settings)
    watches: list[EngineWatch] = []
    try:
        for given, identity in zip(engines, await identify(engines, store), strict=True):
            _log.info("watching the engine %s at %s (API %s)", identity[1], given.engine.url, given.engine.api_version)
            watch = EngineWatch(
                given.engine, identity, policy_of(settings), pace or pace_of(settings), store, outlet, settings.topic_prefix
            )
            watches.append(watch)
        outlet.start()
        counted = [watch.shared.counts for watch in watches]
        async with telling(settings, "producer", lambda: producer_figures(counted, outlet)):
            await _run_until(stop, watches, outlet, control or control_of(settings), until)
    finally:
        await _end(watches, outlet)
        store.close()


async def _run_until(
    stop: asyncio.Event, watches: Sequence[EngineWatch], outlet: Outlet, control: Control, until: Callable[[], Awaitable[None]] | None
) -> None:
    read = asyncio.Event()
    tasks: list[asyncio.Future[None]] = [
        asyncio.create_task(_obey(control, watches, read), name="control"),
        asyncio.create_task(outlet.ended(), name="outlet"),
    ]
    ends: list[asyncio.Future[Any]] = [asyncio.create_task(stop.wait(), name="stop")]
    if until is not None:
        ends.append(asyncio.ensure_future(until()))
    try:
        await asyncio.wait([*tasks, *ends, begin := asyncio.create_task(read.wait())], timeout=_CONTROL_S, return_when="FIRST_COMPLETED")
        begin.cancel()
        if not any(task.done() for task in tasks):
            tasks.extend(asyncio.create_task(watch.run(), name=watch.shared.origin.engine_name) for watch in watches)
        await asyncio.wait([*tasks, *ends], return_when="FIRST_COMPLETED")
        for task in tasks:
            if task.done():
                _raise_plainly(task)
    finally:
        for one in [*tasks, *ends]:
            one.cancel()
        await asyncio.gather(*tasks, *ends, return_exceptions=True)


def _raise_plainly(task: asyncio.Future[None]) -> None:
    """Raises what ended a task; of a group of errors the one that is for people."""
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = next((one for one in error.exceptions if isinstance(one, (WstError, BaseExceptionGroup))), error.exceptions[0])
    if error is not None:
        raise error


async def _obey(control: Control, watches: Sequence[EngineWatch], read: asyncio.Event) -> None:
    async for record in control.read():
        for watch in watches:
            if record is None:
                watch.go_live()
            else:
                watch.obey(record)
        if record is None:
            read.set()


async def _end(watches: Sequence[EngineWatch], outlet: Outlet) -> None:
    """Says goodbye, so that a successor need not wait, and sends what waits."""
    try:
        async with asyncio.timeout(_GOODBYE_S):
            for watch in watches:
                await watch.say_goodbye()
    except TimeoutError:
        _log.info("no goodbye: the journal is busy")
    except WstError as error:
        _log.warning("no goodbye: %s", error)
    for watch in watches:
        watch.close()
    await outlet.close()
