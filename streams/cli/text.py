"""Text for a terminal: names are anyone's, so control characters are shown and markup is never read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from schemas.wst import visible

#: Wider than any line of ours: a pipe gets them whole, whatever width a shell has set.
_PIPE_WIDTH: Final = 1_000_000


def shown(value: Any, style: str = "") -> Text:
    """A value as text that neither rich nor the terminal obeys."""
    return Text("" if value is None else visible(str(value)), style=style)


def parse_instant(text: str) -> datetime:
    """An instant of our JSON (RFC 3339, UTC)."""
    return datetime.fromisoformat(text)


def local(text: str | None) -> str:
    """An instant in the terminal's zone, with offset, to the second; empty without one."""
    return "" if not text else parse_instant(text).astimezone().isoformat(sep=" ", timespec="seconds")


def age(text: str | None, now: datetime | None = None) -> str:
    """How long ago an instant was, in its two largest units at most: `3h 12m`."""
    if not text:
        return ""
    seconds = max(0, int(((now or datetime.now(UTC)) - parse_instant(text)).total_seconds()))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count or unit == "s" == parts[first][1])


def size(count: float | None) -> str:
    """Bytes for people: `1.5 GiB`."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def percent(value: float | None) -> str:
    """A percentage for people: `12.5 %`."""
    return "" if value is None else f"{value:.1f} %"


def console() -> Console:
    """Where commands print; markup and emoji codes in names mean nothing to it. A pipe gets lines of any length."""
    out = Console(markup=False, highlight=False, emoji=False)
    if not out.is_terminal:
        out.width = _PIPE_WIDTH
    return out


_EVENT_STYLES: Final = {"error": "red", "recovery": "green", "alert_raised": "red", "alert_resolved": "green", "status_changed": "bold"}


def event_line(event: dict[str, Any]) -> Text:
    """One line of an event."""
    line = shown(f"{local(event['timestamp'])}  ", "dim")
    line.append_text(shown(f"{event['type']:<17}", _EVENT_STYLES.get(event["type"], "")))
    if event["workspace_id"]:
        line.append_text(shown(f" {event['workspace_id']}", "cyan"))
    line.append_text(shown(f"  {event['message']}"))
    return line.append_text(shown("  (found by a sync)", "dim")) if event.get("correction") else line
