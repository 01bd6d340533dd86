"""`wst status`: all workspaces, or one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from streams.cli.names import WORKSPACE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streams.cli.client import Api

_EVERY_S: Final = 1.0


@click.command(epilog="Example: wst status shop --watch")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list, or the one workspace.")
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
def status(workspace: str | None, as_json: bool, watch: bool) -> None:
    """Shows all workspaces, what is failing first.

    Or one WORKSPACE with its containers.
    """
    from schemas.settings import load_settings
    from streams.cli.client import Api

    api = Api(load_settings())
    if watch:
        _watch(api, workspace, as_json)
    elif as_json:
        _echo_json(_fetch(api, workspace), indent=True)
    else:
        _console().print(_draw(_fetch(api, workspace)))


def _fetch(api: Api, workspace: str | None) -> Any:
    from schemas.api import path_part

    return api.get(f"/api/v1/workspaces/{path_part(workspace)}" if workspace is not None else "/api/v1/workspaces")


def _draw(found: Any, *, whole: bool = True) -> RenderableType:
    """What is shown of all workspaces, or of one; of all only as many as a screen has room for, unless the whole is wanted."""
    from rich.console import Group
    from rich.text import Text

    from streams.cli import tables

    if isinstance(found, dict):
        return tables.workspace(found)
    if not found:
        return Text("no workspaces yet")
    console = _console()
    width = console.width if console.is_terminal else None
    # Below the table the line that counts, and the prompt.
    rows = None if whole else max(3, console.height - 4)
    return Group(tables.workspaces(found, width, rows), Text(tables.summary(found), style="dim"))


def _watch(api: Api, workspace: str | None, as_json: bool) -> None:
    from rich.live import Live

    console = _console()
    if as_json or not console.is_terminal:
        while True:
            found = _fetch(api, workspace)
            if as_json:
                _echo_json(found, indent=False)
            else:
                console.print(_draw(found))
            time.sleep(_EVERY_S)
    with Live(_draw(_fetch(api, workspace), whole=False), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY_S)
            live.update(_draw(_fetch(api, workspace), whole=False), refresh=True)


def _echo_json(found: Any, *, indent: bool) -> None:
    from streams.cli.plain import echo_json

    echo_json(found, indent=indent)


def _console() -> Any:
    from streams.cli.text import console

    return console()
