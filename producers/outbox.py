"""Kafka behind an outbox: what must not be lost is journaled first and sent from there, in order.

The journal (SQLite, private to the producer) bridges any outage of the broker and any death of the producer: a
cursor says how far the broker has acknowledged, and what lies after it is sent again. Repeats are harmless, facts
have an identity. Samples go past the journal through a bounded buffer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from producers.engine_json import MAX_LONG
from producers.facts import fitting, too_large
from producers.publisher import Waiting
from producers.sender import Sender
from schemas.journal import Entry, Journal
from schemas.publish import Record
from schemas.topics import DOCKER_SNAPSHOTS

T = TypeVar("T")

_log: Final = logging.getLogger("wst.producer")

_CONSUMER: Final = "kafka"
_SAMPLES_BYTES: Final = 8 << 20
#: Most samples on their way at once, bytes.
_TAKEN_BYTES: Final = 1 << 20
_CLOSE_S: Final = 1.0


class KafkaOutlet:
    """Publishes to Kafka: facts from a journal, samples from a buffer.

    Args:
        client: arguments of aiokafka's clients: bootstrap_servers and security.
        journal: file of the outbox.
        prefix: of all topics.
        samples_bytes: size of the buffer of samples.
    """

    def __init__(self, client: dict[str, Any], journal: Path, prefix: str, *, samples_bytes: int = _SAMPLES_BYTES) -> None:
        self._facts = Facts(journal, prefix)
        self._samples = Samples(samples_bytes, lambda sample: self._facts.append([too_large(prefix, sample)]))
        self._senders = (
            Sender(client, self._facts, "facts wait in the outbox"),
            Sender(client, self._samples, "samples wait in their buffer"),
        )
        self._sending: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to send."""
        self._sending = [asyncio.create_task(sender.run(), name="outbox") for sender in self._senders]

    async def ended(self) -> None:
        """Raises what ended the sending; never returns."""
        await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        for task in self._sending:
            if task.done():
                task.result()

    async def publish(self, records: Sequence[Record]) -> None:
        """Journals records; durable on return, sent as soon as the broker takes them.

        Raises:
            WstError: the disk is full or the outbox is gone.
        """
        if records:
            await self._facts.append(records)

    async def offer(self, records: Sequence[Record]) -> None:
        """Buffers samples; the oldest are dropped when the buffer is full."""
        self._samples.add(records)

    @property
    def dropped(self) -> int:
        """Samples that were dropped."""
        return self._samples.dropped

    @property
    def waiting(self) -> Waiting:
        """What waits for the broker."""
        return Waiting(self._facts.waiting, self._samples.waiting_bytes, self._samples.limit_bytes)

    async def close(self) -> None:
        """Sends what waits for a moment, then leaves the rest to the next start."""
        if self._sending:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await self._facts.empty.wait()
                    await self._samples.empty.wait()
            except TimeoutError:
                _log.info("records wait in the outbox for the next start")
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
        await self._facts.close()


