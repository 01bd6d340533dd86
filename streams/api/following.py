"""Events behind any place, however old: first from the archive, then from the ring, without a gap or a repeat between the two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streams.api.places import Place, place_of
from streams.api.recent import Heard, Kept, RecentEvents, advanced
from streams.query.archive import Archive, EventFilter

#: How many of the archive's events are in memory at once, per follower.
PAGE: Final = 500


async def heard_after(recent: RecentEvents, archive: Archive, place: Place, limit: int = PAGE) -> Heard:
    """Events behind a place, and whether something in between is not to be had.

    What comes of the archive is one page: ask again with `next`.
    """
    if place.epoch > recent.epoch or recent.reaches(place):
        return recent.after(place, limit)
    if place.epoch < recent.epoch:
        found = await _of_an_older_log(archive, recent, place, limit)
        if found is not None:
            return found
        place = Place(recent.epoch, ())
    return await _from_archive(recent, archive, place, limit)


async def _of_an_older_log(archive: Archive, recent: RecentEvents, place: Place, limit: int) -> Heard | None:
    """A page of the epochs before the present one; None: they have nothing more."""
    for epoch in await archive.epochs():
        if place.epoch <= epoch < recent.epoch:
            begin = place if epoch == place.epoch else Place(epoch, ())
            reach = await archive.reach(epoch)
            ends = [reach.get(partition, -1) + 1 for partition in range(max(reach, default=-1) + 1)]
            found = await archive.backlog(epoch, [begin.at(partition) for partition in range(len(ends))], ends, limit)
            if found:
                events = [Kept(at.partition, at.offset, event) for at, event in found]
                return Heard(events, advanced(begin, events), False)
    return None


async def _from_archive(recent: RecentEvents, archive: Archive, place: Place, limit: int) -> Heard:
    """A page of what lies before the ring. Only what is asked of the archive afterwards is known to be there: hence the order."""
    first, must_have = dict(recent.first), dict(recent.must_have)
    reach = await archive.reach(recent.epoch)
    gap = any(reach.get(partition, -1) < last for partition, last in must_have.items() if place.at(partition) <= last)
    partitions = range(max(first, default=-1) + 1)
    ends = [first.get(partition, 0) for partition in partitions]
    found = await archive.backlog(recent.epoch, [place.at(partition) for partition in partitions], ends, limit)
    events = [Kept(at.partition, at.offset, event) for at, event in found]
    if len(events) >= limit:
        return Heard(events, advanced(place, events), gap)
    behind = {partition: max(first.get(partition, 0), place.at(partition)) for partition in partitions}
    return Heard(events, place_of(recent.epoch, behind), gap)


def is_wanted(event: Mapping[str, Any], which: EventFilter) -> bool:
    """Whether an event passes a filter's workspace and types."""
    return (which.workspace_id is None or event["workspace_id"] == which.workspace_id) and (not which.types or event["type"] in which.types)
