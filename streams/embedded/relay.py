"""The relay: reads the journal in order and puts it on the wire, never further ahead of a reader than the wire keeps.

At start each partition begins where its slowest reader stands. A reader that restarts finds on the wire all that
its cursor has not passed, and skips what it has by position.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import WstError
from schemas.journal import Entry, Journal

#: Bytes of a partition that may be on the wire ahead of its slowest reader; the wire keeps about 5 MB.
AHEAD_BYTES: Final = 2_000_000
#: Records read at once; some are half a megabyte.
_READ: Final = 256
#: What the wire spends on a record beside its bytes, rounded up; a batch of one record needs the most.
_OVERHEAD_BYTES: Final = 150


class CursorMovedBack(WstError):
    """A reader needs what this wire may have dropped: its own store is gone, or older than its cursor."""


@dataclass(slots=True)
class Feed:
    """One partition on its way from the journal to the wire.

    Attributes:
        readers: consumers whose cursors hold it back; none: nobody does.
        position: number of the last record handed over.
        floor: records up to this number are not promised to be on the wire.
        behind: it reads for itself, as it could not keep up with the journal's end.
        ahead: number and size of each record handed over and not yet passed by the slowest reader.
    """

    topic: str
    partition: int
    readers: frozenset[str]
    position: int
    floor: int
    behind: bool = True
    ahead: deque[tuple[int, int]] = field(default_factory=deque)
    ahead_bytes: int = 0

    def has_room(self) -> bool:
        """Whether another record may go; one always may."""
        return self.ahead_bytes < AHEAD_BYTES

    def passed(self, next_seq: int) -> None:
        """All readers have what lies below a number."""
        while self.ahead and self.ahead[0][0] < next_seq:
            self.ahead_bytes -= self.ahead.popleft()[1]
        self.floor = max(self.floor, min(next_seq - 1, self.position))


class Relay:
    """Feeds the wire from the journal.

    Args:
        journal: the log.
        readers: full topic name → consumers that set cursors on it; a topic nobody reads with a cursor flows freely.
        send: puts an entry on the wire.
    """

    def __init__(self, journal: Journal, readers: Mapping[str, frozenset[str]], send: Callable[[Entry], None]) -> None:
        self._journal = journal
        self._readers = readers
        self._send = send
        self._version = journal.data_version()
        self._head = journal.last_seq()
        self._feeds: dict[tuple[str, int], Feed] = {}
        cursors = self._cursors()
        for topic, names in readers.items():
            for partition in range(journal.partitions):
                begin = _slowest(cursors, topic, partition, names) - 1
                self._feeds[topic, partition] = Feed(topic, partition, names, begin, begin)

    def step(self) -> bool:
        """Hands over what is new and what has room; returns whether there was anything.

        Raises:
            CursorMovedBack: the wire has to begin anew.
        """
        version = self._journal.data_version()
        if version != self._version:
            self._version = version
            self._look_at_cursors()
        moved = self._go_on()
        for feed in self._feeds.values():
            if feed.behind and feed.has_room():
                moved |= self._catch_up(feed)
        return moved

    def floors(self) -> dict[tuple[str, int], int]:
        """Per topic and partition the number up to which every reader is through; those without a reader are left out."""
        return {key: feed.floor for key, feed in self._feeds.items() if feed.readers}

    def _go_on(self) -> bool:
        entries = self._journal.read(self._head, _READ)
        for entry in entries:
            feed = self._feed_of(entry)
            if entry.seq <= feed.position or feed.behind:
                continue
            if feed.has_room():
                self._hand_over(feed, entry)
            else:
                feed.behind = True
        if entries:
            self._head = entries[-1].seq
        return bool(entries)

    def _catch_up(self, feed: Feed) -> bool:
        entries = self._journal.read_partition(feed.topic, feed.partition, feed.position, _READ)
        for entry in entries:
            if not feed.has_room():
                return True
            self._hand_over(feed, entry)
        # The end of the journal: from here on what is new comes with `_go_on`, which skips what was handed over here.
        feed.behind = len(entries) == _READ
        return bool(entries)

    def _hand_over(self, feed: Feed, entry: Entry) -> None:
        self._send(entry)
        feed.position = entry.seq
        if feed.readers:
            size = entry.record.size + sum(len(name) + len(value) for name, value in entry.record.headers) + _OVERHEAD_BYTES
            feed.ahead.append((entry.seq, size))
            feed.ahead_bytes += size

    def _feed_of(self, entry: Entry) -> Feed:
        key = (entry.record.topic, entry.partition)
        feed = self._feeds.get(key)
        if feed is None:
            begin = entry.seq - 1
            feed = self._feeds[key] = Feed(*key, frozenset(), begin, begin, behind=False)
        return feed

    def _look_at_cursors(self) -> None:
        cursors = self._cursors()
        for feed in self._feeds.values():
            if not feed.readers:
                continue
            next_seq = _slowest(cursors, feed.topic, feed.partition, feed.readers)
            if next_seq <= feed.floor:
                self._insist_on_nothing_between(feed, next_seq)
            feed.passed(next_seq)

    def _insist_on_nothing_between(self, feed: Feed, next_seq: int) -> None:
        missed = self._journal.read_partition(feed.topic, feed.partition, next_seq - 1, 1)
        if missed and missed[0].seq <= feed.floor:
            raise CursorMovedBack(f"a reader of {feed.topic} went back to record {missed[0].seq}", "the wire begins anew there")

    def _cursors(self) -> dict[tuple[str, str, int], int]:
        return {(cursor.consumer, cursor.topic, cursor.partition): cursor.next_seq for cursor in self._journal.cursors()}


def _slowest(cursors: Mapping[tuple[str, str, int], int], topic: str, partition: int, readers: frozenset[str]) -> int:
    """Number of the first record that not all readers have; a reader without a cursor has nothing."""
    return min((max(1, cursors.get((reader, topic, partition), 1)) for reader in readers), default=1)
