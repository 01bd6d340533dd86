"""What commands that ask for something have in common: who asks, and how the answer is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def why_and_json(command: F) -> F:
    """The options `--why` and `--json`."""
    command = click.option("--json", "as_json", is_flag=True, help="For programs: the answer of the API.")(command)
    return click.option("--why", default="", metavar="TEXT", help="The reason, for the record.")(command)


def ask(method: str, path: str, body: Mapping[str, Any]) -> Any:
    """Asks the API; a request of ours has an id of its own, so that it counts once whatever happens on the way."""
    from schemas.settings import load_settings
    from streams.cli.client import Api

    api = Api(load_settings())
    try:
        return api.send(method, path, body)
    finally:
        api.close()


def first_page(path: str, question: Mapping[str, str | int | Sequence[str]], name: str) -> list[dict[str, Any]]:
    """What the API lists first. That there is more is said beside it, so that programs read on undisturbed."""
    from schemas.settings import load_settings
    from streams.cli.client import Api

    api = Api(load_settings())
    try:
        page = api.get(path, question)
    finally:
        api.close()
    found: list[dict[str, Any]] = page[name]
    if page.get("next") is not None:
        click.echo(f"wst: these are the first {len(found):,}, there are more: see --limit", err=True)
    return found


def show(answer: Any, said: str, *, as_json: bool) -> None:
    """Prints an answer, for programs or as one line."""
    from schemas.wst import visible
    from streams.cli.plain import json_text

    click.echo(json_text(answer) if as_json else visible(said))


def tell(workspace: str, name: str, body: Mapping[str, Any], done: str, *, as_json: bool) -> None:
    """Gives a workspace a command and says what it is now."""
    from schemas.api import path_part, user_here
    from schemas.requests import new_id

    answer = ask("POST", f"/api/v1/workspaces/{path_part(workspace)}/{name}", {"by": user_here(), "command_id": new_id(), **body})
    state = answer["workspace"]
    now = f": {state['status']}, {state['reason']}" if state and name != "rename" else ""
    show(answer, f"{answer['workspace_id']} {done}{now}", as_json=as_json)
