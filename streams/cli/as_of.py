"""`wst as-of`: workspaces as they were at an instant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from streams.cli.names import WORKSPACE
from streams.cli.times import Time

Json = dict[str, Any]


@click.command("as-of", epilog="Example: wst as-of 'yesterday 14:00' shop")
@click.argument("time", type=Time(), metavar="TIME")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list, or the one workspace.")
def as_of(time: datetime, workspace: str | None, as_json: bool) -> None:
    """Shows workspaces as they were at a TIME in the past.

    TIME is 2h, 2h ago, yesterday 14:00, or RFC 3339. A state is what the facts that had happened by then add up to; `wst history` says
    what was used.
    """
    from schemas.settings import load_settings
    from streams.cli.client import Api

    asked = {"time": time.astimezone(UTC).isoformat()} | ({} if workspace is None else {"workspace": workspace})
    states = Api(load_settings()).get("/api/v1/as-of", asked)["workspaces"]
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(states if workspace is None else states[0])
    else:
        _show(states, time, workspace is not None)


def _show(states: list[Json], at: datetime, one: bool) -> None:
    from streams.cli import tables
    from streams.cli.text import console, shown

    out = console()
    out.print(shown(f"as of {at.astimezone().isoformat(sep=' ', timespec='seconds')}", "dim"))
    if one:
        out.print(tables.workspace(states[0]))
    elif states:
        out.print(tables.workspaces(states, out.width if out.is_terminal else None, now=at))
        out.print(shown(tables.summary(states), "dim"))
    else:
        out.print(shown("no workspaces yet"))
