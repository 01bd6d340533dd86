"""What rows are made from and into: records as they arrived, blocks of columns for one table."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

from schemas.usage_decoder import Sampled
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.sinks import columns

#: Header of a tombstone in `workspace.state`: position of the fact that forgot the workspace, `epoch.partition.offset`.
CAUSE_HEADER: Final = "wst-cause"

#: The table of workspaces whose rows are deleted, whenever they come (`erase.py`).
ERASED: Final = "erased_rows"

Columns = Sequence[Sequence[Any]]


class Arrived(NamedTuple):
    """A record as it came from the log.

    Attributes:
        value: as published; None: a tombstone.
        timestamp_ms: of the record, ms since the Unix epoch.
        record: the value decoded; None for a tombstone, and where it is …
        sampled: samples, which no object is made for each of.
    """

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp_ms: int
    record: dict[str, Any] | None
    sampled: Sampled | None = None

    @property
    def folded(self) -> Position:
        """For a state: position of the last fact folded into it, or of the fact that forgot the workspace."""
        if self.record is None:
            return forgotten_by(self)
        return Position(self.record["epoch"], self.record["partition"], self.record["offset"])


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one table, column by column."""

    table: str
    names: tuple[str, ...]
    columns: Columns

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0])


@dataclass(frozen=True, slots=True)
class PackedBlock(Block):
    """Rows of one table, whose columns are as ClickHouse takes them.

    Attributes:
        kept: the columns as the table keeps them, by name.
    """

    kept: Mapping[str, columns.Column]

    def native(self) -> bytes:
        """The rows in ClickHouse's format Native."""
        return columns.native(self.kept)


LOG: Final = ("log_epoch", "log_partition", "log_offset")


class Table:
    """Makes blocks of one table from flat rows: dictionaries with a value under each source name."""

    def __init__(self, name: str, columns: Mapping[str, str]) -> None:
        self.name = name
        self.names = tuple(columns)
        self._pick = itemgetter(*columns.values())

    def block(self, rows: Iterable[Mapping[str, Any]]) -> list[Block]:
        """One block, or none without rows."""
        columns = list(zip(*map(self._pick, rows), strict=True))
        return [Block(self.name, self.names, columns)] if columns else []


def columns_of(*same: str, **renamed: str) -> dict[str, str]:
    """Column → source name, for columns called as their source and for others."""
    return {name: name for name in same} | renamed


def forgotten_by(one: Arrived) -> Position:
    try:
        epoch, partition, offset = map(int, one.headers[CAUSE_HEADER].split(b"."))
        # As narrow as the fields of a state that say the same.
        struct.pack("qiq", epoch, partition, offset)
    except (KeyError, ValueError, struct.error) as error:
        raise InvalidMessage("invalid", f"a tombstone without the header {CAUSE_HEADER} (epoch.partition.offset of its fact)") from error
    return Position(epoch, partition, offset)
