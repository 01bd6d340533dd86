"""Where a table survives its process: one protocol, a changelog in a cluster, a checkpoint in an embedded tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from faust.types import TP

from streams.lane.table import Table


@dataclass(frozen=True, slots=True)
class Copy:
    """What one commit writes: a partition at one moment between two slices.

    Attributes:
        table: name of the table; empty where the input has none.
        values: every value that changed since the last copy, encoded.
        epoch: epoch of the log.
        next_position: log offset behind the last record folded into these values.
        next_offset: offset on the broker to commit.
    """

    tp: TP
    table: str
    values: Mapping[bytes, bytes]
    epoch: int
    next_position: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a durable partition had come: everything of the epoch below the log offset is folded in."""

    epoch: int
    next_position: int


class Durability(Protocol):
    """Keeps copies; what `write` returned from survives the death of any process."""

    async def write(self, copy: Copy) -> None:
        """Makes a copy durable, its values before or together with its position.

        Raises:
            Exception: nothing is promised about the copy; the process has to end.
        """

    async def recover(self, tp: TP, table: Table[Any] | None) -> Mark | None:
        """Fills the table's partition with what was written, and says how far it had come; None: nothing was.

        What the table holds beyond it is forgotten. The values may be ahead of the mark where a process died between the two:
        values guard themselves.
        """

    def drop(self, partition: int, table: Table[Any]) -> None:
        """Lets go of a partition that is another worker's now."""


class MemoryDurability:
    """Keeps copies in memory; for tests and for inputs that need no survival."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], dict[bytes, bytes]] = {}
        self._marks: dict[TP, Mark] = {}

    async def write(self, copy: Copy) -> None:
        """Keeps a copy."""
        self._values.setdefault((copy.table, copy.tp.partition), {}).update(copy.values)
        self._marks[copy.tp] = Mark(copy.epoch, copy.next_position)

    async def recover(self, tp: TP, table: Table[Any] | None) -> Mark | None:
        """Gives back what was kept."""
        if table is not None:
            table.drop(tp.partition)
            table.restore(tp.partition, self._values.get((table.name, tp.partition), {}).items())
        return self._marks.get(tp)

    def drop(self, partition: int, table: Table[Any]) -> None:
        """Empties the table's partition."""
        table.drop(partition)
