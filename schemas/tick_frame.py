"""What stays the same in the ticks of a workspace on an engine: all but the numbers, found again by its bytes.

A tick of the same containers differs from the one before in its instant and its counters only. Whoever remembers the rest as a frame
reads the next tick with a few comparisons of bytes and makes no objects but the counters. Whatever fits no frame is decoded
(`tick_decoder.py`): a tick that fits one gives what decoding gives, which a test compares.
"""

from __future__ import annotations

from typing import Final

from schemas.counters import COLUMNS
from schemas.tick_decoder import HEADER, TickNumbers, Unusual, behind_labels, behind_text, length, long

COUNTER_BYTES: Final = 8 * len(COLUMNS)


class TickFrame:
    """The bytes of a tick without its numbers.

    Attributes:
        head: all before the seven numbers.
        links: what stands before each sample's counters; before the first also the labels.
    """

    __slots__ = ("_size", "head", "links")

    def __init__(self, head: bytes, links: list[bytes]) -> None:
        self.head = head
        self.links = links
        self._size = len(head) + sum(map(len, links)) + COUNTER_BYTES * len(links) + 1

    def read(self, data: bytes, numbers: TickNumbers) -> list[bytes] | None:
        """The packed counters of a tick, which has its seven numbers in `numbers` then; None: it differs in more than numbers."""
        if not data.startswith(self.head):
            return None
        head = len(self.head)
        try:
            at = numbers.read(data, head)
        except (IndexError, Unusual):
            return None
        if len(data) - at + head != self._size or data[-1]:
            return None
        counters: list[bytes] = []
        for link in self.links:
            if not data.startswith(link, at):
                return None
            at += len(link)
            end = at + COUNTER_BYTES
            counters.append(data[at:end])
            at = end
        return counters


def frame_of(data: bytes) -> TickFrame | None:
    """The frame of a tick that was decoded well; None: it has no samples, or is not as our producers write it."""
    if not data.startswith(HEADER):
        return None
    try:
        at = len(HEADER)
        for _ in range(4):
            at = behind_text(data, at)
        head = data[:at]
        for _ in range(7):
            _, at = long(data, at)
        begin = at
        at = behind_labels(data, at) if data[at] else at + 1
        count, at = length(data, at)
        links: list[bytes] = []
        for _ in range(count):
            at = behind_text(data, behind_text(data, at))
            at = behind_text(data, at + 1) if data[at] else at + 1
            size, at = length(data, at)
            if size != COUNTER_BYTES:
                return None
            links.append(data[begin:at])
            begin = at = at + size
        return TickFrame(head, links) if links and data[at:] == b"\0" else None
    except (IndexError, Unusual):
        return None
