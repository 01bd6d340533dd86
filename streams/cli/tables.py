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
_WIDTHS: Final = {"STATUS": 8, "CONDITION": 9, "RUNNING": 7, "CPU": 7, "MEMORY": 9, "FOR": 7}
_GAP: Final = 2
_NAME_MIN: Final = 10


def by_need(states: Sequence[Json]) -> list[Json]:
    """Workspaces in the order people want them: failing, degraded, unknown, then active before inactive, then by name."""

    def rank(state: Json) -> tuple[int, int, str]:
        return (_CONDITIONS.get(state["condition"], 2), _STATUSES.get(state["status"], 3), str(state["name"]))

    return sorted(states, key=rank)


def workspaces(states: Sequence[Json], width: int, rows: int | None = None, now: datetime | None = None) -> Table:
    """One line per workspace; at most `rows` lines, the rest counted in the caption.

    Args:
        width: of the terminal: names and reasons give way to the figures.
    """
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", expand=False)
    room = width - sum(_WIDTHS.values()) - (len(_WIDTHS) + 1) * _GAP
    name_width = min(max((len(state["workspace_id"]) for state in states), default=9), max(_NAME_MIN, room // 2))
    table.add_column("WORKSPACE", no_wrap=True, overflow="ellipsis", width=max(name_width, 9))
    for name, column in _WIDTHS.items():
        table.add_column(name, no_wrap=True, width=column, justify="left" if name in ("STATUS", "CONDITION") else "right")
    # Where nothing is left for it, it goes as a whole.
    table.add_column("WHY", no_wrap=True, overflow="ellipsis", width=max(room - name_width, 1))
    ordered = by_need(states)
    for state in ordered[:rows]:
        metrics = state.get("metrics") or {}
        table.add_row(
            shown(state["workspace_id"]),
            shown(state["status"], _STATUS_STYLES.get(state["status"], "")),
            shown("stale" if state["stale"] else state["condition"], _STYLES.get(state["condition"], "")),
            Text(f"{state['running']}/{state['total']}"),
            Text(percent(metrics.get("cpu_percent"))),
            Text(size(metrics.get("memory_usage"))),
            Text(age(state["status_since"], now)),
            shown(state["reason"]),
        )
    hidden = len(ordered) - len(ordered[:rows])
    if hidden:
        table.caption = f"and {hidden} more: `wst status` shows all"
    return table


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
