"""Reads the archive: the past, and the latest states for a start. All values are parameters: names are hostile.

One protocol: `ClickHouseArchive` beside this, and `MemoryArchive` for tests and for what needs no past.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schemas.errors import Refused
from streams.core.facts import Position
from streams.query.carry import Bounds, Chunk

Record = dict[str, Any]

MAX_PAGE: Final = 10_000
#: Grain of a window → its table.
GRAINS: Final = {"hour": "usage_hourly_rows", "day": "usage_daily_rows"}


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. Nothing given: all.

    Attributes:
        workspace_id: of this workspace only.
        types: of these types only.
        since_ns: at or after, ns since the Unix epoch.
        until_ns: before, ns since the Unix epoch.
    """

    workspace_id: str | None = None
    types: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind which event a page begins; `str()` makes the text users hand back.

    By time, at the same time by number: a fact's changes stand in the order they were numbered.
    """

    at_ns: int
    seq: int
    id: str

    def __str__(self) -> str:
        return urlsafe_b64encode(f"{self.at_ns}:{self.seq}:{self.id}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Reads the text back.

        Raises:
            Refused: it is no cursor.
        """
        try:
            at_ns, seq, event_id = b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode().split(":", 2)
            if not all(-(2**63) <= int(number) < 2**63 for number in (at_ns, seq)):
                raise ValueError(text)
            return cls(int(at_ns), int(seq), event_id)
        except ValueError as error:
            raise Refused(f"{text[:80]!r} is no cursor", "hand back what the last page said") from error


@dataclass(frozen=True, slots=True)
class Page:
    """Event records in the order asked for, and where the next page begins; None: there is none."""

    events: list[Record]
    next: Cursor | None


class Archive(Protocol):
    """The past. Records are those of the schemas; rows hold the tables' exact integers, times as ticks of their column."""

    async def states(self) -> list[Record]:
        """Latest State record of every workspace that was not forgotten, by id."""

    async def events(self, which: EventFilter, *, limit: int = 100, newest_first: bool = False, after: Cursor | None = None) -> Page:
        """Event records by time."""

    async def backlog(self, epoch: int, begins: Sequence[int], ends: Sequence[int], limit: int) -> list[tuple[Position, Record]]:
        """Events by their own place in one epoch's log, each partition from its begin and before its end, both by partition number.

        Sorted by offset: each partition is in order, and an embedded log, whose partitions share their numbers, is so as a whole.
        """

    async def reach(self, epoch: int) -> dict[int, int]:
        """The highest offset of an event there is, per partition of one epoch's log."""

    async def epochs(self) -> list[int]:
        """Epochs of the log that events are here of, in order."""

    async def samples(self, workspace_id: str, since_ns: int, until_ns: int, limit: int = MAX_PAGE) -> list[Record]:
        """Rows of `samples_exact` by time, the newest `limit` of them; `read_at` in ns since the Unix epoch."""

    async def windows(self, workspace_id: str, grain: str, since_ns: int, until_ns: int) -> list[Record]:
        """Windows of the whole workspace by time, one per engine; `start` in ms since the Unix epoch. Grain: hour or day."""

    async def ask(self, question: str, parameters: Mapping[str, Any], **names: str) -> list[Record]:
        """Rows of a named question of `streams/query/sql/`; times are RFC 3339, as in all JSON.

        Args:
            names: identifiers put into the question's text, never from outside.
        """

    async def look(self, question: str, parameters: Mapping[str, Any], raw: Sequence[str] = ()) -> list[Record]:
        """Rows of a named question, as the tables have them: times as ticks of their column, columns in `raw` as bytes."""

    async def query(self, sql: str, form: str) -> bytes:
        """The answer to a stranger's SQL (`streams/query/free.py`): read only, within limits."""

    async def export_plan(self, bounds: Bounds) -> tuple[dict[str, str], int, list[Chunk]]:
        """Migrations, epoch of the latest states, and the files of an export."""

    async def export_file(self, table: str, part: str, bounds: Bounds) -> bytes:
        """One file of an export, Parquet."""

    async def close(self) -> None:
        """Lets go of the connections."""
