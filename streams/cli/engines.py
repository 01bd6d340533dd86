"""`wst engines`: the engines, when each was listed last, and who watches it."""

from __future__ import annotations

from typing import Any

import click


@click.command(epilog="Example: wst engines --json")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list.")
def engines(as_json: bool) -> None:
    """Shows the engines, and what is wrong with them.

    Their last listing and how long ago it was, versions, and who watches them.
    """
    from schemas.settings import load_settings
    from streams.cli.asking import show
    from streams.cli.client import Api
    from streams.cli.text import console

    found = Api(load_settings()).get("/api/v1/engines")
    if as_json or not found:
        show(found, "no engines yet", as_json=as_json)
        return
    console().print(_table(found))


def _table(found: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    from streams.cli.text import age, shown

    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for name in ("ENGINE", "STATE", "LAST LISTING", "EVERY", "SILENT SINCE", "WORKSPACES", "API", "VERSION", "PRODUCER", "PROBLEM"):
        table.add_column(name)
    for each in found:
        styles = {"ok": "green", "failing": "yellow", "silent": "bold red"}
        every = each["sync_interval_seconds"]
        listed, silent = (f"{age(each[name])} ago" if each[name] else "never" for name in ("last_listing", "silent_since"))
        table.add_row(
            shown(each["name"] or each["id"]),
            shown(each["state"], styles.get(each["state"], "")),
            shown(listed),
            shown(f"{every:g} s" if every else ""),
            shown("" if silent == "never" else silent),
            shown(each["workspaces"]),
            shown(each["api_version"]),
            shown(each["engine_version"]),
            shown((each["producer_host"] or each["producer_id"] or "") + ("" if each["producer_alive"] else " (gone)")),
            shown(each["error"] or each["problem"]),
        )
    return table
