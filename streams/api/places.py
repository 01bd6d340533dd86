"""Places in the event topic that outlive any process: the log's epoch and the next offset of each partition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused

_TEXT: Final = re.compile(r"(\d{1,18})-(\d{1,18}(?:\.\d{1,18})*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Behind what a reader has. `str()` makes the text users hand back.

    Attributes:
        epoch: of the log; positions of different epochs do not compare by offset.
        next: per partition the first offset (embedded: number in the journal) that is still news.
    """

    epoch: int
    next: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.epoch}-{'.'.join(map(str, self.next))}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Reads the text back.

        Raises:
            Refused: it is no place.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise Refused(f"{text[:80]!r} is no place in the events", "hand back what the last answer said")
        return cls(int(match[1]), tuple(map(int, match[2].split("."))) if match[2] else ())

    def at(self, partition: int) -> int:
        """The first offset of a partition that is still news; 0 for one the place does not know."""
        return self.next[partition] if partition < len(self.next) else 0


def place_of(epoch: int, next_offsets: Mapping[int, int]) -> Place:
    """The place with these next offsets; 0 where none is given."""
    return Place(epoch, tuple(next_offsets.get(partition, 0) for partition in range(max(next_offsets, default=-1) + 1)))
