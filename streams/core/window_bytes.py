"""One window as compact bytes: how it rests in a workspace's value, in memory and on disk.

Little-endian: the numbers, then which histograms follow (a bit each of `METRICS`), the histograms, and the name. The same window always
gives the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

from streams.core import histogram
from streams.core.histogram import Histogram
from streams.core.windows import LARGEST, METRICS, NUMBERS, Name, Window, merged

_NUMBERS: Final = struct.Struct(f"<{len(NUMBERS) + 4}q")
HEAD: Final = struct.Struct("<BqHH")
"""Histograms that follow; of the name its time and the lengths of name and service."""
_COUNT: Final = struct.Struct("<q")
LONGEST_NAME: Final = 0xFFFF


def pack(window: Window) -> bytes:
    """The window as bytes; sums beyond 64 bits stay at the largest number."""
    cpu_at, cpu = window.cpu_last
    memory_at, memory = window.memory_last
    out = [_NUMBERS.pack(*window.numbers(), cpu_at, min(cpu, LARGEST), memory_at, min(memory, LARGEST)), b""]
    follow = 0
    for number, one in enumerate(window.histograms()):
        if one is not None and (one.counts or one.zeros):
            follow |= 1 << number
            out.append(one.to_bytes())
    named_at, name, service = window.name
    texts = [_text(name), _text(service)]
    out[1] = HEAD.pack(follow, named_at, len(texts[0]), len(texts[1]))
    return b"".join(out + texts)


def named(name: Name) -> bytes:
    """A window of no samples that has a name."""
    named_at, of_container, service = name
    texts = [_text(of_container), _text(service)]
    return b"".join((EMPTY[: _NUMBERS.size], HEAD.pack(0, named_at, len(texts[0]), len(texts[1])), *texts))


def split(data: bytes) -> tuple[tuple[int, ...], Name, list[bytes]]:
    """What a packed window is made of.

    Returns:
        Its numbers (`NUMBERS`), behind them time and value of the last CPU and of the last memory; its name; and a histogram's bytes for
        each of `METRICS`, none where no value was known.

    Raises:
        ValueError, struct.error: these are no such bytes.
    """
    values = _NUMBERS.unpack_from(data)
    at = _NUMBERS.size
    follow, named_at, name_size, service_size = HEAD.unpack_from(data, at)
    at += HEAD.size
    histograms: list[bytes] = []
    for number in range(len(METRICS)):
        end = at + histogram.size_of(data, at) if follow >> number & 1 else at
        histograms.append(data[at:end])
        at = end
    name = data[at : at + name_size].decode("utf-8", "surrogatepass")
    service = data[at + name_size : at + name_size + service_size].decode("utf-8", "surrogatepass")
    return values, (named_at, name, service), histograms


def unpack(data: bytes) -> Window:
    """The window of `pack`.

    Raises:
        ValueError, struct.error: these are no such bytes.
    """
    values, name, histograms = split(data)
    kept: list[Histogram | None] = [Histogram(), Histogram(), None, None]
    for number, packed in enumerate(histograms):
        if packed:
            kept[number] = histogram.from_bytes(packed)
    # The fields of a window are in the order of NUMBERS: a tenth of the cost of setting them one by one.
    fields: tuple[Any, ...] = (*values[:-4], values[-4:-2], values[-2:], name, *kept)
    return Window(*fields)


def merge(packed: Iterable[bytes]) -> bytes:
    """The merge of packed windows; of one that is not empty, itself."""
    some = [one for one in packed if one != EMPTY]
    return some[0] if len(some) == 1 else pack(merged(map(unpack, some)))


def sample_count(data: bytes) -> int:
    """Samples of a packed window, the first of its numbers."""
    return int(_COUNT.unpack_from(data)[0])


def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    # A name is cut where a character ends.
    return raw if len(raw) <= LONGEST_NAME else raw[:LONGEST_NAME].decode("utf-8", "ignore").encode()


EMPTY: Final = pack(Window())
"""A window of no samples."""
