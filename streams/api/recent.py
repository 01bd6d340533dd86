"""The latest events in the order they came, for those who follow them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from streams.api.places import Place, place_of
from streams.api.pulse import Pulse
from streams.query.present import event_json

KEEP: Final = 10_000

Record = Mapping[str, Any]


@dataclass(slots=True)
class Kept:
    """An event and where it stands in the log. Its JSON is made once, for however many listen."""

    partition: int
    offset: int
    event: Record
    _json: bytes | None = None

    @property
    def json(self) -> bytes:
        """As users see it."""
        if self._json is None:
            self._json = orjson.dumps(event_json(self.event))
        return self._json


@dataclass(frozen=True, slots=True)
class Heard:
    """Events behind a place, and the place behind them.

    Attributes:
        next: hand it back for what comes after.
        gap: something between the place asked for and the first event is not to be had.
    """

    events: list[Kept]
    next: Place
    gap: bool


class RecentEvents:
    """A ring of events, whole from `first` of each partition on.

    Attributes:
        pulse: beats with every event.
        epoch: of the log.
        count: events taken so far, in this process.
        must_have: per partition the last offset known to lie before `first`: what the archive must have reached to be without a gap.
    """

    def __init__(self, keep: int = KEEP, pulse: Pulse | None = None) -> None:
        self._kept: deque[Kept] = deque(maxlen=keep)
        self._ids: set[str] = set()
        self.epoch = 0
        self._seen: dict[int, int] = {}
        self._end: dict[int, int] = {}
        self.pulse = pulse or Pulse()
        self.count = 0
        self.first: dict[int, int] = {}
        self.must_have: dict[int, int] = {}

    def begin(self, epoch: int, first: Mapping[int, int], must_have: Mapping[int, int], end: Mapping[int, int]) -> None:
        """Says from where on everything will come.

        Args:
            end: per partition where the log ended: whoever begins to listen now wants what comes behind.
        """
        self.epoch = epoch
        self.first, self.must_have = dict(first), dict(must_have)
        self._seen, self._end = dict(first), dict(end)

    def add(self, event: Record, partition: int = 0, offset: int | None = None) -> bool:
        """Takes an event; False: it is a redelivery, or older than what was to come.

        Args:
            offset: None: behind the last one.
        """
        if offset is None:
            offset = self._seen.get(partition, 0)
        self._seen[partition] = max(offset + 1, self._seen.get(partition, 0))
        if event["id"] in self._ids or offset < self.first.setdefault(partition, 0):
            return False
        if len(self._kept) == self._kept.maxlen:
            oldest = self._kept[0]
            self._ids.discard(oldest.event["id"])
            self.first[oldest.partition] = oldest.offset + 1
            self.must_have[oldest.partition] = oldest.offset
        self._kept.append(Kept(partition, offset, event))
        self._ids.add(event["id"])
        self.count += 1
        self.pulse.beat()
        return True

    def seen(self, partition: int, offset: int) -> None:
        """Takes note of the first record that a partition still had: nothing is missing before it that the archive lacks."""
        if self._seen.get(partition, 0) == self.first.get(partition, 0) < offset:
            self.first[partition] = self._seen[partition] = offset

    @property
    def place(self) -> Place:
        """Behind everything that is known to be in the log."""
        return place_of(self.epoch, {partition: max(seen, self._end.get(partition, 0)) for partition, seen in self._seen.items()})

    def reaches(self, place: Place) -> bool:
        """Whether everything behind a place is here."""
        return place.epoch == self.epoch and all(place.at(partition) >= first for partition, first in self.first.items())

    def latest(self, count: int) -> list[Kept]:
        """The last so many events, or as many as there are, in order."""
        return list(islice(reversed(self._kept), max(0, count)))[::-1]

    def after(self, place: Place, limit: int) -> Heard:
        """What is here of the events behind a place."""
        if place.epoch > self.epoch:
            # A log that has begun again since, without saying so, or another's place: from here on, and a gap.
            return Heard([], self.place, True)
        known = place if place.epoch == self.epoch else Place(self.epoch, ())
        found, reached = self._behind(known), self.reaches(place)
        if len(found) <= limit:
            return Heard(found, _behind_both(known, self._seen), not reached)
        return Heard(found[:limit], advanced(_behind_both(known, self.first), found[:limit]), not reached)

    def _behind(self, place: Place) -> list[Kept]:
        waiting = {partition for partition, seen in self._seen.items() if place.at(partition) < seen}
        found: list[Kept] = []
        for kept in reversed(self._kept):
            if not waiting:
                break
            if kept.partition in waiting:
                if kept.offset >= place.at(kept.partition):
                    found.append(kept)
                if kept.offset <= place.at(kept.partition):
                    waiting.discard(kept.partition)
        return found[::-1]

    async def wait(self, place: Place, timeout_s: float) -> None:
        """Waits until something is behind a place, for so long at most."""
        end = asyncio.get_running_loop().time() + timeout_s
        while self.reaches(place) and not self._behind(place):
            left_s = end - asyncio.get_running_loop().time()
            if left_s <= 0 or self.pulse.closed:
                return
            await self.pulse.after(self.pulse.count, left_s)

    def close(self) -> None:
        """Wakes all who wait, now and later."""
        self.pulse.close()


def _behind_both(place: Place, next_offsets: Mapping[int, int]) -> Place:
    partitions = range(max(len(place.next), max(next_offsets, default=-1) + 1))
    return Place(place.epoch, tuple(max(place.at(partition), next_offsets.get(partition, 0)) for partition in partitions))


def advanced(place: Place, events: list[Kept]) -> Place:
    """The place behind these events, for who was at `place` before."""
    next_offsets = dict(enumerate(place.next))
    for kept in events:
        next_offsets[kept.partition] = max(kept.offset + 1, next_offsets.get(kept.partition, 0))
    return place_of(place.epoch, next_offsets)
