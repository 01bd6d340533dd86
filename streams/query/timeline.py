"""What a workspace was and what happened to it within a range: intervals of its state, and events in pages."""

from __future__ import annotations

from typing import Any, Final

from streams.query.archive import Archive, Cursor, EventFilter
from streams.query.present import Json, event_json, time_text

MOST_INTERVALS: Final = 5_000


async def timeline(archive: Archive, which: EventFilter, since_ns: int, until_ns: int, limit: int, after: Cursor | None) -> Json:
    """Intervals that reach into the range, oldest first, and a page of events in it, newest first.

    Args:
        which: events of one workspace.
        after: where the page begins; the intervals, which the first page carries, are left out of the others.
    """
    page = await archive.events(which, limit=limit, newest_first=True, after=after)
    asked = {"workspace_id": which.workspace_id or "", "since_ns": since_ns, "until_ns": until_ns, "limit": MOST_INTERVALS + 1}
    rows = [] if after is not None else await archive.ask("timeline", asked)
    return {
        "workspace_id": which.workspace_id,
        "since": time_text(since_ns),
        "until": time_text(until_ns),
        "intervals": [_interval(row) for row in reversed(rows[:MOST_INTERVALS])],
        "intervals_cut": len(rows) > MOST_INTERVALS,
        "events": [event_json(event) for event in page.events],
        "next": None if page.next is None else str(page.next),
    }


def _interval(row: dict[str, Any]) -> Json:
    return {name: row[name] for name in ("status", "condition", "from", "to")}