class Facts:
    """What must not be lost: a queue in the journal.

    Attributes:
        empty: the broker has all.
    """

    def __init__(self, journal: Path, prefix: str) -> None:
        self._prefix = prefix
        self._listings = DOCKER_SNAPSHOTS.full(prefix)
        self._journal = Journal(journal, 1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        # What an earlier run left waits already.
        self._next_seq = max((cursor.next_seq for cursor in self._journal.cursors() if cursor.consumer == _CONSUMER), default=1)
        self._last_seq = self._journal.last_seq()
        self._given: list[Entry] = []
        self._refused: set[int] = set()
        self._news = asyncio.Event()
        self.empty = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Records the broker has not acknowledged."""
        return max(0, self._last_seq - self._next_seq + 1)

    async def append(self, records: Sequence[Record]) -> None:
        """Adds records; durable on return."""
        self._last_seq = await self._in_thread(lambda: self._journal.append([fitting(self._prefix, record) for record in records]))
        self.empty.clear()
        self._news.set()

    async def first(self, limit: int) -> Sequence[Record]:
        """The first that the broker has not acknowledged, up to a listing: that goes out once all before it are there.

        Partitions have no common order, least of all when their leaders are several brokers of which one is away: a listing
        that overtook events would be folded before them, and they would be older than what is known.
        """
        self._news.clear()
        entries = await self._in_thread(lambda: self._journal.read(self._next_seq - 1, limit))
        self._given = entries[: _before_a_listing([entry.record.topic == self._listings for entry in entries])]
        return [too_large(self._prefix, e.record) if e.seq in self._refused else e.record for e in self._given]

    async def delivered(self, count: int) -> None:
        """Moves the cursor behind them."""
        done = self._given[:count]
        # A disk that does not take the cursor must not have them sent again while this process runs: the next start sends them again.
        self._next_seq = next_seq = done[-1].seq + 1
        self._refused = {seq for seq in self._refused if seq >= next_seq}
        await self._in_thread(lambda: self._advance(next_seq, {entry.record.topic for entry in done}))

    async def too_large(self) -> None:
        """A dead letter goes in the place of the first."""
        self._refused.add(self._given[0].seq)

    async def news(self) -> None:
        """Waits for more."""
        if not self._news.is_set():
            self.empty.set()
        await self._news.wait()

    def _advance(self, next_seq: int, topics: set[str]) -> None:
        self._journal.set_cursor(_CONSUMER, "", 0, next_seq)
        for topic in topics:
            self._journal.prune(topic, 0, next_seq, MAX_LONG)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        """Closes the journal after what is under way."""
        await self._in_thread(self._journal.close)
        self._thread.shutdown(wait=False)


def _before_a_listing(are_listings: Sequence[bool]) -> int:
    """How many may be on their way together: all before the first listing that follows another record."""
    follows = (number for number in range(1, len(are_listings)) if are_listings[number] and not are_listings[number - 1])
    return next(follows, len(are_listings))


class Samples:
    """What may be lost: a queue in memory, of which the oldest make room for new ones.

    Args:
        refuse: takes a sample that no topic takes.

    Attributes:
        dropped: how many were lost so far.
        empty: the broker has all.
    """

    def __init__(self, limit_bytes: int, refuse: Callable[[Record], Any]) -> None:
        self.limit_bytes = limit_bytes
        self._refuse = refuse
        self._buffer: deque[Record] = deque()
        # Kept beside the buffer until the broker has them: what is added meanwhile must not push them out.
        self._taken: list[Record] = []
        self.waiting_bytes = 0
        self.dropped = 0
        self._news = asyncio.Event()
        self.empty = asyncio.Event()

    def add(self, records: Sequence[Record]) -> None:
        """Adds samples; the oldest are dropped when the buffer is full."""
        for record in records:
            self._buffer.append(record)
            self.waiting_bytes += record.size
        while self.waiting_bytes > self.limit_bytes:
            self.waiting_bytes -= self._buffer.popleft().size
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, 8 …: said, but never a flood
                _log.warning("the broker takes no samples and their buffer is full: %d messages dropped so far", self.dropped)
        self.empty.clear()
        self._news.set()

    async def first(self, limit: int) -> Sequence[Record]:
        """The oldest, and those that were given already first."""
        self._news.clear()
        taken_bytes = sum(record.size for record in self._taken)
        while self._buffer and len(self._taken) < limit and taken_bytes < _TAKEN_BYTES:
            self._taken.append(record := self._buffer.popleft())
            self.waiting_bytes -= record.size
            taken_bytes += record.size
        return self._taken[:limit]

    async def delivered(self, count: int) -> None:
        """Forgets them."""
        del self._taken[:count]

    async def too_large(self) -> None:
        """A dead letter goes in the place of the first."""
        await self._refuse(self._taken[0])
        del self._taken[0]

    async def news(self) -> None:
        """Waits for more."""
        if not self._news.is_set():
            self.empty.set()
        await self._news.wait()
