"""`wst up`: everything in one process tree."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.errors import SettingError
from schemas.wst import SPEEDS

if TYPE_CHECKING:
    from schemas.settings import Settings
    from streams.supervisor.plan import Source

_DEMO = "DEMO: a recording of a Docker Engine, played as if it happened now. Nothing of this machine is shown."


class _Finite(click.FloatRange):
    """A number within bounds; `nan` passes any comparison, and `inf` is no time."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads it."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number to count with.", param, ctx)
        return number


@click.command(epilog="Example: wst up --duration 60")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory (default: WST_DATA_DIR).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the API on loopback; 0: any (default: 8321).")
@click.option("--duration", type=_Finite(min=0, min_open=True), metavar="SECONDS", help="End by itself after so many seconds.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="[NAME=]URL",
    help="Docker Engine to watch: unix://…, tcp://…, ssh://…; may be repeated, then best with names.",
)
@click.option("--no-copy", is_flag=True, help="Make no copy of a data directory that an earlier version wrote.")
@click.option("--demo", is_flag=True, help="Play the bundled recording instead of watching an engine.")
@click.option("--recording", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Play this recording instead.")
@click.option("--speed", type=_Finite(*SPEEDS), default=1.0, show_default=True, help="Speed of the recording.")
def up(
    data: Path | None,
    port: int | None,
    duration: float | None,
    engines: tuple[str, ...],
    no_copy: bool,
    demo: bool,
    recording: Path | None,
    speed: float,
) -> None:
    """Runs everything here, in one process tree.

    Broker, producer, workers, archive and API; without a Docker Engine it plays a recording of one.
    """
    from schemas.settings import load_settings
    from streams.supervisor.data_dir import DataDir
    from streams.supervisor.safety_copy import before_start, migration_names

    if bool(demo) + bool(recording) + bool(engines) > 1:
        raise SettingError("--engine, --demo and --recording exclude each other")
    settings = load_settings()
    _warn_of_misspelt_settings()
    source = _source(settings, engines, demo, recording, speed)
    port = settings.api_port if port is None else port
    port = _free_port(settings.api_host, port)
    folder = (data or _default_data(settings, source)).expanduser().absolute()
    held = DataDir.hold(folder)
    try:
        if source.play and data is None:
            # A recording starts at its beginning, also the second time.
            held.clear()
        if said := before_start(folder, migration_names(), copies=not no_copy):
            click.echo(said)
        _run(settings, source, folder, port, duration)
    finally:
        held.release()


def _warn_of_misspelt_settings() -> None:
    from schemas.settings import unknown_variables
    from schemas.wst import visible

    if unknown := unknown_variables():
        click.echo(
            f"wst: warning: no setting of wst, so without effect: {visible(', '.join(unknown))} (`wst config` lists them all)", err=True
        )


def _source(settings: Settings, engines: tuple[str, ...], demo: bool, recording: Path | None, speed: float) -> Source:
    from streams.supervisor.engine import find_engines
    from streams.supervisor.plan import Source

    if demo or recording:
        return Source(play=True, recording=recording, speed=speed)
    if find_engines([*engines] or settings.engines, os.environ, Path.home()):
        return Source(engines=engines)
    return Source(play=True, speed=speed)


def _default_data(settings: Settings, source: Source) -> Path:
    if not source.play:
        return settings.data_dir
    return settings.data_dir.with_name(settings.data_dir.name + ("-recording" if source.recording else "-demo"))


def _free_port(host: str, port: int) -> int:
    """The port, or any free one for 0: it has to stay the same when the API is started again.

    Raises:
        SettingError: someone else has it.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingError(
                f"port {port} on {host} cannot be used ({error.strerror})", "give another one with --port, or 0 for any"
            ) from error
        return int(probe.getsockname()[1])


def _run(settings: Settings, source: Source, folder: Path, port: int, duration: float | None) -> None:
    from rich.console import Console

    from streams.cli.client import Api
    from streams.cli.screen import make_screen
    from streams.supervisor.plan import environment, parts
    from streams.supervisor.tree import Tree
    from streams.supervisor.watch import run_tree

    banner = _DEMO if source.play and not source.recording else ""
    what = f"playing {source.recording}" if source.recording else ""
    screen = make_screen(Console(), " · ".join(filter(None, (what, f"data in {folder}"))), banner)
    clients: dict[str, Api] = {}

    def fetch(address: str) -> list[dict[str, Any]]:
        client = clients.setdefault(address, Api(settings.model_copy(update={"api": address})))
        states: list[dict[str, Any]] = client.get("/api/v1/workspaces")
        return states

    async def run() -> None:
        env = environment(os.environ, folder, port, source, settings.api_host)
        tree = Tree(parts(source, bool(settings.handlers)), env, folder, screen.say)
        await run_tree(tree, screen, fetch, duration)

    try:
        asyncio.run(run())
        screen.say("ended")
    finally:
        screen.close()
