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
INTS: Final = (0, 3, 4, 5)
#: Texts remembered: some tens of thousands of containers.
_REMEMBERED: Final = 1 << 16

_CODEC: Final = codec("stats_tick")
HEADER: Final = _CODEC.header


class Unusual(Exception):
    """Not as our producers write it."""


class TickNumbers:
    """Reads the seven numbers of ticks, which all messages of one instant share: remembers those of the one before.

    Attributes:
        values: generation, tick_at_ns, interval_ms, part, parts, host_cpus and host_memory_bytes of the tick read last.
    """

    def __init__(self) -> None:
        self._bytes = b""
        self.values: tuple[int, ...] = ()

    def read(self, data: bytes, at: int) -> int:
        """Reads them where they begin; returns where they end.

        Raises:
            Unusual, IndexError: they are not as our producers write them.
        """
        if self._bytes and data.startswith(self._bytes, at):
            return at + len(self._bytes)
        begin = at
        numbers: list[int] = []
        for _ in range(7):
            number, at = long(data, at)
            numbers.append(number)
        for index in INTS:
            if not -(2**31) <= numbers[index] < 2**31:
                raise Unusual
        self._bytes, self.values = data[begin:at], tuple(numbers)
        return at


class TickDecoder:
    """Decodes ticks."""

    def __init__(self) -> None:
        self._numbers = TickNumbers()

    def decode(self, data: bytes | None) -> Record:
        """Decodes one tick of any published version.

        Raises:
            Undecodable: whatever the bytes are, this and no other error.
        """
        data = plain(data)
        if data is None or not data.startswith(HEADER):
            return _CODEC.decode(data)
        try:
            return self._read(data)
        except (IndexError, UnicodeDecodeError, Unusual):
            return _CODEC.decode(data)

    def _read(self, data: bytes) -> Record:
        # Where a length leads beyond the end, a later index fails, or the last comparison does: `at` never goes back.
        begin = at = len(HEADER)
        for _ in range(4):
            at = behind_text(data, at)
        workspace_id, workspace_name, engine_id, engine_name = _texts(data[begin:at])
        at = self._numbers.read(data, at)
        generation, tick_at_ns, interval_ms, part, parts, host_cpus, host_memory_bytes = self._numbers.values
        labels: dict[str, str] = {}
        if data[at]:
            begin = at
            at = behind_labels(data, at)
            labels = dict(_labels(data[begin:at]))
        else:
            at += 1
        samples: list[Record] = []
        count, at = length(data, at)
        if count:
            for _ in range(count):
                begin = at
                at = behind_text(data, behind_text(data, at))
                if data[at] == 2:
                    at = behind_text(data, at + 1)
                elif data[at] == 0:
                    at += 1
                else:
                    raise Unusual
                container_id, container_name, service = _who(data[begin:at])
                size, at = length(data, at)
                samples.append({
                    "container_id": container_id, "container_name": container_name, "service": service, "counters": data[at : at + size],
                })  # fmt: skip
                at += size
            if data[at]:
                raise Unusual
            at += 1
        if at != len(data):
            raise Unusual
        return {
            "workspace_id": workspace_id, "workspace_name": workspace_name, "engine_id": engine_id, "engine_name": engine_name,
            "generation": generation, "tick_at_ns": tick_at_ns, "interval_ms": interval_ms, "part": part, "parts": parts,
            "host_cpus": host_cpus, "host_memory_bytes": host_memory_bytes, "labels": labels, "samples": samples,
        }  # fmt: skip


def length(data: bytes, at: int) -> tuple[int, int]:
    """A length or a count of at most two bytes, and what lies behind it."""
    low = data[at]
    if low & 1:  # negative
        raise Unusual
    if low < 128:
        return low >> 1, at + 1
    high = data[at + 1]
    if high > 127:
        raise Unusual
    return (low & 127 | high << 7) >> 1, at + 2


def behind_text(data: bytes, at: int) -> int:
    """What lies behind a text."""
    low = data[at]
    if low < 128 and not low & 1:
        return at + 1 + (low >> 1)
    size, at = length(data, at)
    return at + size


def behind_labels(data: bytes, at: int) -> int:
    """What lies behind a map of one block, which is not empty."""
    count, at = length(data, at)
    for _ in range(2 * count):
        at = behind_text(data, at)
    if data[at]:
        raise Unusual
    return at + 1


def long(data: bytes, at: int) -> tuple[int, int]:
    """An integer, and what lies behind it.

    Seven bits a byte, the lowest first, then zigzag (Avro specification, "Binary encoding"); nine bytes hold any time in ns.
    """
    number = shift = 0
    for byte in data[at : at + 9]:
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number >> 1 ^ -(number & 1), at
        shift += 7
    raise Unusual


def _split(data: bytes, count: int) -> list[str]:
    """Texts that lie one behind the other."""
    found = []
    at = 0
    for _ in range(count):
        size, at = length(data, at)
        if at + size > len(data):
            raise Unusual
        found.append(data[at : at + size].decode())
        at += size
    return found


@lru_cache(maxsize=_REMEMBERED)
def _texts(data: bytes) -> tuple[str, str, str, str]:
    workspace_id, workspace_name, engine_id, engine_name = _split(data, 4)
    return workspace_id, workspace_name, engine_id, engine_name


@lru_cache(maxsize=_REMEMBERED << 1)
def _who(data: bytes) -> tuple[str, str, str | None]:
    container_id, container_name = _split(data, 2)
    rest = data[behind_text(data, behind_text(data, 0)) :]
    return container_id, container_name, None if rest == b"\0" else _split(rest[1:], 1)[0]


@lru_cache(maxsize=_REMEMBERED)
def _labels(data: bytes) -> tuple[tuple[str, str], ...]:
    count, at = length(data, 0)
    texts = _split(data[at:-1], 2 * count)
    return tuple(zip(texts[::2], texts[1::2], strict=True))


decode_tick: Final = TickDecoder().decode
"""The process's one decoder."""
