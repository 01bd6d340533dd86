"""Runs an app of the lane as a process: starts it, waits for a signal, commits once more, and leaves."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Final

from schemas.memory import calm_collector
from schemas.watchdog import EXIT_ENDED
from streams.lane.app import LaneApp

#: What the last commit may take after a signal, s; what it does not reach is folded again.
_LAST_COMMIT_S: Final = 2.0
#: What leaving the group may take, s; a session later the group notices by itself.
_LEAVE_S: Final = 0.7

log = logging.getLogger("wst.lane")


def run(app: LaneApp) -> None:
    """Runs an app until SIGTERM or SIGINT; does not return: the process exits with 0, or 70 when the app failed."""
    calm_collector()
    code = asyncio.run(_serve(app))
    sys.stderr.flush()
    # Faust's threads may still wait for the broker; nothing of theirs is worth waiting for.
    logging.shutdown()
    os._exit(code)


async def _serve(app: LaneApp) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    started = asyncio.create_task(app.start(), name="lane-start")
    asked = asyncio.create_task(stop.wait(), name="lane-stop")
    crashed = asyncio.create_task(app.wait_until_stopped(), name="lane-crash")
    waiting = {started, asked, crashed}
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if started in done and (error := started.exception()) is not None:
            log.critical("the worker did not start: %s: %s", type(error).__name__, error)
            return EXIT_ENDED
        if crashed in done:
            reason = app.crash_reason
            log.critical("the worker failed: %s: %s", type(reason).__name__, reason)
            return EXIT_ENDED
        if asked in done:
            await _leave(app)
            return 0
    return 0


async def _leave(app: LaneApp) -> None:
    """Commits what is folded, then leaves the group, so that others need not wait for the session's end."""
    try:
        async with asyncio.timeout(_LAST_COMMIT_S):
            await app.finish()
    except TimeoutError:
        log.warning("the last commit took too long; what it would have covered is folded again")
    try:
        async with asyncio.timeout(_LEAVE_S):
            await app.stop()
    except TimeoutError:
        log.info("left without a farewell")
