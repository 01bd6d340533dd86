"""`wst history`: what a workspace used over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from streams.cli.names import WORKSPACE
from streams.cli.times import Time

Json = dict[str, Any]

_HEIGHT: Final = 6
_WIDEST: Final = 160
#: Metric → what is drawn: the field of a point, what it is called, how a value is written.
_DRAWN: Final[dict[str, list[tuple[str, str]]]] = {
    "cpu": [("cpu_percent_mean", "cpu, percent of one CPU")],
    "memory": [("memory_used_bytes_mean", "memory used")],
    "network": [("network_rx_bytes_per_second", "received a second"), ("network_tx_bytes_per_second", "sent a second")],
    "disk": [("block_read_bytes_per_second", "read a second"), ("block_write_bytes_per_second", "written a second")],
}


@click.command(epilog="Example: wst history shop --metric memory --since '2d' --step 1h")
@click.argument("workspace", type=WORKSPACE)
@click.option("--metric", type=click.Choice([*_DRAWN]), help="Only this; without it all four.")
@click.option("--container", metavar="NAME", help="Only this one, by its name or id; without it the whole workspace.")
@click.option("--since", type=Time(), metavar="TIME", help="From then on: 2h, yesterday 14:00, RFC 3339. Without it the last hour.")
@click.option("--until", type=Time(), metavar="TIME", help="Until then; without it until now.")
@click.option("--step", metavar="DURATION", help="Length of a step: 30s, 5m, 1h, 1d. Without it one that fits the range.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object; a step nobody saw has nulls.")
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets: a line per step; a step nobody saw has empty cells.")
def history(
    workspace: str,
    metric: str | None,
    container: str | None,
    since: datetime | None,
    until: datetime | None,
    step: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Shows what a workspace used, step by step.

    The whole workspace, or one container of it. What nobody saw stays empty.
    """
    from schemas.api import path_part
    from schemas.errors import SettingError
    from schemas.settings import load_settings
    from streams.cli.client import Api

    if as_json and as_csv:
        raise SettingError("--json and --csv exclude each other")
    given = {"since": since, "until": until}
    asked: dict[str, str | int | Sequence[str]] = {
        name: at.astimezone(UTC).isoformat().replace("+00:00", "Z") for name, at in given.items() if at is not None
    }
    asked |= {name: text for name, text in (("step", step), ("container", container)) if text}
    said = Api(load_settings()).get(f"/api/v1/workspaces/{path_part(workspace)}/history", asked)
    said["points"] = [_only(point, metric) for point in said["points"]]
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(said)
    elif as_csv:
        _echo_csv(said)
    else:
        _show(said, metric)


def _only(point: Json, metric: str | None) -> Json:
    """The fields of one metric, and when and how well it was seen."""
    from streams.query.history import METRICS

    wanted = METRICS[metric] if metric else tuple(name for names in METRICS.values() for name in names)
    return {name: point[name] for name in ("start", "seconds", "coverage", *wanted)}


def _echo_csv(said: Json) -> None:
    from streams.cli.plain import echo_csv
    from streams.query.csv_text import csv_text

    names = ["workspace_id", *(said["points"][0] if said["points"] else ())]
    rows = [[said["workspace_id"], *point.values()] for point in said["points"]]
    echo_csv(csv_text(names, rows))


def _show(said: Json, metric: str | None) -> None:
    from streams.cli.text import console, local, shown

    out = console()
    out.print(shown(said["workspace_id"] if said["container"] is None else f"{said['workspace_id']}: {said['container']}", "bold"), end="")
    seen = sum(point["coverage"] * point["seconds"] for point in said["points"])
    whole = sum(point["seconds"] for point in said["points"])
    how = f"  {local(said['since'])} to {local(said['until'])}, steps of {_length(said['step_seconds'])}, {seen / whole:.0%} of it seen"
    out.print(shown(how, "dim"))
    if not seen:
        out.print(shown("nobody saw it use anything in this time"))
        return
    width = min(out.width, _WIDEST) if out.is_terminal else 100
    for name in [metric] if metric else _DRAWN:
        for field, title in _DRAWN[name]:
            _draw(said["points"], field, title, width, _HEIGHT if metric else 1)


def _length(seconds: float) -> str:
    unit, size = next((unit, size) for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)) if seconds >= size)
    return f"{seconds / size:g}{unit}"


def _draw(points: Sequence[Json], field: str, title: str, width: int, height: int) -> None:
    from streams.cli.plot import plot, sparkline
    from streams.cli.text import console, percent, shown, size

    write: Callable[[float | None], str] = percent if "percent" in field else size
    values = [point[field] for point in points]
    known = [value for value in values if value is not None]
    if not known:
        return
    mean, most = sum(known) / len(known), max(known)
    out = console()
    out.print(shown(f"{title}: mean {write(mean)}, most {write(most)}, last {write(known[-1])}"))
    lines = plot(values, width, height, write) if height > 1 else [f"  {sparkline(values, width - 2)}"]
    for line in lines:
        out.print(shown(line, "cyan"))
