"""What the lane hands to an agent: one fetched batch of one partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from faust.types import TP

from streams.core.facts import Position

#: Header that carries the journal's number of a record where the broker is only a wire.
POSITION_HEADER: Final = "wst-position"


class Input(NamedTuple):
    """One record to fold."""

    topic: str
    position: Position
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int


_new: Final = tuple.__new__


@dataclass(frozen=True, slots=True)
class Batch:
    """Contiguous records of one partition, as the consumer fetched them.

    Attributes:
        era: counts how often reading began anew; a batch of an earlier era is read again and must not be folded.
        records: the partition's records, in order, as aiokafka reads them: with offset, timestamp, key, value and headers.
    """

    tp: TP
    era: int
    records: Sequence[Any]


class Positions:
    """Says where a record stands in the log.

    Args:
        epoch: of the log.
        from_header: the broker is a wire and the header says the position.
    """

    def __init__(self, epoch: int, *, from_header: bool) -> None:
        self.epoch = epoch
        self._from_header = from_header

    def inputs(self, batch: Batch) -> Iterator[tuple[int, Input]]:
        """The batch's records with their offsets on the broker.

        Raises:
            KeyError, ValueError: the wire carries a record that never was in the journal: our own fault.
        """
        epoch, (topic, partition) = self.epoch, batch.tp
        from_header = self._from_header
        for record in batch.records:
            offset = record.offset
            at = int(dict(record.headers)[POSITION_HEADER]) if from_header else offset
            # As `Input(…)` and `Position(…)`, without the Python functions that NamedTuples are made by: this is done for every record.
            position = _new(Position, (epoch, partition, at))
            yield offset, _new(Input, (topic, position, record.key, record.value, record.headers, record.timestamp))
