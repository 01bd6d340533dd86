"""`wst why`: the facts that led to a workspace's state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from streams.cli.names import WORKSPACE
from streams.cli.times import Time

Json = dict[str, Any]


@click.command(epilog="Example: wst why shop --at '2h ago'")
@click.argument("workspace", type=WORKSPACE)
@click.option("--at", type=Time(), metavar="TIME", help="As it was then: 2h, 2h ago, yesterday 14:00, RFC 3339; without it: now.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object.")
def why(workspace: str, at: datetime | None, as_json: bool) -> None:
    """Shows the facts that led to a workspace's state.

    Where each lies in the log, and what to read next.
    """
    from schemas.api import path_part
    from schemas.settings import load_settings
    from streams.cli.client import Api

    asked = {} if at is None else {"at": at.astimezone(UTC).isoformat()}
    said = Api(load_settings()).get(f"/api/v1/workspaces/{path_part(workspace)}/why", asked)
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(said)
    else:
        _show(said)


def _show(said: Json) -> None:
    from streams.cli.text import console, local, shown

    out = console()
    head = shown(said["workspace_id"], "bold")
    head.append_text(shown(f" is {said['status']}, {said['condition']}: {said['reason']}"))
    out.print(head, soft_wrap=True)
    for cause in said["causes"]:
        if cause["of"] == "container":
            ended = f": {cause['exit_reason']}" if cause["exit_reason"] else ""
            out.print(shown(f"container {cause['container']}, {cause['state']}{ended}", "bold"), soft_wrap=True)
        elif cause["facts"]:
            out.print(shown(cause["of"], "bold"))
        for fact in cause["facts"]:
            line = shown(f"  {local(fact['time'])}  ", "dim")
            line.append_text(shown(fact["said"]))
            line.append_text(shown(f"  ({fact['topic']} {fact['partition']}@{fact['offset']})", "dim"))
            out.print(line, soft_wrap=True)
    if said["logs"]:
        out.print(shown("read next", "bold"))
    for line in said["logs"]:
        out.print(shown(f"  {line}"), soft_wrap=True)
