"""How far each input partition has come: folded, and durably committed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from faust.types import TP


@dataclass(slots=True)
class Track:
    """The progress of one input partition.

    Attributes:
        floor: log offset below which everything is durable: what lies below is skipped, not folded.
        next_offset: next offset on the broker to fold; None before the first record.
        next_position: log offset behind the last record folded.
        committed_offset: offset on the broker that the last commit named; forgets nothing before it succeeded.
        folding: held while a slice is folded and while a commit copies: a copy never falls inside a slice.
    """

    floor: int
    next_offset: int | None
    next_position: int
    committed_offset: int | None
    folding: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def uncommitted(self) -> bool:
        """Something was folded that no commit has covered."""
        return self.next_offset is not None and self.next_offset != self.committed_offset


class Ledger:
    """The tracks of all partitions this worker reads at present.

    Attributes:
        era: counts how often reading began anew; what was fetched in an earlier one is fetched again.
    """

    def __init__(self) -> None:
        self.era = 0
        self._tracks: dict[TP, Track] = {}

    def begin(self, tp: TP, floor: int, committed_offset: int | None) -> None:
        """Reading of a partition begins, from what is committed."""
        self._tracks[tp] = Track(floor, committed_offset, floor, committed_offset)

    def get(self, tp: TP) -> Track | None:
        """The track of a partition, None where it is not read at present."""
        return self._tracks.get(tp)

    def forget(self) -> None:
        """Reading of all partitions ends."""
        self.era += 1
        self._tracks.clear()

    def partitions(self) -> list[TP]:
        """All partitions read at present, in order."""
        return sorted(self._tracks)
