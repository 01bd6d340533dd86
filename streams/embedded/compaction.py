"""Compaction: of old records of a topic only the last of each key stays, as a broker keeps a compacted topic."""

from __future__ import annotations

from schemas.journal import Journal


class Compaction:
    """Compacts one partition of a journal in turns, so that no turn holds the journal's lock for long.

    It walks from the first record on and keeps in memory where each key was last seen. What is young is left
    for a later turn: a record goes when the one that came after it is old, too.

    Args:
        topic: full name.
    """

    def __init__(self, journal: Journal, topic: str, partition: int) -> None:
        self._journal = journal
        self._topic = topic
        self._partition = partition
        self._at = 0
        self._last: dict[bytes, int] = {}

    def turn(self, before_ms: int, before_seq: int | None, rows: int) -> int:
        """Walks on over at most so many records; returns how many went.

        Args:
            before_ms: records from this time on are young.
            before_seq: from this number on there may be readers yet; None: there are none.
        """
        gone: list[int] = []
        for seq, key, timestamp_ms in self._journal.keys(self._topic, self._partition, self._at, rows):
            if timestamp_ms >= before_ms or (before_seq is not None and seq >= before_seq):
                break
            self._at = seq
            if key is not None:
                if key in self._last:
                    gone.append(self._last[key])
                self._last[key] = seq
        return self._journal.delete(gone)
