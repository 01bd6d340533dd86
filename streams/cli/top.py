"""`wst top`: who uses most, and who caused the peak."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from streams.cli.names import WORKSPACE
from streams.cli.times import Time

if TYPE_CHECKING:
    from rich.text import Text

Json = dict[str, Any]

_BY: Final = ("cpu", "memory", "network", "disk")
_FIGURES: Final = ("CPU MEAN", "CPU P95", "CPU MOST", "MEMORY MEAN", "MEMORY P95", "MEMORY MOST", "NETWORK", "DISK")
_PEAK: Final = "PEAK"
#: Figures a narrow terminal does without, in this order.
_SPARE: Final = ("MEMORY P95", "CPU P95", "MEMORY MOST", "DISK", "NETWORK", "CPU MOST", "MEMORY MEAN", "CPU MEAN")


@click.command(epilog="Example: wst top --since 'yesterday 14:00' --until 'yesterday 15:00' --by memory")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--since", type=Time(), metavar="TIME", help="From then on: 2h, yesterday 14:00, RFC 3339. Without it the last hour.")
@click.option("--until", type=Time(), metavar="TIME", help="Until then; without it until now.")
@click.option("--by", type=click.Choice(_BY), default="cpu", show_default=True, help="What is ranked by.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object.")
def top(workspace: str | None, since: datetime | None, until: datetime | None, by: str, limit: int, as_json: bool) -> None:
    """Shows who used most, with each peak and its culprit.

    In a range of time: all workspaces, or of one WORKSPACE its containers.
    """
    from schemas.settings import load_settings
    from streams.cli.client import Api

    asked: dict[str, str | int | Sequence[str]] = {"by": by, "limit": limit}
    asked |= {"workspace": workspace} if workspace is not None else {}
    for name, at in (("since", since), ("until", until)):
        if at is not None:
            asked[name] = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    said = Api(load_settings()).get("/api/v1/top", asked)
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(said)
        return
    _show(said)


def _show(said: Json) -> None:
    from streams.cli.tables import fitted, room_for
    from streams.cli.text import console, local, shown

    out = console()
    rows = said.get("workspaces", said.get("containers"))
    out.print(shown(f"{local(said['since'])} to {local(said['until'])}, most {said['by']} first", "dim"))
    if not rows:
        out.print(shown("nothing was seen in this time"))
        return
    whole = "workspaces" in said
    name = "WORKSPACE" if whole else "CONTAINER"
    columns = (name, *_FIGURES, *((_PEAK,) if whole else ()))
    # What is ranked by is left out last.
    spare = sorted(_SPARE, key=lambda column: column.startswith(said["by"].upper()))
    width = out.width if out.is_terminal else None
    heads = {column: column for column in columns}
    table, left_out = fitted([_cells(one, name) for one in rows], heads, width, name=name, last=_PEAK, figures=_FIGURES, spare=spare)
    out.print(table)
    if left_out:
        out.print(shown(room_for(left_out), "dim"))
    if not whole and said["peak"]:
        out.print(shown(f"peak: {peak_words(said['peak'])}"))


def _cells(one: Json, name: str) -> dict[str, Text]:
    from streams.cli.text import percent, shown, size

    return {
        name: shown(one["workspace_id"] if name == "WORKSPACE" else one["container_name"]),
        "CPU MEAN": shown(percent(one["cpu_percent_mean"])),
        "CPU P95": shown(percent(one["cpu_percent_p95"])),
        "CPU MOST": shown(percent(one["cpu_percent_max"])),
        "MEMORY MEAN": shown(size(one["memory_used_bytes_mean"])),
        "MEMORY P95": shown(size(one["memory_used_bytes_p95"])),
        "MEMORY MOST": shown(size(one["memory_used_bytes_max"])),
        "NETWORK": shown(size(one["network_bytes"])),
        "DISK": shown(size(one["disk_bytes"])),
        _PEAK: shown(peak_words(one.get("peak"))),
    }


def peak_words(peak: Json | None) -> str:
    """When a peak was, how high, and who caused it."""
    from streams.cli.text import local, percent, size

    if peak is None:
        return ""
    write = percent if peak["unit"] == "percent" else size
    rate = "/s" if peak["unit"] == "bytes_per_second" else ""
    share = "" if peak["share"] is None else f" ({peak['share']:.0%})"
    return f"{local(peak['at'])} {write(peak['value'])}{rate} by {peak['container_name']}{share}"
