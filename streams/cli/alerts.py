"""`wst alerts`: what someone should know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from streams.cli.names import WORKSPACE
from streams.cli.times import Time

Json = dict[str, Any]


@click.command(epilog="Example: wst alerts --all --since 'yesterday 14:00'")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--all", "all_of_them", is_flag=True, help="Also those that are resolved.")
@click.option("--since", type=Time(), metavar="TIME", help="Only those that lasted until then or longer.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list.")
def alerts(workspace: str | None, all_of_them: bool, since: datetime | None, limit: int, as_json: bool) -> None:
    """Shows the alerts that last, the youngest first.

    Of all workspaces and engines, or of one WORKSPACE.
    """
    from streams.cli.asking import first_page

    asked: dict[str, str | int | Sequence[str]] = {"limit": limit, "all": "true" if all_of_them else "false"}
    asked |= {"workspace": workspace} if workspace is not None else {}
    asked |= {"since": since.astimezone(UTC).isoformat().replace("+00:00", "Z")} if since is not None else {}
    found: list[Json] = first_page("/api/v1/alerts", asked, "alerts")
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(found)
    else:
        _show(found, all_of_them)


def _show(found: list[Json], all_of_them: bool) -> None:
    from rich.table import Table

    from streams.cli.text import age, console, local, shown

    out = console()
    if not found:
        out.print(shown("no alerts" if all_of_them else "no alert lasts; --all shows those that are resolved"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("WHERE", "RULE", "SINCE", "RESOLVED", "WHAT"):
        table.add_column(name, no_wrap=name != "WHAT", overflow="fold" if name == "WHAT" else "ellipsis")
    for one in found:
        lasts = one["resolved_at"] is None
        table.add_row(
            shown(one["workspace_id"] or f"engine {one['engine_id']}"),
            shown(one["rule"], "bold red" if lasts else "green"),
            shown(f"{local(one['since'])} ({age(one['since'])} ago)" if lasts else local(one["since"])),
            shown(local(one["resolved_at"])),
            shown(one["message"]),
        )
    out.print(table)
