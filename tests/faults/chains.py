"""What containers and workspaces went through while nobody watched: by design some of it may be missing, and the log says when that was.

An engine whose event stream stays shut is listed all the same (docs/recovery.md). What it did before that listing is read
later, is in the log, and changes no state any more; the listing says that nobody watched up to it. A workspace of several
containers may go to and fro there: what a listing corrects is folded container by container.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]
#: From and until, both within, ns since the Unix epoch.
Stretch = tuple[int, int]


def unwatched(snapshots: Iterable[Json]) -> list[Stretch]:
    """Stretches that listings declare as such, from the listing before."""
    found: list[Stretch] = []
    listed: Json | None = None
    for snapshot in snapshots:
        if snapshot["outcome"] != "listed":
            continue
        if listed is not None and snapshot["watched_since_ns"] not in (None, listed["watched_since_ns"]):
            found.append((listed["listed_at_ns"], snapshot["watched_since_ns"]))
        listed = snapshot
    return found


def busy_then(heard: Iterable[Json], stretches: Sequence[Stretch]) -> set[str]:
    """Containers with an event in one of the stretches."""
    return {e["Actor"]["ID"] for e in heard if any(begin <= e["timeNano"] <= end for begin, end in stretches)}


def has_its_end(have: Sequence[str], must: Sequence[str]) -> bool:
    """The same end, whatever came before."""
    return list(have[-1:]) == list(must[-1:])


def is_part_of(have: Sequence[str], must: Sequence[str]) -> bool:
    """Nothing but what was, in its order, and the same end."""
    rest = iter(must)
    return all(state in rest for state in have) and has_its_end(have, must)
