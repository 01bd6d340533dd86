"""Where readers write, now and then: the sink its dead letters, the API what is asked of it.

The journal of an embedded tree, or Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec import framed
from schemas.errors import Unreachable
from schemas.journal import Journal
from schemas.kafka import client_arguments
from schemas.publish import Publisher, Record
from schemas.settings import Settings


class BrokerAway(Unreachable):
    """No broker takes the records now; the same records may be sent later."""


class JournalLetters:
    """Appends to the journal; opened with the first record."""

    def __init__(self, settings: Settings) -> None:
        if settings.journal is None:
            raise ValueError("no journal")
        self._path = settings.journal
        self._partitions = settings.partitions
        self._journal: Journal | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink-letters")

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when the records are durable, in their order."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._append, list(records))

    def _append(self, records: list[Record]) -> None:
        if self._journal is None:
            self._journal = Journal(self._path, self._partitions)
        self._journal.append(records)

    async def close(self) -> None:
        """Closes the journal."""
        if self._journal is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
        self._thread.shutdown(wait=False)


class KafkaLetters:
    """Sends to Kafka, idempotently; connected with the first record."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when the records are durable, in their order.

        Raises:
            BrokerAway: send all of them again later; some may be in already.
            Unreachable: the broker refuses them.
        """
        try:
            if self._producer is None:
                self._producer = AIOKafkaProducer(**client_arguments(self._settings), enable_idempotence=True)
                await self._producer.start()
            sent = [
                await self._producer.send(r.topic, framed(r.value), key=r.key, headers=list(r.headers), timestamp_ms=r.timestamp_ms)
                for r in records
            ]
            for each in sent:
                await each
        except KafkaError as error:
            # A new one next time: one that failed to start or to number its records does not go on.
            await self.close()
            raise (BrokerAway if error.retriable else Unreachable)(
                f"Kafka at {self._settings.brokers} takes no records ({error})", "is it running? see WST_BROKERS"
            ) from error

    async def close(self) -> None:
        """Sends what waits, then leaves."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None


def letters(settings: Settings) -> Publisher:
    """The publisher of the mode in force."""
    return JournalLetters(settings) if settings.journal else KafkaLetters(settings)
