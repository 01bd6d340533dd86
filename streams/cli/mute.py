"""`wst mute` and `wst unmute`: whose alerts are not told for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from streams.cli.asking import ask, show, why_and_json
from streams.cli.names import WORKSPACE


@click.command(epilog="Example: wst mute shop --for 2h --why maintenance")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--engine", help="All workspaces that this engine has now, by id or name.")
@click.option("--for", "duration", required=True, metavar="DURATION", help="How long, such as 30m or 2h.")
@why_and_json
def mute(workspace: str | None, engine: str | None, duration: str, why: str, as_json: bool) -> None:
    """Keeps the alerts of a workspace from being delivered.

    For a while, also those of all workspaces of an engine. `wst alerts` shows them all the same.
    """
    _tell(workspace, engine, "mute", {"for": duration, "why": why}, as_json=as_json)


@click.command(epilog="Example: wst unmute shop")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--engine", help="All workspaces that this engine has now, by id or name.")
@why_and_json
def unmute(workspace: str | None, engine: str | None, why: str, as_json: bool) -> None:
    """Has the alerts of a workspace delivered again.

    Also those of all workspaces of an engine.
    """
    _tell(workspace, engine, "unmute", {"why": why}, as_json=as_json)


def _tell(workspace: str | None, engine: str | None, name: str, body: Mapping[str, Any], *, as_json: bool) -> None:
    from schemas.api import path_part, user_here
    from schemas.errors import Refused, SettingError
    from schemas.requests import new_id

    if workspace is not None and engine is not None:
        raise SettingError("give a workspace or --engine, not both")
    if workspace is None and engine is None:
        raise SettingError("what is meant is missing", "give a workspace, or --engine NAME")
    asked = {"by": user_here(), "command_id": new_id(), **body}
    done = "is muted" if name == "mute" else "is no longer muted"
    until = f" for {body['for']}" if name == "mute" else ""
    if workspace is not None:
        try:
            answer = ask("POST", f"/api/v1/workspaces/{path_part(workspace)}/{name}", asked)
        except Refused as error:
            # The name may as well be an engine's, as the interface says; the workspace comes first.
            if "there is no workspace" not in error.message:
                raise
            try:
                answer = ask("POST", f"/api/v1/engines/{path_part(workspace)}/{name}", asked)
            except Refused as other:
                raise (error if "there is no engine" in other.message else other) from None
    else:
        answer = ask("POST", f"/api/v1/engines/{path_part(engine or '')}/{name}", asked)
    who = answer.get("workspace_id") or f"{answer['engine']} ({len(answer['workspaces'])} workspaces)"
    show(answer, f"{who} {done}{until}", as_json=as_json)
