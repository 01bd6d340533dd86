"""Kafka behind an outbox: what must not be lost is journaled first and sent from there, in order.

The journal (SQLite, private to the producer) bridges any outage of the broker and any death of the producer: a
cursor says how far the broker has acknowledged, and what lies after it is sent again. Repeats are harmless, facts
have an identity. Samples go past the journal through a bounded buffer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from producers.calls import backoff_s
from producers.engine_json import MAX_LONG
from producers.facts import fitting, too_large
from producers.publisher import Waiting
from schemas.codec import framed
from schemas.journal import Entry, Journal
from schemas.publish import Record
from schemas.topics import MAX_RECORD_BYTES

_log: Final = logging.getLogger("wst.producer")

_CONSUMER: Final = "kafka"
_BATCH: Final = 500
_SAMPLES_BYTES: Final = 8 << 20
_CLOSE_S: Final = 1.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordTooLargeError)


class _StartAgain(Exception):
    """The client is of no more use, but the broker is well."""


class KafkaOutlet:
    """Publishes to Kafka with acknowledgement of all replicas, idempotent.

    Args:
        client: arguments of aiokafka's clients: bootstrap_servers and security.
        journal: file of the outbox.
        prefix: of all topics.
        samples_bytes: size of the buffer of samples.
    """

    def __init__(self, client: dict[str, Any], journal: Path, prefix: str, *, samples_bytes: int = _SAMPLES_BYTES) -> None:
        self._client = client
        self._prefix = prefix
        self._journal = Journal(journal, 1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._samples: deque[Record] = deque()
        self._samples_bytes = self._free_bytes = samples_bytes
        # What an earlier run left waits already.
        self._next_seq, self._last_seq = self._cursor(), self._journal.last_seq()
        self._news = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._refused: set[int] = set()
        self._alone_until = 0
        self._sent_all = asyncio.Event()
        self.dropped = 0

    def start(self) -> None:
        """Begins to send."""
        self._sender = asyncio.create_task(self._send_for_ever(), name="outbox")

    async def publish(self, records: Sequence[Record]) -> None:
        """Journals records; durable on return, sent as soon as the broker takes them.

        Raises:
            WstError: the disk is full or the outbox is gone.
        """
        if records:
            self._last_seq = await self._in_thread(self._journal.append, [fitting(self._prefix, record) for record in records])
            self._sent_all.clear()
            self._news.set()

    @property
    def waiting(self) -> Waiting:
        """What waits for the broker."""
        return Waiting(max(0, self._last_seq - self._next_seq + 1), self._samples_bytes - self._free_bytes, self._samples_bytes)

    async def offer(self, records: Sequence[Record]) -> None:
        """Buffers samples; the oldest are dropped when the buffer is full."""
        for record in records:
            self._samples.append(record)
            self._free_bytes -= record.size
        while self._free_bytes < 0:
            self._free_bytes += self._samples.popleft().size
            self._count_drop()
        self._news.set()

    def _count_drop(self) -> None:
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, 8 …: said, but never a flood
            _log.warning("the broker is away and the buffer of samples is full: %d messages dropped so far", self.dropped)

    async def _send_for_ever(self) -> None:
        attempt = 0
        while True:
            producer = AIOKafkaProducer(
                **self._client, acks="all", enable_idempotence=True, linger_ms=2, max_request_size=2 * MAX_RECORD_BYTES,
                request_timeout_ms=10_000, retry_backoff_ms=100,
            )  # fmt: skip
            try:
                await producer.start()
                if attempt:
                    _log.info("the broker is back")
                attempt = 0
                await self._drain(producer)
            except _StartAgain:
                continue
            except (KafkaError, OSError) as error:
                if attempt == 0:
                    _log.warning("the broker does not take records (%r): facts wait in the outbox, samples in a buffer", error)
                attempt += 1
                await asyncio.sleep(backoff_s(attempt))
            finally:
                await _stop(producer)

    async def _drain(self, producer: AIOKafkaProducer) -> None:
        """Sends all there is, then waits for more; raises what the broker says."""
        next_seq = await self._in_thread(self._cursor)
        while True:
            self._news.clear()
            alone = next_seq <= self._alone_until
            entries: list[Entry] = await self._in_thread(self._journal.read, next_seq - 1, 1 if alone else _BATCH)
            samples = [] if alone else self._take_samples()
            await self._send_batch(producer, entries, samples)
            if entries:
                next_seq = self._next_seq = entries[-1].seq + 1
                await self._in_thread(self._advance, next_seq, {entry.record.topic for entry in entries})
            elif not samples:
                self._sent_all.set()
                await self._news.wait()

    def _take_samples(self) -> list[Record]:
        samples = [self._samples.popleft() for _ in range(min(len(self._samples), _BATCH))]
        self._free_bytes += sum(record.size for record in samples)
        return samples

    async def _send_batch(self, producer: AIOKafkaProducer, entries: Sequence[Entry], samples: Sequence[Record]) -> None:
        """Sends and waits for every acknowledgement.

        A record the broker finds too large takes its whole batch with it, and an idempotent client cannot go on after
        the gap. So another client sends that stretch again, one by one, until the culprit is known: it becomes a dead letter.
        """
        records = [too_large(self._prefix, e.record) if e.seq in self._refused else e.record for e in entries]
        waiting = [await _send(producer, record) for record in [*records, *samples]]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        failures = [outcome for outcome in done if isinstance(outcome, BaseException)]
        if not failures:
            return
        if not any(isinstance(failure, _TOO_LARGE) for failure in failures):
            raise failures[0]
        if len(entries) == 1 and not samples:
            self._refused.add(entries[0].seq)
        elif entries:
            self._alone_until = entries[-1].seq
        for sample, outcome in zip(samples, done[len(entries) :], strict=True):
            if isinstance(outcome, _TOO_LARGE):
                await self.publish([too_large(self._prefix, sample)])
            elif isinstance(outcome, BaseException):
                self._count_drop()
        raise _StartAgain

    def _cursor(self) -> int:
        return max((cursor.next_seq for cursor in self._journal.cursors() if cursor.consumer == _CONSUMER), default=1)

    def _advance(self, next_seq: int, topics: set[str]) -> None:
        self._journal.set_cursor(_CONSUMER, "", 0, next_seq)
        for topic in topics:
            self._journal.prune(topic, 0, next_seq, MAX_LONG)

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    async def close(self) -> None:
        """Sends what waits for a moment, then leaves the rest to the next start."""
        if self._sender is not None:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await self._sent_all.wait()
            except TimeoutError:
                _log.info("records wait in the outbox for the next start")
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        await self._in_thread(self._journal.close)
        self._thread.shutdown(wait=False)


async def _send(producer: AIOKafkaProducer, record: Record) -> asyncio.Future[Any]:
    at, headers = record.timestamp_ms, list(record.headers)
    sent: asyncio.Future[Any] = await producer.send(record.topic, framed(record.value), record.key, timestamp_ms=at, headers=headers)
    return sent


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stops a client without waiting for a broker that is gone: the outbox has it all."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await producer.stop()
    except (TimeoutError, KafkaError) as error:
        _log.debug("the Kafka client did not stop cleanly: %r", error)
