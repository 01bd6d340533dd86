"""Tables of workspaces for people: what is failing first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from streams.cli.text import age, local, percent, shown, size

Json = dict[str, Any]

_CONDITIONS: Final = {"failing": 0, "degraded": 1, "unknown": 2, "ok": 3}
_STATUSES: Final = {"active": 0, "inactive": 1, "archived": 2}
_STYLES: Final = {"failing": "bold red", "degraded": "yellow", "unknown": "magenta", "ok": "green"}
_STATUS_STYLES: Final = {"active": "green", "archived": "dim"}
_COLUMNS: Final = ("WORKSPACE", "STATUS", "CONDITION", "RUNNING", "CPU", "MEMORY", "FOR", "WHY")
_FIGURES: Final = ("RUNNING", "CPU", "MEMORY", "FOR")
_GAP: Final = 2
_NAME_MIN: Final = 10
#: A reason shorter than this says nothing.
_WHY_MIN: Final = 6


def by_need(states: Sequence[Json]) -> list[Json]:
    """Workspaces in the order people want them: failing, degraded, unknown, then active before inactive, then by name."""

    def rank(state: Json) -> tuple[int, int, str]:
        return (_CONDITIONS.get(state["condition"], 2), _STATUSES.get(state["status"], 3), str(state["name"]))

    return sorted(states, key=rank)


def workspaces(states: Sequence[Json], width: int | None, rows: int | None = None, now: datetime | None = None) -> Table:
    """One line per workspace; at most `rows` lines, the rest counted in the caption.

    Args:
        width: of the terminal: names and reasons give way to the figures; None: all is shown, however long.
    """
    ordered = by_need(states)
    lines = [_cells(state, now) for state in ordered[:rows]]
    widths = {name: max(len(name), *(cells[name].cell_len for cells in lines)) if lines else len(name) for name in _COLUMNS}
    if width is not None:
        _give_way(widths, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", expand=False)
    for name, column in widths.items():
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=column, justify="right" if name in _FIGURES else "left")
    for cells in lines:
        table.add_row(*(cells[name] for name in widths))
    hidden = len(ordered) - len(lines)
    if hidden:
        table.caption = f"and {hidden} more: `wst status` shows all"
    return table


def _cells(state: Json, now: datetime | None) -> dict[str, Text]:
    metrics = state.get("metrics") or {}
    condition = "stale" if state["stale"] else state["condition"]
    return {
        "WORKSPACE": shown(state["workspace_id"]),
        "STATUS": shown(state["status"], _STATUS_STYLES.get(state["status"], "")),
        "CONDITION": shown(condition, _STYLES.get(state["condition"], "")),
        "RUNNING": Text(f"{state['running']}/{state['total']}"),
        "CPU": Text(percent(metrics.get("cpu_percent"))),
        "MEMORY": Text(size(metrics.get("memory_usage"))),
        "FOR": Text(age(state["status_since"], now)),
        "WHY": shown(state["reason"]),
    }


def _give_way(widths: dict[str, int], width: int) -> None:
    """Fits columns into a terminal: first the reason gives way, then the name, the figures never."""
    room = width - sum(widths[name] for name in widths if name not in ("WORKSPACE", "WHY")) - (len(widths) - 1) * _GAP
    widths["WORKSPACE"] = min(widths["WORKSPACE"], max(_NAME_MIN, room // 2))
    widths["WHY"] = min(widths["WHY"], room - widths["WORKSPACE"])
    if widths["WHY"] < _WHY_MIN:
        del widths["WHY"]
        widths["WORKSPACE"] = max(1, min(widths["WORKSPACE"], room + _GAP))


def workspace(state: Json) -> Table:
    """One workspace with its containers."""
    table = Table.grid(padding=(0, 2))
    metrics = state.get("metrics") or {}
    rows = {
        "workspace": shown(state["workspace_id"], "bold"),
        "name": shown(state["name"]),
        "status": shown(f"{state['status']} since {local(state['status_since'])} ({age(state['status_since'])})"),
        "condition": shown(state["condition"] + (" (stale)" if state["stale"] else ""), _STYLES.get(state["condition"], "")),
        "why": shown(state["reason"]),
        "idle": Text(f"nobody has used it since {local(state['idle_since'])}" if state.get("idle_since") else ""),
        "last error": shown(state["last_error"]),
        "containers": Text(f"{state['running']} of {state['total']} running"),
        "cpu": Text(percent(metrics.get("cpu_percent"))),
        "memory": Text(" of ".join(filter(None, (size(metrics.get("memory_usage")), size(metrics.get("memory_limit") or None))))),
        "last sync": Text(local(state["last_sync"])),
        "labels": shown(", ".join(f"{name}={value}" for name, value in sorted(state["labels"].items()))),
    }
    for name, value in rows.items():
        if value.plain:
            table.add_row(Text(name, style="dim"), value)
    for container in state["containers"]:
        table.add_row(Text("container", style="dim"), _container(container))
    return table


def _container(container: Json) -> Text:
    said = [container["state"], container["health"], container["exit_reason"], container["error"]]
    if container["restart_count"]:
        said.append(f"restarted {container['restart_count']} times")
    text = shown(f"{container['name']} ", "bold")
    return text.append_text(shown(f"({container['image']} on {container['engine']}): " + ", ".join(str(part) for part in said if part)))


def summary(states: Sequence[Json]) -> str:
    """One line: how many of what."""
    statuses = [state["status"] for state in states]
    conditions = [state["condition"] for state in states]
    parts = [f"{statuses.count(name)} {name}" for name in _STATUSES if name in statuses]
    parts += [f"{conditions.count(name)} {name}" for name in ("failing", "degraded", "unknown") if name in conditions]
    return f"{len(states)} workspace{'' if len(states) == 1 else 's'}" + (": " + ", ".join(parts) if parts else "")
