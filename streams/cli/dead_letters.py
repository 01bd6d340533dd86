"""`wst dead-letters`: what was refused and why, and giving it again after a fix."""

from __future__ import annotations

from typing import Any

import click

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="For programs: the answer of the API.")


def _filters(command: Any) -> Any:
    command = click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")(command)
    command = click.option("--since", help="Only those refused since then: RFC 3339, or 2h for two hours ago.")(command)
    for name, said in (("topic", "from this topic"), ("code", "with this code"), ("stage", "refused by: state, usage, sink …")):
        command = click.option(f"--{name}", default="", help=f"Only those {said}.")(command)
    return command


@click.group("dead-letters", invoke_without_command=True, epilog="Example: wst dead-letters list --stage state --since 2h")
@click.pass_context
def dead_letters(context: click.Context) -> None:
    """Shows records that were refused, and gives them again.

    Each with its reason and position; after a fix they can be given to their topic once more.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_letters)


@dead_letters.command("list", epilog="Example: wst dead-letters list --code undecodable --json")
@_filters
@_AS_JSON
def list_letters(stage: str, code: str, topic: str, since: str | None, limit: int, as_json: bool) -> None:
    """Lists refused records, the latest first."""
    from streams.cli.asking import show
    from streams.cli.text import local

    found = _listed(stage, code, topic, since, limit)
    if as_json or not found:
        show(found, "no dead letters", as_json=as_json)
        return
    for each in found:
        again = " (refused again)" if each["replayed"] else ""
        where = f"{each['topic']}[{each['partition']}]@{each['offset']}"
        said = (
            f"{local(each['refused_at'])}  {each['id']}  {each['stage']}  {each['code']}  {where}  {each['key']}  {each['reason']}{again}"
        )
        show(each, said, as_json=False)


@dead_letters.command("show", epilog="Example: wst dead-letters show 1760000000.0.4711")
@click.argument("letter")
@_AS_JSON
def show_letter(letter: str, as_json: bool) -> None:
    """Shows one refused record whole.

    Why it was refused, where it lay, its bytes, and what can be read of them.
    """
    import orjson

    from schemas.api import path_part
    from streams.cli.asking import show
    from streams.cli.text import local

    found = _api().get(f"/api/v1/dead-letters/{path_part(letter)}")
    if as_json:
        show(found, "", as_json=True)
        return
    decoded = orjson.dumps(found["decoded"]).decode() if found["decoded"] is not None else "cannot be read"
    rows = {
        "id": found["id"],
        "refused": f"{local(found['refused_at'])} by {found['stage']}",
        "why": f"{found['code']}: {found['reason']}",
        "from": f"{found['topic']}[{found['partition']}]@{found['offset']}, epoch {found['epoch']}",
        "key": found["key"],
        "size": f"{found['value_bytes']:,} bytes",
        "says": decoded,
        "bytes": found["value_hex"],
    }
    for name, value in rows.items():
        show(found, f"{name:<8} {value}", as_json=False)


@dead_letters.command("replay", epilog="Example: wst dead-letters replay --all --code unknown_schema")
@click.argument("letters", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that the filters leave, but for those that were refused a second time.")
@_filters
@_AS_JSON
def replay(
    letters: tuple[str, ...], everything: bool, stage: str, code: str, topic: str, since: str | None, limit: int, as_json: bool
) -> None:
    """Gives refused records to their topic again.

    As they were. Twice is harmless: facts and samples are known by what they say.
    """
    from schemas.errors import SettingError
    from streams.cli.asking import ask, show

    if bool(letters) == everything:
        raise SettingError("which dead letters is not said", "give their ids, or --all with filters")
    ids = list(letters) or [
        each["id"] for each in _listed(stage, code, topic, since, limit) if not each["replayed"] and each["partition"] >= 0
    ]
    if not ids:
        show({"replayed": []}, "no dead letters to give again", as_json=as_json)
        return
    answer = ask("POST", "/api/v1/dead-letters/replay", {"ids": ids})
    show(answer, f"{len(answer['replayed'])} given to their topics again", as_json=as_json)


def _listed(stage: str, code: str, topic: str, since: str | None, limit: int) -> list[dict[str, Any]]:
    from streams.cli.asking import first_page

    asked: dict[str, str | int] = {"stage": stage, "code": code, "topic": topic, "limit": limit}
    return first_page("/api/v1/dead-letters", asked | ({"since": since} if since else {}), "dead_letters")


def _api() -> Any:
    from schemas.settings import load_settings
    from streams.cli.client import Api

    return Api(load_settings())
