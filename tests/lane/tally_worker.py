"""A worker process of the lane for crash tests: folds tallies until it is told to stop, killed, or reaches a fault point."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from schemas.watchdog import Watchdog
from streams import stall
from streams.lane import Input, LaneApp, LaneSettings, Wire
from streams.lane.consumer import LaneConsumer
from streams.lane.durability import Copy
from streams.lane.runner import run
from tests.lane.tally import TallyFolder, tally_table


def die_at(point: str) -> None:
    """SIGKILL at the n-th passing of the scripted point `FAULT=point:n`."""
    fault, _, count = os.environ.get("FAULT", "").partition(":")
    if fault == point:
        _passed[point] = _passed.get(point, 0) + 1
        if _passed[point] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def stop_at(point: str) -> None:
    """SIGSTOP at the first passing of the scripted point `PAUSE=point`; goes on after SIGCONT as if nothing had been."""
    if os.environ.get("PAUSE") == point and point not in _passed:
        _passed[point] = 1
        os.kill(os.getpid(), signal.SIGSTOP)


_passed: dict[str, int] = {}


def script_faults(app: LaneApp) -> None:
    """Wraps the steps of a commit with the points at which a test lets the process die."""
    durability: Any = app._durability
    write = durability.write
    commit_offset = app.committer._commit_offset

    async def faulty_write(copy: Copy) -> None:
        die_at("after-outputs")
        stop_at("before-write")
        await write(copy)
        die_at("after-changelog")

    async def faulty_commit(copy: Copy) -> None:
        await commit_offset(copy)
        die_at("after-commit")

    durability.write = faulty_write
    app.committer._commit_offset = faulty_commit


def hang_on_request(app: LaneApp) -> None:
    """`HANGS=fetch:FILE` or `fold:FILE`: from the moment the file exists nothing is fetched, or a fold never returns."""
    kind, _, file = os.environ.get("HANGS", "").partition(":")
    now = Path(file)
    fetch, fold = LaneConsumer._fetch, TallyFolder.fold

    async def dead_fetch(self: LaneConsumer) -> Mapping[Any, Any]:
        if await asyncio.to_thread(now.exists):
            await asyncio.sleep(0.1)
            return {}
        return await fetch(self)

    def dead_fold(self: TallyFolder, record: Input) -> None:
        while now.exists():
            time.sleep(0.1)
        fold(self, record)

    if kind == "fetch":
        LaneConsumer._fetch = dead_fetch  # type: ignore[method-assign]
    elif kind == "fold":
        TallyFolder.fold = dead_fold  # type: ignore[method-assign]
    if look_s := float(os.environ.get("WATCHDOG_S", "0")):
        app.watchdog = Watchdog(looks=10, look_s=look_s)
        stall.watch = partial(stall.watch, looks=5, look_s=look_s)


def tally_app(settings: LaneSettings, source: str, out: str) -> LaneApp:
    app = LaneApp(settings)
    table = tally_table()
    folder = TallyFolder(table, out, app.outputs.send)
    hang_on_request(app)
    app.reads(source, folder, table)
    script_faults(app)
    return app


def main() -> None:
    logging.basicConfig(level=os.environ.get("LOG", "WARNING"), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    settings = LaneSettings(
        app_id=os.environ["APP"],
        brokers=os.environ["BROKERS"],
        partitions=int(os.environ["PARTITIONS"]),
        epoch=int(os.environ.get("EPOCH", "1")),
        commit_interval_s=float(os.environ.get("COMMIT_S", "0.2")),
        session_s=float(os.environ.get("SESSION_S", "6")),
        fetch_wait_ms=20,
        wire=_wire(),
    )
    run(tally_app(settings, os.environ["SOURCE"], os.environ["OUT"]))


def _wire() -> Wire | None:
    return None


if __name__ == "__main__":
    main()
