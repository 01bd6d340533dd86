"""`wst archive`, `unarchive`, `restore`, `register`, `rename`, `forget`: commands on a workspace, through the log."""

from __future__ import annotations

import click

from streams.cli.asking import tell, why_and_json
from streams.cli.names import WORKSPACE


@click.command(epilog="Example: wst archive shop --why 'the project is over'")
@click.argument("workspace", type=WORKSPACE)
@why_and_json
def archive(workspace: str, why: str, as_json: bool) -> None:
    """Puts away a workspace that does not run.

    It comes back when one of its containers starts.
    """
    tell(workspace, "archive", {"why": why}, "is archived", as_json=as_json)


@click.command(epilog="Example: wst unarchive shop")
@click.argument("workspace", type=WORKSPACE)
@why_and_json
def unarchive(workspace: str, why: str, as_json: bool) -> None:
    """Takes a workspace out of the archive."""
    tell(workspace, "unarchive", {"why": why}, "is restored", as_json=as_json)


@click.command(epilog="Example: wst restore shop")
@click.argument("workspace", type=WORKSPACE)
@why_and_json
def restore(workspace: str, why: str, as_json: bool) -> None:
    """The same as unarchive."""
    tell(workspace, "restore", {"why": why}, "is restored", as_json=as_json)


@click.command(epilog="Example: wst register lab-7@laptop --name 'Lab 7'")
@click.argument("workspace", type=WORKSPACE)
@click.option("--name", default="", help="What people call it; else its id.")
@why_and_json
def register(workspace: str, name: str, why: str, as_json: bool) -> None:
    """Makes a workspace known before it has any container.

    WORKSPACE is its id: 1 to 200 of a-z 0-9 . _ : @ -
    """
    tell(workspace, "register", {"name": name, "why": why}, "is registered", as_json=as_json)


@click.command(epilog="Example: wst rename shop@laptop 'Web shop'")
@click.argument("workspace", type=WORKSPACE)
@click.argument("name")
@why_and_json
def rename(workspace: str, name: str, why: str, as_json: bool) -> None:
    """Changes a workspace's name, and nothing else."""
    tell(workspace, "rename", {"name": name, "why": why}, f"is called {name} now", as_json=as_json)


@click.command(epilog="Example: wst forget old-lab@laptop --why 'made by mistake'")
@click.argument("workspace", type=WORKSPACE)
@click.option("--erase", is_flag=True, help="Delete the archive's rows of it, too. There is no way back.")
@click.option("--yes", is_flag=True, help="With --erase: do not ask.")
@why_and_json
def forget(workspace: str, erase: bool, yes: bool, why: str, as_json: bool) -> None:
    """Forgets a workspace whose containers are gone.

    Its history stays in the archive, unless --erase is given.
    """
    if erase and not yes:
        _ask_first(workspace)
    done = "is forgotten, its rows in the archive are being deleted" if erase else "is forgotten"
    tell(workspace, "forget", {"why": why, **({"erase": True} if erase else {})}, done, as_json=as_json)


def _ask_first(workspace: str) -> None:
    from schemas.errors import Refused, SettingError
    from schemas.wst import visible

    if not click.get_text_stream("stdin").isatty():
        raise SettingError("--erase deletes history for good, and nobody is there to confirm it", "add --yes")
    click.echo(f"Deletes for good all that the archive knows of {visible(workspace)}: states, events, samples, usage, facts.", err=True)
    if not click.confirm("Erase it?", err=True):
        raise Refused("nothing was erased, and nothing forgotten")
