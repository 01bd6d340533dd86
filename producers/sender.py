"""Sends to Kafka for ever what waits in a queue, in order, whatever the broker says of it.

Facts and samples have a sender and a client each, so that neither waits for the other's topics.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTimestampError, KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, RecordTooLargeError

from producers.calls import backoff_s
from schemas.codec import framed
from schemas.errors import WstError
from schemas.publish import Record
from schemas.topics import MAX_RECORD_BYTES

_log: Final = logging.getLogger("wst.producer")

_BATCH: Final = 500
#: How long acknowledgements are waited for: aiokafka itself would go on trying, and never say so, s.
_ACKNOWLEDGED_S: Final = 30.0
#: The same when a later record could not even be sent, s.
_SETTLED_S: Final = 1.0
_STOP_S: Final = 1.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordTooLargeError)
#: A broker that is away or refuses us, a disk that is full or locked; not a file that is none any more.
_MAY_PASS: Final = (KafkaError, OSError, sqlite3.OperationalError, WstError)


class Queue(Protocol):
    """What waits to be sent, in order."""

    async def first(self, limit: int) -> Sequence[Record]:
        """Up to so many records, none where none waits; the same again until they are delivered."""

    async def delivered(self, count: int) -> None:
        """So many of the first the broker has."""

    async def too_large(self) -> None:
        """The first is larger than its topic takes: a dead letter goes in its place."""

    async def news(self) -> None:
        """Returns when there may be something again."""


class _StartAgain(Exception):
    """The client is of no more use, but the broker is well."""


class _NotTaken(Exception):
    """The broker did not take a record."""

    def __init__(self, topic: str, why: Exception) -> None:
        super().__init__(f"topic {topic}: {why!r}")
        self.why = why


class Sender:
    """Sends with acknowledgement of all replicas, idempotent.

    Args:
        client: arguments of aiokafka's clients: bootstrap_servers and security.
        waiting: what a person reads when the broker takes nothing, such as "facts wait in the outbox".
    """

    def __init__(self, client: dict[str, Any], queue: Queue, waiting: str) -> None:
        self._client = client
        self._queue = queue
        self._waiting = waiting
        self._attempt = 0
        self._said: type[Exception] | None = None
        self._alone = 0
        self._times = _Times()

    async def run(self) -> None:
        """Sends until cancelled. What may pass is said and tried again; anything else is raised."""
        while True:
            try:
                await self._with_a_client()
            except _StartAgain:
                continue
            except _NotTaken as error:
                await self._wait(error, error.why)
            except _MAY_PASS as error:
                await self._wait(error, error)

    def _say(self, error: Exception, why: Exception) -> None:
        if type(why) is not self._said:
            _log.warning("%s: %s", self._waiting, error if isinstance(error, (_NotTaken, WstError)) else repr(error))
        self._said = type(why)

    def _late(self) -> None:
        late = KafkaTimeoutError(f"nothing was acknowledged for {_ACKNOWLEDGED_S:g} s")
        self._say(late, late)

    async def _wait(self, error: Exception, why: Exception) -> None:
        self._say(error, why)
        self._attempt += 1
        await asyncio.sleep(backoff_s(self._attempt))

    def _is_well(self) -> None:
        if self._said is not None:
            _log.info("the broker takes records again; it was said that %s", self._waiting)
        self._said, self._attempt = None, 0

    async def _with_a_client(self) -> None:
        producer = AIOKafkaProducer(
            **{"request_timeout_ms": 10_000, **self._client}, acks="all", enable_idempotence=True, linger_ms=2,
            max_request_size=2 * MAX_RECORD_BYTES, retry_backoff_ms=100,
        )  # fmt: skip
        try:
            await producer.start()
            while True:
                await self._send_some(producer)
        finally:
            await _stop(producer)

    async def _send_some(self, producer: AIOKafkaProducer) -> None:
        """Sends what waits, or waits for more; raises what the broker says of the first that it did not take."""
        records = await self._queue.first(1 if self._alone else _BATCH)
        outcomes = await _deliver(producer, [self._times.of(record) for record in records], self._late)
        good = next((number for number, failure in enumerate(outcomes) if failure is not None), len(outcomes))
        if good:
            await self._queue.delivered(good)
            self._alone = max(0, self._alone - good)
        if good < len(records):
            await self._judge(outcomes[good] or KafkaError(), records[good].topic, len(records) - good)
        self._is_well()
        if not records:
            await self._queue.news()

    async def _judge(self, failure: Exception, topic: str, left: int) -> None:
        """A record that the broker refuses for ever takes its whole batch with it, and an idempotent client cannot go on after the gap.

        So another client sends that stretch again: one by one until the one that is too large is known, or with times
        that the broker takes.
        """
        if isinstance(failure, _TOO_LARGE):
            if left == 1:
                await self._queue.too_large()
            else:
                self._alone = left
            raise _StartAgain
        if isinstance(failure, InvalidTimestampError) and self._times.go_back():
            _log.warning(
                "topic %s refuses records ahead of its broker's clock, so they get earlier times: is this host's clock right?"
                " `wst topics apply` makes a topic take what is up to two days ahead as it is",
                topic,
            )
            raise _StartAgain
        raise _NotTaken(topic, failure)


class _Times:
    """Times of records as the broker takes them, where a topic refuses times so far ahead of its clock.

    A record's time is what retention goes by; the times of a fact stand in its value.
    """

    _HOUR_MS: Final = 3_600_000
    _YEARS_MS: Final = 20 * 365 * 24 * _HOUR_MS
    #: How long a wrong clock is remembered: without that each batch would be refused anew, s.
    _REMEMBERED_S: Final = 3600.0

    def __init__(self) -> None:
        self._back_ms: int | None = None
        self._until = 0.0

    def of(self, record: Record) -> Record:
        """The record with a time not later than the broker is thought to take."""
        if self._back_ms is None or time.monotonic() > self._until:
            self._back_ms = None
            return record
        return record._replace(timestamp_ms=min(record.timestamp_ms, time.time_ns() // 1_000_000 - self._back_ms))

    def go_back(self) -> bool:
        """Takes an earlier time than what was refused: now, then an hour, four, sixteen before; False: nothing helps."""
        self._back_ms = 0 if self._back_ms is None else self._back_ms * 4 or self._HOUR_MS
        self._until = time.monotonic() + self._REMEMBERED_S
        if self._back_ms > self._YEARS_MS:
            self._back_ms = None
        return self._back_ms is not None


async def _deliver(producer: AIOKafkaProducer, records: Sequence[Record], late: Callable[[], None]) -> list[Exception | None]:
    """Sends, and says of each record why it was not acknowledged; after one that could not be sent none is tried.

    Args:
        late: told when acknowledgements do not come. They are waited for all the same: this client goes on trying, in order,
            and another one beside it would send all of it once more.
    """
    sent: list[asyncio.Future[Any]] = []
    unsent: Exception | None = None
    try:
        for record in records:
            at, headers = record.timestamp_ms, list(record.headers)
            sent.append(await producer.send(record.topic, framed(record.value), record.key, timestamp_ms=at, headers=headers))
    except KafkaError as error:
        unsent = error
    if sent and unsent:
        await asyncio.wait(sent, timeout=_SETTLED_S)
    elif sent and (await asyncio.wait(sent, timeout=_ACKNOWLEDGED_S))[1]:
        late()
        await asyncio.wait(sent)
    return [*map(_failure, sent), *[unsent] * (len(records) - len(sent))]


def _failure(sent: asyncio.Future[Any]) -> Exception | None:
    failure: BaseException | None
    if not sent.done():
        sent.cancel()
        failure = KafkaTimeoutError()
    elif sent.cancelled():
        failure = KafkaError("the client gave up")
    else:
        failure = sent.exception()
    if failure is not None and not isinstance(failure, KafkaError):
        raise failure
    return cast("Exception | None", failure)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stops a client without waiting for a broker that is gone: the queue has it all."""
    try:
        async with asyncio.timeout(_STOP_S):
            await producer.stop()
    except (TimeoutError, KafkaError) as error:
        _log.debug("the Kafka client did not stop cleanly: %r", error)
        # It would go on in the background, and send what the next client sends, too.
        sending = producer._sender.sender_task
        if sending is not None:
            sending.cancel()
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(_STOP_S):
                await producer.client.close()
