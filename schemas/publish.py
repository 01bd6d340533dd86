"""Publishing: one protocol for all that writes, whatever the log behind it is.

The journal of an embedded tree, Kafka, and memory implement it; `tests/producers/test_publisher_contract.py` is the one suite for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka.partitioner import murmur2

from schemas.codec import codec
from schemas.topics import Topic


class Record(NamedTuple):
    """One record on its way to the log; no frozen dataclass, for it is made for every output, and those cost three times as much to make.

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


class RecordMaker:
    """Makes the records of one topic and kind: encodes, and adds the headers by which a consumer filters without decoding.

    Args:
        kind: header `wst-type`: the record's kind or the event's type.
        encode: a faster way to the same bytes as the codec's, where there is one.
    """

    def __init__(self, topic: Topic, prefix: str, kind: str, encode: Callable[[Mapping[str, Any]], bytes] | None = None) -> None:
        encoder = codec(topic.subject)
        self.topic = topic.full(prefix)
        self._encode = encode or encoder.encode
        self.headers = (("wst-type", kind.encode()), ("wst-schema", encoder.label.encode()))
        """What all of its records have."""

    def make(self, key: str, value: Mapping[str, Any], record_id: str, timestamp_ms: int) -> Record:
        """Encodes a value.

        Args:
            record_id: header `wst-id`: deterministic, the same for a redelivery.
        """
        return self.of_encoded(key.encode("utf-8", "surrogateescape"), self._encode(value), record_id.encode(), timestamp_ms)

    def of_encoded(self, key: bytes, value: bytes, record_id: bytes, timestamp_ms: int) -> Record:
        """The record of a value that is encoded already."""
        return Record(self.topic, key, value, (*self.headers, ("wst-id", record_id)), timestamp_ms)


def make_record(topic: Topic, prefix: str, key: str, value: Mapping[str, Any], *, kind: str, record_id: str, timestamp_ms: int) -> Record:
    """Makes one record of a topic; whoever makes many keeps a `RecordMaker`."""
    return RecordMaker(topic, prefix, kind).make(key, value, record_id, timestamp_ms)


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it (murmur2); 0 without a key."""
    return 0 if key is None else int((murmur2(key) & 0x7FFFFFFF) % partitions)
