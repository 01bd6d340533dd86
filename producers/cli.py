"""Commands of a producer: `wst producer`, `wst record`, and the hidden `wst play`."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import Any, Final

import click

from producers import app, log
from producers.control import NoControl
from producers.engines import Given
from producers.publisher import NoOutlet
from producers.recorded import RecordedEngine
from producers.recording import Header, Recorder, RecordingEngine, read
from producers.sanitize import Sanitizer
from producers.watch import Pace
from schemas.errors import SettingError
from schemas.settings import load_settings, parse_duration
from schemas.wst import SPEEDS

#: A recording is played by its listings: they must never be older than what a clock may be off.
_RECORD_SYNC_S: Final = 1.0
_RECORD_COLLECT_S: Final = 5.0
_PLAY_SYNC_S: Final = 10.0
_SHORTEST_S: Final = 0.25
_LINGER_S: Final = 0.2


@click.command(epilog="Example: WST_BROKERS=kafka:9092 wst producer")
def producer() -> None:
    """Watches Docker Engines and publishes what they say.

    This host's engine, or those of WST_ENGINES.
    """
    settings = load_settings()
    log.configure(settings.log_format)
    _run(app.run(settings, app.connect(settings)))


class Duration(click.ParamType):
    """A duration such as 90s or 5m, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads it; a wrong one is a usage error."""
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(epilog="Example: wst record incident.wstrec.gz --duration 10m")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--duration", type=Duration(), help="End by itself after that long; else Ctrl-C ends it.")
def record(file: Path, duration: float | None) -> None:
    """Records what a Docker Engine says into FILE.

    `wst up --recording FILE` plays it. Nothing secret enters the file: of command lines only the program's name, of labels those that
    may be stored.
    """
    settings = load_settings()
    log.configure(settings.log_format)
    given, *others = app.connect(settings)
    if others:
        raise SettingError("a recording is of one engine, WST_ENGINES names several", "set WST_ENGINES to one of them")
    clean = Sanitizer(app.policy_of(settings), _hash_with(secrets.token_bytes(32)))
    pace = Pace(min(settings.collect_interval, _RECORD_COLLECT_S), _RECORD_SYNC_S, settings.max_retries)
    try:
        recorder = Recorder(file, Header(time.time_ns(), given.engine.api_version, pace.collect_s), clean)
    except OSError as error:
        raise SettingError(f"{file} cannot be written", str(error)) from error
    with tempfile.TemporaryDirectory(prefix="wst-record-") as folder:
        private = settings.model_copy(update={"data_dir": Path(folder)})
        recording = replace(given, engine=RecordingEngine(given.engine, recorder, given.name))
        _run(app.run(private, [recording], pace=pace, outlet=NoOutlet(), control=NoControl(), until=_after(duration)))
    click.echo(f"recorded into {file} ({file.stat().st_size:,} bytes)")


@click.command(hidden=True)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--speed", type=click.FloatRange(*SPEEDS), default=1.0, show_default=True, help="Seconds of the recording in one.")
@click.option("--loop/--once", default=None, help="Begin again at the end; by default only the bundled recording does.")
def play(file: Path | None, speed: float, loop: bool | None) -> None:
    """Plays a recording as if it were this host's engine; without FILE the bundled one."""
    settings = load_settings()
    log.configure(settings.log_format)
    bundled = resources.files("producers").joinpath("data", "demo.wstrec.gz")
    with resources.as_file(bundled) as demo:
        header, entries = read(file or demo)
    name = f"the recording {file}" if file else "the bundled recording"
    engine = RecordedEngine(name, header, entries, speed=speed, loop=loop if loop is not None else file is None)
    collect_s, sync_s = (max(each / max(speed, 1.0), _SHORTEST_S) for each in (engine.collect_s, _PLAY_SYNC_S))
    given = Given(engine, settings.engine_name, settings.engine_id)
    _run(app.run(settings, [given], pace=Pace(collect_s, sync_s, 0, speed), until=_over(engine)))


def _hash_with(key: bytes) -> Callable[[str], str]:
    return lambda command: blake2b(command.encode("utf-8", "surrogatepass"), digest_size=8, key=key).hexdigest()


def _after(duration: float | None) -> Callable[[], Awaitable[None]] | None:
    return None if duration is None else lambda: asyncio.sleep(duration)


def _over(engine: RecordedEngine) -> Callable[[], Awaitable[None]]:
    async def over() -> None:
        while not engine.over():  # noqa: ASYNC110  # the recording's own time
            await asyncio.sleep(0.1)

    return over


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Runs to the end; a thread that still waits for a hanging engine does not hold it up."""
    asyncio.run(work)
    deadline = time.monotonic() + _LINGER_S
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in others:
        thread.join(max(deadline - time.monotonic(), 0.0))
    if any(thread.is_alive() for thread in others):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
