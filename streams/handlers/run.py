"""The process `wst handle`: each handler in a thread and an event loop of its own, so that one that blocks holds up no other."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.alive import say_alive
from schemas.errors import WstError
from schemas.metrics import Figure, system
from schemas.metrics.telling import Teller, tell
from schemas.settings import Settings
from streams.handlers.config import HandlerConfig, NoHandler, configs, make_handler
from streams.handlers.handler import Handler
from streams.handlers.mutes import Mutes
from streams.handlers.runner import Runner
from streams.handlers.source import source_for
from streams.sinks.letters import letters

_log: Final = logging.getLogger("wst.handlers")

#: What a delivery under way may take at the end, s; what does not get in is delivered again.
_LAST_S: Final = 3.0
_LOOK_S: Final = 0.2
#: How long is waited for handlers to be made, s: a setting that makes no sense is to be said as the end of the start.
_MADE_S: Final = 10.0
_REPORT_S: Final = 60.0
#: An attempt beyond its time by so much does not listen to its end: it blocks.
_BLOCKS_S: Final = 5.0


class HandlerThread:
    """One handler at work in its thread."""

    def __init__(self, settings: Settings, config: HandlerConfig) -> None:
        self.config = config
        self._settings = settings
        self.runner: Runner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._made = threading.Event()
        self._failed: BaseException | None = None
        self._reported = self._is_late = False
        self._began_s = time.monotonic()
        self.thread = threading.Thread(target=self._run, name=f"handler {config.name}", daemon=True)

    def start(self) -> None:
        """Begins to make the handler, and sets it to work."""
        self.thread.start()

    def made(self, until_s: float) -> None:
        """Waits until it is made, up to a time of the monotonic clock: one that hangs while it is made is not waited for.

        Raises:
            NoHandler, SettingError: it cannot be made.
        """
        self._is_late = not self._made.wait(max(0.0, until_s - time.monotonic()))
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        try:
            # Here, as what a plug-in makes may belong to its loop.
            asyncio.run(self._work())
        except BaseException as error:
            if self._made.is_set() or self._is_late:
                _log.exception("handler %s ended", self.config.name)
            self._failed = error
        finally:
            self._made.set()

    async def _work(self) -> None:
        handler: Handler = make_handler(self.config)
        source, dead = source_for(self._settings, self.config.name), letters(self._settings)
        self.runner = Runner(self.config, handler, source, dead, self._settings.topic_prefix, muted=Mutes(self._settings))
        self._loop = asyncio.get_running_loop()
        self._made.set()
        await self.runner.run()

    def look(self) -> None:
        """Reports an attempt that blocks, or a plug-in that does not come to an end of its making, once."""
        made = self._made.is_set()
        since_s = (self.runner.counts.busy_since_s if self.runner is not None else None) if made else self._began_s
        blocks = since_s is not None and time.monotonic() - since_s > self.config.timeout_s + (_BLOCKS_S if made else 0)
        if blocks and not self._reported:
            what = "blocks" if made else "hangs while it is made"
            _log.error("handler %s %s: its events wait, the other handlers go on", self.config.name, what)
        self._reported = blocks

    def report(self) -> None:
        """Says what it has done, where it has done anything."""
        if self.runner is not None:
            done = self.runner.counts
            _log.info("handler %s: %d delivered, %d retries, %d dead letters", self.config.name, done.delivered, done.retries, done.dead)

    def figures(self) -> Iterator[Figure]:
        """What it shows to Prometheus."""
        if self.runner is not None:
            done, name = self.runner.counts, self.config.name
            yield system.DELIVERED.at(done.delivered, name)
            yield system.DELIVERY_RETRIES.at(done.retries, name)
            yield system.DELIVERY_DEAD.at(done.dead, name)

    def stop(self) -> None:
        """Asks it to end."""
        if self.runner is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.runner.stop)


def start_all(settings: Settings, found: Sequence[HandlerConfig]) -> list[HandlerThread]:
    """Starts those that can be made, and says which cannot.

    Raises:
        SettingError: options of one make no sense.
    """
    started = [HandlerThread(settings, config) for config in found]
    # All at once: none waits for another to be made.
    for one in started:
        one.start()
    until_s = time.monotonic() + _MADE_S
    at_work = []
    for one in started:
        try:
            one.made(until_s)
        except NoHandler as error:
            _log.error("%s; the other handlers go on", error)
            continue
        at_work.append(one)
    return at_work


def run_until_signal(settings: Settings) -> None:
    """Runs all configured handlers until SIGINT or SIGTERM.

    Raises:
        SettingError: there is none, or one of them makes no sense.
    """
    found = configs(settings.handlers)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        running = start_all(settings, found)
    except WstError:
        stop.set()
        raise
    _log.info("%d of %d handlers at work", len(running), len(found))
    teller = Teller(settings, "handlers", lambda: (figure for one in running for figure in one.figures()))
    threading.Thread(target=lambda: asyncio.run(tell(teller)), name="metrics", daemon=True).start()
    report_s = time.monotonic() + _REPORT_S
    while not stop.wait(_LOOK_S):
        say_alive(settings.data_dir, "handlers")
        for one in running:
            one.look()
        if time.monotonic() > report_s:
            report_s += _REPORT_S
            for one in running:
                one.report()
    for one in running:
        one.stop()
    until_s = time.monotonic() + _LAST_S
    for one in running:
        one.thread.join(max(0.0, until_s - time.monotonic()))
    for one in running:
        one.report()
    logging.shutdown()
    # A handler that hangs in a thread would keep the process: what it has not delivered is delivered again.
    os._exit(0)
