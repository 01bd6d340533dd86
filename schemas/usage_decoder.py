"""Derived samples from Avro, several times as fast as fastavro reads them, and as what columns are made of: no object a sample.

Nearly all of a record of samples is the same from tick to tick: who it is about, which containers its samples are of. The bytes that say so
are compared with those of an earlier record under the same key, and only what is left is read: two numbers, and the packed values as they
lie there. Bytes that were not seen before, and whatever is not as our workers write it (windows, an older version, an array in several
blocks, bytes that are no record), are the codec's, and so are all errors. A test compares the two over records and over damaged bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.avro_bytes import long, text, texts
from schemas.codec import Record, codec, plain
from schemas.tick_decoder import Unusual
from schemas.tick_decoder import long as read_long

#: Samples that are remembered: of a hundred thousand containers.
_REMEMBERED: Final = 1 << 17
#: Records of one key that are told apart: a workspace has some on each engine, and several where it has many containers.
_APART: Final = 8

_CODEC: Final = codec("usage")
_HEADER: Final = _CODEC.header
_KIND: Final = 1
"""Of `samples` in the enum."""


class Whose(NamedTuple):
    """What a record of samples is about."""

    workspace_id: str
    workspace_name: str
    engine_id: str
    engine_name: str


class Which(NamedTuple):
    """Which container a sample is of, and what became of it."""

    container_id: str
    container_name: str
    service: str
    outcome: str


class Sampled(NamedTuple):
    """A record of samples, of one tick.

    Attributes:
        which, derived: one a sample; `which` is mostly the very object of the tick before.
    """

    whose: Whose
    epoch: int
    partition: int
    offset: int
    tick_at_ns: int
    which: tuple[Which, ...]
    derived: list[bytes]


class _Known(NamedTuple):
    """A record as it was, but for its numbers and values."""

    begins: bytes
    """Up to the number of its partition."""
    epoch: int
    partition: int
    whose: Whose
    which: tuple[Which, ...]
    number: bytes
    """Of its samples."""
    samples: list[tuple[bytes, int]]
    """Of each sample what stands before its values, and their size."""


class UsageDecoder:
    """Decodes `usage` records; remembers what they are about."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[_Known]] = {}
        self._remembered = 0
        self._tick, self._tick_at_ns = b"", 0
        # Nothing yet: an empty one would equal that of a record cut within its last value.
        self._end: bytes | None = None

    def decode(self, key: bytes | None, data: bytes | None) -> Sampled | Record:
        """Decodes one record of any published version; samples where it has any and nothing else.

        Args:
            key: what the record lies under, which need not be right.

        Raises:
            Undecodable: whatever the bytes are, this and no other error.
        """
        data = plain(data)
        key = key or b""
        if data is not None:
            for known in self._known.get(key, ()):
                if data.startswith(known.begins):
                    try:
                        return self._read(data, known)
                    except (IndexError, Unusual):
                        continue
        record = _CODEC.decode(data)
        if record["kind"] != "samples" or record["windows"]:
            return record
        found = sampled(record)
        self._remember(key, record, found)
        return found

    def _read(self, data: bytes, known: _Known) -> Sampled:
        # Where a length leads beyond the end, a later index fails, or the last comparison does: `at` never goes back.
        offset, at = read_long(data, len(known.begins))
        if self._tick and data.startswith(self._tick, at):
            at += len(self._tick)
        else:
            at = self._read_tick(data, at)
        if not data.startswith(known.number, at):
            raise Unusual
        at += len(known.number)
        derived: list[bytes] = []
        for begins, size in known.samples:
            if not data.startswith(begins, at):
                raise Unusual
            at += len(begins)
            derived.append(data[at : at + size])
            at += size
        end = data[at:]
        if end != self._end:
            # Nothing but: no more samples, no windows, the host's memory.
            if not end.startswith(b"\0\0") or read_long(end, 2)[1] != len(end):
                raise Unusual
            self._end = end
        return Sampled(known.whose, known.epoch, known.partition, offset, self._tick_at_ns, known.which, derived)

    def _read_tick(self, data: bytes, begin: int) -> int:
        tick_at_ns, at = read_long(data, begin)
        part, at = read_long(data, at)
        if not -(2**31) <= part < 2**31:
            raise Unusual
        self._tick, self._tick_at_ns = data[begin:at], tick_at_ns
        return at

    def _remember(self, key: bytes, record: Record, found: Sampled) -> None:
        """Another record like this one is found by its bytes."""
        if self._remembered > _REMEMBERED:
            self._known.clear()
            self._remembered = 0
        whose = long(_KIND) + b"".join(map(text, found.whose))
        begins = _HEADER + whose + long(record["generation"]) + texts(record["labels"]) + long(found.epoch) + long(found.partition)
        samples = [
            (b"".join(map(text, one)) + long(len(derived)), len(derived)) for one, derived in zip(found.which, found.derived, strict=True)
        ]
        known = self._known.setdefault(key, [])
        known.insert(0, _Known(begins, found.epoch, found.partition, found.whose, found.which, long(len(samples)), samples))
        del known[_APART:]
        self._remembered += len(samples)


def sampled(record: Record) -> Sampled:
    """The samples of a decoded record, which may have none."""
    whose = Whose(record["workspace_id"], record["workspace_name"], record["engine_id"], record["engine_name"])
    which = tuple(Which(one["container_id"], one["container_name"], one["service"], one["outcome"]) for one in record["samples"])
    derived = [one["derived"] for one in record["samples"]]
    return Sampled(whose, record["epoch"], record["partition"], record["offset"], record["tick_at_ns"], which, derived)


decode_usage: Final = UsageDecoder().decode
"""The process's one decoder."""
