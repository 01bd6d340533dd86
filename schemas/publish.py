"""Publishing: one protocol for all that writes, whatever the log behind it is.

The journal of an embedded tree, Kafka, and memory implement it; `tests/contracts` holds the one suite for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.partitioner import murmur2

from schemas.codec import codec
from schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class Record:
    """One record on its way to the log.

    Attributes:
        topic: full name, prefix included.
        key: decides the partition; None only for dead letters without one.
        value: encoded value; None: a tombstone.
        headers: name and value, in order.
        timestamp_ms: ms since the Unix epoch.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


class Publisher(Protocol):
    """Takes records in order; what it took survives the death of any process."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when the records are durable, in their order."""

    async def close(self) -> None:
        """Sends what waits, then lets go of all resources."""


def make_record(
    topic: Topic,
    prefix: str,
    key: str,
    value: Mapping[str, Any],
    *,
    kind: str,
    record_id: str,
    timestamp_ms: int,
    encode: Callable[[Mapping[str, Any]], bytes] | None = None,
) -> Record:
    """Encodes a value for its topic, with the headers by which a consumer filters without decoding.

    Args:
        kind: header `wst-type`: the record's kind or the event's type.
        record_id: header `wst-id`: deterministic, the same for a redelivery.
        encode: a faster way to the same bytes as the codec's, where there is one.
    """
    encoder = codec(topic.subject)
    headers = (("wst-type", kind.encode()), ("wst-schema", encoder.label.encode()), ("wst-id", record_id.encode()))
    data = (encode or encoder.encode)(value)
    return Record(topic.full(prefix), key.encode("utf-8", "surrogateescape"), data, headers, timestamp_ms)


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it (murmur2); 0 without a key."""
    return 0 if key is None else int((murmur2(key) & 0x7FFFFFFF) % partitions)
