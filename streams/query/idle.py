"""What an idle policy would have done over recorded history: the policy of the running system, asked of every state there was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from streams.core.idle import IdleDue, IdlePolicy, idle_due
from streams.query.archive import Archive
from streams.query.present import Json, time_text


async def dry_run(archive: Archive, policy: IdlePolicy, since_ns: int, now_ns: int) -> list[Json]:
    """Each time that the policy would have acted since then, by time. What it would have changed is not thought further."""
    rows = await archive.look("idle_states", {})
    found = [due for due in would_be_due(rows, policy, now_ns) if since_ns <= due.due_ns <= now_ns]
    found.sort(key=lambda due: (due.due_ns, due.workspace_id))
    return [
        {
            "workspace_id": due.workspace_id,
            "name": due.workspace_name,
            "verdict": due.verdict,
            "due": time_text(due.due_ns),
            "last_use": time_text(due.since_ns),
            "reason": due.reason,
        }
        for due in found
    ]


def would_be_due(rows: Iterable[Mapping[str, Any]], policy: IdlePolicy, now_ns: int) -> Iterator[IdleDue]:
    """What was due before a workspace's next state, once per last use.

    Args:
        rows: of each workspace its states in order, as `idle_states` has them.
    """
    for _, some in groupby(rows, key=itemgetter("workspace_id")):
        known: set[tuple[str, int]] = set()
        for row, after in pairwise([*some, None]):
            # What comes at the very instant comes first: it may be a use.
            until_ns = now_ns if after is None else min(after["last_updated"] - 1, now_ns)
            if row is None or row["forgotten"]:
                continue
            for due in idle_due([_record(row)], policy, until_ns):
                if (due.verdict, due.since_ns) not in known:
                    known.add((due.verdict, due.since_ns))
                    yield due


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("workspace_id", "workspace_name", "status", "stale")}
    return shown | {"status_since_ns": row["status_since"], "last_activity_ns": row["last_activity"], "idle_since_ns": None}
