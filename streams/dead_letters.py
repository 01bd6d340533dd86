"""Dead letters: a record that cannot be used goes on record with its reason, and a flood of them stops the worker.

The cap wins: a new producer whose every record is refused must not drain a topic into the dead letters unseen
(after getsentry/arroyo's dead-letter policy: a ratio and a run length).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.dead_letters import RefusedRecord, dead_letter
from schemas.metrics import Figure, system
from schemas.publish import Record
from streams.core.facts import Position

#: Signs of a reason that are kept: it may quote the record.
_REASON_LENGTH: Final = 1_000


class Refusable(Protocol):
    """A record as a worker or the sink reads it; `topic` is the full name."""

    @property
    def topic(self) -> str: ...
    @property
    def position(self) -> Position | tuple[int, int, int]: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class TooManyDeadLetters(Exception):
    """So much is refused that something is wrong with more than the input."""


@dataclass(frozen=True, slots=True)
class Cap:
    """When refusing stops being an answer.

    Attributes:
        run: records refused one after the other.
        ratio: share of refused records, 0–1, judged over `window` records.
        window: records.
    """

    run: int = 500
    ratio: float = 0.5
    window: int = 2_000


class DeadLetters:
    """Refuses records of one stage.

    Args:
        stage: who refuses, as the dead letter says it.
        send: takes the dead letter.
    """

    def __init__(self, stage: str, prefix: str, send: Callable[[Record], None], cap: Cap | None = None) -> None:
        self._stage = stage
        self._prefix = prefix
        self._send = send
        self._cap = cap or Cap()
        self._run = 0
        self._seen = 0
        self._refused = 0
        self.total = 0
        """Refused since the worker's start."""

    def accept(self, records: int = 1) -> None:
        """Records were used."""
        self._run = 0
        self._count(0, records)

    def refuse(self, record: Refusable, code: str, reason: str) -> None:
        """A record cannot be used.

        Raises:
            TooManyDeadLetters: the cap is reached.
        """
        self.total += 1
        self._send(self._letter(record, code, reason))
        self._run += 1
        self._count(1)
        if self._run >= self._cap.run:
            raise TooManyDeadLetters(f"{self._run} records in a row were refused, the last for: {code}: {reason}")

    def figures(self) -> Iterator[Figure]:
        """How many were refused, and how near the cap is."""
        yield system.DEAD_LETTERS.at(self.total, self._stage)
        yield system.DEAD_IN_A_ROW.at(self._run, self._stage)
        yield system.DEAD_CAP.at(self._cap.run, self._stage)

    def _count(self, refused: int, records: int = 1) -> None:
        self._seen += records
        self._refused += refused
        if self._seen >= self._cap.window:
            share = self._refused / self._seen
            if share >= self._cap.ratio:
                raise TooManyDeadLetters(f"{self._refused} of the last {self._seen} records were refused")
            self._seen = self._refused = 0

    def _letter(self, record: Refusable, code: str, reason: str) -> Record:
        epoch, partition, offset = record.position
        return dead_letter(
            self._prefix,
            RefusedRecord(record.key, record.value, record.topic, epoch, partition, offset, record.headers),
            stage=self._stage,
            code=code,
            reason=reason[:_REASON_LENGTH],
            record_id=f"{self._stage}.{epoch}.{record.topic}.{partition}.{offset}",
            refused_at_ns=time.time_ns(),
        )
