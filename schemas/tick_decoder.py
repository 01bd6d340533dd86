"""Ticks from Avro, several times as fast as fastavro reads them: what `codec("stats_tick")` gives, always.

A tick is read for every message of docker.stats, and nearly all of it is the same from tick to tick: who it is about, which container a
sample is of, the numbers that all messages of one instant share. What is text is found by its bytes and remembered. Whatever is not as
our producers write it (an older version, an array in several blocks, an integer outside of its field's 32 bits, bytes that are no tick)
is left to the codec, and so are all errors. A test compares the two over records and over damaged bytes; another that the fields stand
in the schema as they stand here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from schemas.codec import Record, codec, plain

#: The fields of a tick in the order they are read here.
FIELDS: Final = (
    "workspace_id", "workspace_name", "engine_id", "engine_name", "generation", "tick_at_ns", "interval_ms", "part", "parts", "host_cpus",
    "host_memory_bytes", "labels", "samples",
)  # fmt: skip
SAMPLE_FIELDS: Final = ("container_id", "container_name", "service", "counters")
#: Of the seven numbers those whose field has 32 bits.
_INTS: Final = (0, 3, 4, 5)
#: Texts remembered: some tens of thousands of containers.
_REMEMBERED: Final = 1 << 16

_CODEC: Final = codec("stats_tick")
_HEADER: Final = _CODEC.header


class _Unusual(Exception):
    """Not as our producers write it."""


class TickDecoder:
    """Decodes ticks; remembers the numbers of the one before."""

    def __init__(self) -> None:
        self._numbers_bytes = b""
        self._numbers: tuple[int, ...] = ()

    def decode(self, data: bytes | None) -> Record:
        """Decodes one tick of any published version.

        Raises:
            Undecodable: whatever the bytes are, this and no other error.
        """
        data = plain(data)
        if data is None or not data.startswith(_HEADER):
            return _CODEC.decode(data)
        try:
            return self._read(data)
        except (IndexError, UnicodeDecodeError, _Unusual):
            return _CODEC.decode(data)

    def _read(self, data: bytes) -> Record:
        # Where a length leads beyond the end, a later index fails, or the last comparison does: `at` never goes back.
        begin = at = len(_HEADER)
        for _ in range(4):
            at = _behind_text(data, at)
        workspace_id, workspace_name, engine_id, engine_name = _texts(data[begin:at])
        begin = at
        if self._numbers_bytes and data.startswith(self._numbers_bytes, at):
            at += len(self._numbers_bytes)
        else:
            at = self._read_numbers(data, at)
        generation, tick_at_ns, interval_ms, part, parts, host_cpus, host_memory_bytes = self._numbers
        labels: dict[str, str] = {}
        if data[at]:
            begin = at
            at = _behind_labels(data, at)
            labels = dict(_labels(data[begin:at]))
        else:
            at += 1
        samples: list[Record] = []
        count, at = _length(data, at)
        if count:
            for _ in range(count):
                begin = at
                at = _behind_text(data, _behind_text(data, at))
                if data[at] == 2:
                    at = _behind_text(data, at + 1)
                elif data[at] == 0:
                    at += 1
                else:
                    raise _Unusual
                container_id, container_name, service = _who(data[begin:at])
                size, at = _length(data, at)
                samples.append({
                    "container_id": container_id, "container_name": container_name, "service": service, "counters": data[at : at + size],
                })  # fmt: skip
                at += size
            if data[at]:
                raise _Unusual
            at += 1
        if at != len(data):
            raise _Unusual
        return {
            "workspace_id": workspace_id, "workspace_name": workspace_name, "engine_id": engine_id, "engine_name": engine_name,
            "generation": generation, "tick_at_ns": tick_at_ns, "interval_ms": interval_ms, "part": part, "parts": parts,
            "host_cpus": host_cpus, "host_memory_bytes": host_memory_bytes, "labels": labels, "samples": samples,
        }  # fmt: skip

    def _read_numbers(self, data: bytes, begin: int) -> int:
        at = begin
        numbers: list[int] = []
        for _ in range(7):
            number, at = _long(data, at)
            numbers.append(number)
        for index in _INTS:
            if not -(2**31) <= numbers[index] < 2**31:
                raise _Unusual
        self._numbers_bytes, self._numbers = data[begin:at], tuple(numbers)
        return at


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length or a count of at most two bytes, and what lies behind it."""
    low = data[at]
    if low & 1:  # negative
        raise _Unusual
    if low < 128:
        return low >> 1, at + 1
    high = data[at + 1]
    if high > 127:
        raise _Unusual
    return (low & 127 | high << 7) >> 1, at + 2


def _behind_text(data: bytes, at: int) -> int:
    low = data[at]
    if low < 128 and not low & 1:
        return at + 1 + (low >> 1)
    length, at = _length(data, at)
    return at + length


def _behind_labels(data: bytes, at: int) -> int:
    """What lies behind a map of one block, which is not empty."""
    count, at = _length(data, at)
    for _ in range(2 * count):
        at = _behind_text(data, at)
    if data[at]:
        raise _Unusual
    return at + 1


def _long(data: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, then zigzag (Avro specification, "Binary encoding"); nine bytes hold any time in ns."""
    number = shift = 0
    for byte in data[at : at + 9]:
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number >> 1 ^ -(number & 1), at
        shift += 7
    raise _Unusual


def _split(data: bytes, count: int) -> list[str]:
    """Texts that lie one behind the other."""
    found = []
    at = 0
    for _ in range(count):
        length, at = _length(data, at)
        if at + length > len(data):
            raise _Unusual
        found.append(data[at : at + length].decode())
        at += length
    return found


@lru_cache(maxsize=_REMEMBERED)
def _texts(data: bytes) -> tuple[str, str, str, str]:
    workspace_id, workspace_name, engine_id, engine_name = _split(data, 4)
    return workspace_id, workspace_name, engine_id, engine_name


@lru_cache(maxsize=_REMEMBERED << 1)
def _who(data: bytes) -> tuple[str, str, str | None]:
    container_id, container_name = _split(data, 2)
    rest = data[_behind_text(data, _behind_text(data, 0)) :]
    return container_id, container_name, None if rest == b"\0" else _split(rest[1:], 1)[0]


@lru_cache(maxsize=_REMEMBERED)
def _labels(data: bytes) -> tuple[tuple[str, str], ...]:
    count, at = _length(data, 0)
    texts = _split(data[at:-1], 2 * count)
    return tuple(zip(texts[::2], texts[1::2], strict=True))


decode_tick: Final = TickDecoder().decode
"""The process's one decoder."""
