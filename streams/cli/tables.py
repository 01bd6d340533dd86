"""Tables of workspaces for people: what is failing first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
_LAST_MIN: Final = 6


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
    table, _ = fitted(lines, {name: name for name in _COLUMNS}, width, name="WORKSPACE", last="WHY", figures=_FIGURES)
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


def fitted(
    lines: Sequence[Mapping[str, Text]],
    heads: Mapping[str, str],
    width: int | None,
    *,
    name: str,
    last: str = "",
    figures: Collection[str] = (),
    spare: Sequence[str] = (),
) -> tuple[Table, list[str]]:
    """Lines as a table that fits, and the columns left out for it: a figure is shown whole or not at all.

    Args:
        heads: by column, in order.
        width: of the terminal; None: all is shown, however long.
        name, last: columns of text that give way: first the last one, then the name.
        figures: columns that stand to the right.
        spare: columns that are left out where there is no room for a name, in this order.
    """
    widths = {column: max([len(head), *(line[column].cell_len for line in lines)]) for column, head in heads.items()}
    shown_ones = widths if width is None else _give_way(widths, width, name, last, spare)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", expand=False)
    for column, wide in shown_ones.items():
        table.add_column(heads[column], no_wrap=True, overflow="ellipsis", width=wide, justify="right" if column in figures else "left")
    for line in lines:
        table.add_row(*(line[column] for column in shown_ones))
    return table, [column for column in heads if column not in shown_ones]


def room_for(columns: Sequence[str]) -> str:
    """What to do about columns that were left out."""
    return f"no room here for {', '.join(columns)}: a wider terminal shows all, and so does --json"


def _give_way(widths: Mapping[str, int], width: int, name: str, last: str, spare: Sequence[str]) -> dict[str, int]:
    """The columns there is room for, and how wide each is."""
    left = dict(widths)
    found = _in_room(left, width, name, last)
    for column in spare:
        if found[name] >= min(widths[name], _NAME_MIN):
            break
        del left[column]
        found = _in_room(left, width, name, last)
    return found


def _in_room(widths: Mapping[str, int], width: int, name: str, last: str) -> dict[str, int]:
    found = dict(widths)
    room = width - sum(wide for column, wide in widths.items() if column not in (name, last)) - (len(widths) - 1) * _GAP
    if last in found:
        found[name] = min(widths[name], max(_NAME_MIN, room // 2))
        found[last] = min(widths[last], room - found[name])
        if found[last] >= min(widths[last], _LAST_MIN):
            return found
        del found[last]
        room += _GAP
    return found | {name: max(1, min(widths[name], room))}


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
