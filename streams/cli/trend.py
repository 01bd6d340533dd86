"""`wst trend`: how the use of workspaces develops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from streams.cli.names import WORKSPACE

if TYPE_CHECKING:
    from rich.text import Text

Json = dict[str, Any]

_LOCALTIME: Final = Path("/etc/localtime")
#: Column → its heading.
_HEADS: Final = {
    "WORKSPACE": "WORKSPACE", "CPU": "CPU", "CPU A DAY": "A DAY", "CPU WEEK": "WEEK",
    "MEMORY": "MEMORY", "MEMORY A DAY": "A DAY", "MEMORY WEEK": "WEEK", "ACTIVE": "ACTIVE", "BUSIEST": "BUSIEST",
}  # fmt: skip
_FIGURES: Final = tuple(column for column in _HEADS if column not in ("WORKSPACE", "BUSIEST"))
#: Figures a narrow terminal does without, in this order.
_SPARE: Final = ("MEMORY A DAY", "CPU A DAY", "MEMORY WEEK", "CPU WEEK", "ACTIVE")


@click.command(epilog="Example: wst trend shop --days 14")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option("--days", type=click.IntRange(1, 396), default=30, show_default=True, help="So many days back.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object.")
def trend(workspace: str | None, days: int, as_json: bool) -> None:
    """Shows how the use of workspaces develops.

    Slope, week over week, time in state and busiest hours, of all workspaces or of one.
    """
    from schemas.errors import Refused
    from schemas.settings import load_settings
    from streams.cli.client import Api

    asked: dict[str, str | int] = {"days": days, "zone": local_zone()}
    if workspace is not None:
        asked["workspace"] = workspace
    said = Api(load_settings()).get("/api/v1/trends", asked)
    if workspace is not None and not said["trends"]:
        raise Refused(f"there is no history of a workspace {workspace[:200]!r}", "`wst status` lists workspaces")
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(said)
        return
    _show(said)


def local_zone() -> str:
    """IANA name of the terminal's zone; UTC where it has none."""
    linked = str(_LOCALTIME.readlink()).partition("zoneinfo/")[2] if _LOCALTIME.is_symlink() else ""
    for name in (os.environ.get("TZ", "").removeprefix(":"), linked):
        try:
            if name:
                return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


def _show(said: Json) -> None:
    from streams.cli.tables import fitted, room_for
    from streams.cli.text import console, shown

    out = console()
    if not said["trends"]:
        out.print(shown("nothing was seen in this time"))
        return
    width = out.width if out.is_terminal else None
    lines = [_cells(one) for one in said["trends"]]
    table, left_out = fitted(lines, _HEADS, width, name="WORKSPACE", last="BUSIEST", figures=_FIGURES, spare=_SPARE)
    out.print(table)
    if left_out:
        out.print(shown(room_for(left_out), "dim"))
    note = f"last {said['days']} days, hours in {said['zone']}; A DAY: slope; WEEK: 7 days against the 7 before; ACTIVE: of the time known"
    out.print(shown(note, "dim"))


def _cells(one: Json) -> dict[str, Text]:
    from streams.cli.text import percent, shown, size

    use = one["use"] or {}
    slope, weeks = one.get("slope", {}), one.get("week_over_week", {})
    return {
        "WORKSPACE": shown(one["workspace_id"]),
        "CPU": shown(percent(use.get("cpu_percent_mean"))),
        "CPU A DAY": shown(_signed(slope.get("cpu_percent_per_day"), percent)),
        "CPU WEEK": shown(_signed((weeks.get("cpu_percent") or {}).get("change_percent"), percent)),
        "MEMORY": shown(size(use.get("memory_used_bytes_mean"))),
        "MEMORY A DAY": shown(_signed(slope.get("memory_used_bytes_per_day"), size)),
        "MEMORY WEEK": shown(_signed((weeks.get("memory_used_bytes") or {}).get("change_percent"), percent)),
        "ACTIVE": shown(_ratio((one["time_in_state"] or {}).get("active_ratio"))),
        "BUSIEST": shown(", ".join(f"{hour['hour']:02d}h" for hour in one.get("busiest_hours", ()))),
    }


def _signed(value: float | None, write: Any) -> str:
    return "" if value is None else f"{'-' if value < 0 else '+'}{write(abs(value))}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
