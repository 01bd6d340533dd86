"""Where a producer's records go: memory and the shared journal. Kafka, behind its outbox, is in `outbox.py`.

`publish` is for what must not be lost (facts, listings): durable on return, in order. `offer` is for samples: they
may wait in a bounded buffer while a broker is away, and what does not fit is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from producers.facts import fitting
from schemas.journal import Journal
from schemas.publish import Publisher, Record

__all__ = ["JournalOutlet", "MemoryOutlet", "NoOutlet", "Outlet", "Waiting"]


class Waiting(NamedTuple):
    """What a broker has not taken yet.

    Attributes:
        records: in the outbox.
        sample_bytes, sample_limit_bytes: of the buffer of samples, and what fits into it.
    """

    records: int
    sample_bytes: int
    sample_limit_bytes: int


class Outlet(Publisher, Protocol):
    """A publisher that also takes what may be lost."""

    @property
    def dropped(self) -> int:
        """Offered records that were dropped."""

    @property
    def waiting(self) -> Waiting | None:
        """What waits for the broker; None: there is none to wait for."""

    def start(self) -> None:
        """Begins to send; needs a running event loop."""

    async def ended(self) -> None:
        """Raises what ended the sending, once it was started; else never returns."""

    async def offer(self, records: Sequence[Record]) -> None:
        """Takes records that may be lost; never waits for a broker."""


class MemoryOutlet:
    """Keeps records in a list, for tests and for making recordings."""

    dropped: Final = 0
    waiting: Final = None

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.news = asyncio.Event()

    def start(self) -> None:
        """Nothing to begin."""

    async def ended(self) -> None:
        """Nothing to end."""
        await asyncio.Event().wait()

    async def publish(self, records: Sequence[Record]) -> None:
        """Keeps records."""
        self.records.extend(records)
        self.news.set()

    offer = publish

    async def close(self) -> None:
        """Nothing to let go of."""


class NoOutlet:
    """Keeps nothing: what is recorded stands in the recording."""

    dropped: Final = 0
    waiting: Final = None

    def start(self) -> None:
        """Nothing to begin."""

    async def ended(self) -> None:
        """Nothing to end."""
        await asyncio.Event().wait()

    async def publish(self, records: Sequence[Record]) -> None:
        """Forgets records."""

    offer = publish

    async def close(self) -> None:
        """Nothing to let go of."""


class JournalOutlet:
    """Appends to the shared journal of an embedded tree: there the journal is the log.

    Args:
        path: the journal's file.
        partitions: partition count of the topics.

    Raises:
        WstError: the journal cannot be opened.
    """

    dropped: Final = 0
    waiting: Final = None

    def __init__(self, path: Path, partitions: int, prefix: str) -> None:
        self._journal = Journal(path, partitions)
        self._prefix = prefix
        # One thread: a journal is not for several at once, and a queue of one keeps the order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    def start(self) -> None:
        """Nothing to begin."""

    async def ended(self) -> None:
        """Nothing to end."""
        await asyncio.Event().wait()

    async def publish(self, records: Sequence[Record]) -> None:
        """Appends records; durable on return.

        Raises:
            WstError: the disk is full or the journal is gone.
        """
        if records:
            batch = [fitting(self._prefix, record) for record in records]
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.append, batch)

    async def offer(self, records: Sequence[Record]) -> None:
        """Appends records."""
        await self.publish(records)

    async def close(self) -> None:
        """Closes the journal after what is under way."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
        self._thread.shutdown(wait=False)
