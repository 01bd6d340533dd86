"""Pruning: the journal keeps facts as long as the topic promises, and what the archive has for an hour."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Mapping
from typing import Final

from schemas.journal import Journal
from streams.embedded.compaction import Compaction
from streams.embedded.relay import Relay

#: Between two turns, s; each turn is one topic, so that no writer waits long for the journal's lock.
_EVERY_S: Final = 1.0
_ROWS: Final = 1_000


class Pruner:
    """Deletes from the journal, one topic at a turn, what all readers have and is old enough.

    Args:
        keep_ms: full topic name → age in ms; topics that are not named are left alone.
        compacted: full names of topics of which the last record of each key stays, whatever its age.
    """

    def __init__(self, journal: Journal, relay: Relay, keep_ms: Mapping[str, int], compacted: Collection[str] = ()) -> None:
        self._journal = journal
        self._relay = relay
        self._keep_ms = keep_ms
        self._compacted = compacted
        self._compactions: dict[tuple[str, int], Compaction] = {}
        self._turns = itertools.cycle(sorted(keep_ms))
        self._next_s = 0.0

    def tick(self, monotonic_s: float) -> None:
        """Takes a turn when it is time."""
        if monotonic_s >= self._next_s:
            self._next_s = monotonic_s + _EVERY_S
            self.prune(next(self._turns), int(time.time() * 1000))

    def prune(self, topic: str, now_ms: int) -> int:
        """Prunes one topic; returns how many records went."""
        before_ms = now_ms - self._keep_ms[topic]
        floors = self._relay.floors()
        gone = 0
        for partition in range(self._journal.partitions):
            floor = floors.get((topic, partition))
            if floor is None:
                # Read from its beginning by everyone: what counts is the last word on each key.
                gone += self._compaction(topic, partition).turn(before_ms, None, _ROWS)
            elif floor and topic in self._compacted:
                # As Kafka keeps it: who comes later finds how each workspace is, however long it has been so.
                gone += self._compaction(topic, partition).turn(before_ms, floor + 1, _ROWS)
            elif floor:
                gone += self._journal.prune(topic, partition, floor + 1, before_ms, _ROWS)
        return gone

    def _compaction(self, topic: str, partition: int) -> Compaction:
        return self._compactions.setdefault((topic, partition), Compaction(self._journal, topic, partition))
