"""`wst sync`: lists engines now instead of at the next interval."""

from __future__ import annotations

import click

from streams.cli.asking import ask, show
from streams.cli.names import WORKSPACE


@click.command(epilog="Example: wst sync --engine laptop")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--engine", help="Only this engine, by id or name.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the answer of the API.")
def sync(workspace: str | None, engine: str | None, as_json: bool) -> None:
    """Compares with what the engines list now.

    All of them, one, or those that have a WORKSPACE.
    """
    from schemas.api import user_here

    answer = ask("POST", "/api/v1/sync", {"engine": engine, "workspace": workspace, "by": user_here()})
    lines = [
        f"{each['engine']}: {each['container_count']} containers in {each['workspace_count']} workspaces, {each['corrections']} repaired"
        for each in answer["syncs"]
    ]
    lines += [f"{name}: no answer yet" for name in answer["unanswered"]]
    lines += answer["failed"]
    if as_json:
        show(answer, "", as_json=True)
        return
    for line in lines:
        show(answer, line, as_json=False)
