"""Sending to Kafka in whole batches: one future a batch instead of one a record, and the lease asked at the socket."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest
from faust.transport.drivers import aiokafka as driver

from schemas.codec import framed
from schemas.publish import Record, partition_of
from streams.lane.lease import Lease

#: Bytes of one batch, below the limit of a broker that was never configured (1 MB).
BATCH_BYTES: Final = 900_000
#: Largest record a changelog takes; its topics are created for it. A table value above it stops the worker, named.
MAX_VALUE_BYTES: Final = 16 << 20

_KEYS_REMEMBERED: Final = 1 << 18

#: Key, value, headers and timestamp (ms; None: now) of a record.
Row = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]], int | None]


class TooLarge(Exception):
    """A value that no topic takes."""


async def send_rows(producer: AIOKafkaProducer, topic: str, partition: int, rows: Iterable[Row]) -> int:
    """Sends records, at least one, to one partition, in order; when all are acknowledged returns the offset behind the last.

    Raises:
        Exception: one of them was not; which is not known.
    """
    acknowledged: list[asyncio.Future[Any]] = []
    batch = producer.create_batch()
    for key, value, headers, timestamp_ms in rows:
        if len(value or b"") > MAX_VALUE_BYTES:
            raise TooLarge(f"the value of {key!r} for {topic} has {len(value or b''):,} bytes, the limit is {MAX_VALUE_BYTES:,}")
        while batch.append(key=key, value=value, timestamp=timestamp_ms, headers=list(headers)) is None:
            # Full: the record begins the next one, which takes a first record of any size.
            acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
    acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    answers = [await sent for sent in acknowledged]
    return int(answers[-1].offset) + int(batch.record_count())


class KafkaPublisher:
    """Publishes through the lane's own idempotent producer; the order within a partition is kept.

    Args:
        producer: a way to the producer, which starts with the app.
        partitions: partition count of every topic.
    """

    def __init__(self, producer: ProducerOf, partitions: int) -> None:
        self._producer = producer
        # The hash is computed in Python, and the same keys come again and again.
        self._partition_of = lru_cache(_KEYS_REMEMBERED)(partial(partition_of, partitions=partitions))

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when every record is acknowledged by all replicas in sync."""
        rows: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
        partition_of = self._partition_of
        for topic, key, value, headers, timestamp_ms in records:
            rows[topic, partition_of(key)].append((key, framed(value), headers, timestamp_ms))
        producer = self._producer()
        await asyncio.gather(*(send_rows(producer, topic, number, part) for (topic, number), part in rows.items()))

    async def close(self) -> None:
        """The app closes the producer."""


class LaneProducer(driver.Producer):
    """Faust's producer, idempotent, with a delivery time the lease allows."""

    app: Any

    def _settings_extra(self) -> dict[str, Any]:
        return {
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": 2 * MAX_VALUE_BYTES,
            "request_timeout_ms": int(self.app.lease.delivery_s * 1000),
            "retry_backoff_ms": 50,
        }

    async def on_start(self) -> None:
        """Starts it, and puts the lease before its socket."""
        await super().on_start()
        guard_socket(self._ensure_producer(), self.app.lease)

    def handle(self) -> AIOKafkaProducer:
        """aiokafka's producer."""
        return self._ensure_producer()


class ProducerOf:
    """Finds the app's producer once it has started."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self) -> AIOKafkaProducer:
        return self._app.producer.handle()


def guard_socket(producer: AIOKafkaProducer, lease: Lease) -> None:
    """Asks the lease whenever a produce request goes out.

    Asking when records are handed to the producer is not enough: it keeps them, and an idempotent one retries
    without end. A worker that wakes from a pause would send them before anything else of it runs.
    """
    client = producer.client
    send = client.send

    async def guarded(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await client.ready(node_id, **options)  # connecting may take long: ask behind it
            lease.check()
        return await send(node_id, request, **options)

    client.send = guarded
