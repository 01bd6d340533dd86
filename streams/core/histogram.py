"""How values are distributed, within 1 %: counts by buckets whose bounds grow by a constant factor (DDSketch).

Bucket k holds the values from γ^k up to γ^(k+1), γ = (1 + α) / (1 − α), α = 1 %: the middle of a bucket is within 1 % of all in it.
Zeros are counted apart. Merging adds counts, so no order changes a histogram, and its percentiles come from all values, never from
averaged percentiles. The buckets are those of ClickHouse's `quantilesDD(0.01, …)`: `to_clickhouse` is the state it would have itself.

Source: Masson, Rim, Lee, "DDSketch" (VLDB 2019); ClickHouse, `src/AggregateFunctions/DDSketch`.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from itertools import accumulate
from math import log
from operator import add
from typing import Final

ACCURACY: Final = 0.01
_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
PER_E: Final = 1 / log(_GAMMA)

_TYPES: Final = "BHIQ"
_BIG_ENDIAN: Final = array("H", [1]).tobytes() == b"\0\1"
HEAD: Final = struct.Struct("<BQhH")
_STATE_HEAD: Final = struct.Struct("<Bdd")
_STATE_ZEROS: Final = struct.Struct("<Bd")
_NO_BUCKETS: Final = b"\x0c\x00\xfe\xff\xff\xff\x0f\x02"
"""An empty store: no counts, from the largest key on."""
_BUCKETS: Final = 2_400
"""More than there are below 2^64."""
SURELY_FROM: Final = [int(_GAMMA**bucket * (1 + 1e-9)) + 1 for bucket in range(_BUCKETS)]
SURELY_BELOW: Final = [int(_GAMMA ** (bucket + 1) * (1 - 1e-9)) for bucket in range(_BUCKETS)]
"""What lies between needs no logarithm to be known as of a bucket, however a logarithm rounds at the bounds."""


def _no_counts() -> array[int]:
    return array("B")


class Histogram:
    """Counts of whole numbers from 0 on, below 2^64; as made, of none.

    Kept dense, one byte a bucket until a count needs more: a container's hour is some hundred bytes. What falls into the same bucket
    as the value before, as memory mostly does, is counted without a logarithm.
    """

    __slots__ = ("counts", "low", "zeros")

    def __init__(self, zeros: int = 0, low: int = 0, counts: array[int] | None = None) -> None:
        self.zeros = zeros
        self.low = low
        """Bucket of the first count. The first and the last count are never 0."""
        self.counts = _no_counts() if counts is None else counts

    def add(self, value: int) -> None:
        """Counts one value."""
        self.add_all((value,))

    def add_all(self, values: Iterable[int]) -> None:
        """Counts some values."""
        counts, at, surely_from, surely_below = self.counts, 0, 0, 0
        for value in values:
            if not surely_from <= value < surely_below:
                if value <= 0:
                    self.zeros += 1
                    continue
                bucket = int(log(value) * PER_E)
                surely_from = SURELY_FROM[bucket]
                surely_below = SURELY_BELOW[bucket]
                at = bucket - self.low
                if not 0 <= at < len(counts):
                    at = self._reach(bucket)
            try:
                counts[at] += 1
            except OverflowError:
                self.counts = counts = array(_TYPES[_TYPES.index(counts.typecode) + 1], counts)
                counts[at] += 1

    def _reach(self, bucket: int) -> int:
        """Makes room for the count of a bucket; returns where it is."""
        counts = self.counts
        if not counts:
            self.low = bucket
            counts.append(0)
        elif bucket < self.low:
            counts[:0] = array(counts.typecode, [0] * (self.low - bucket))
            self.low = bucket
        else:
            counts.extend([0] * (bucket - self.low + 1 - len(counts)))
            return len(counts) - 1
        return 0

    def merge(self, other: Histogram) -> None:
        """Adds all of another."""
        self.zeros += other.zeros
        if not other.counts:
            return
        if not self.counts:
            self.low, self.counts = other.low, other.counts[:]
            return
        low = min(self.low, other.low)
        total = [0] * (max(self.low + len(self.counts), other.low + len(other.counts)) - low)
        total[self.low - low : self.low - low + len(self.counts)] = self.counts
        begin, end = other.low - low, other.low - low + len(other.counts)
        total[begin:end] = map(add, total[begin:end], other.counts)
        self.low, self.counts = low, array(_narrowest(max(total)), total)

    def count(self) -> int:
        """How many values were counted."""
        return self.zeros + sum(self.counts)

    def quantile(self, ratio: float) -> float | None:
        """The value that a part of all values, 0 to 1, is not above, within 1 %; None: of no values. As ClickHouse says it."""
        count = self.count()
        if not count:
            return None
        rank = ratio * (count - 1)
        if rank < self.zeros:
            return 0.0
        for key, up_to in enumerate(accumulate(self.counts, initial=self.zeros), self.low - 1):
            if up_to > rank:
                return float(_GAMMA**key * (1 + ACCURACY))
        raise AssertionError("a rank beyond all counts")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment] # it changes in place

    def __repr__(self) -> str:
        return f"Histogram({self.count()} values)"

    def to_bytes(self) -> bytes:
        """Little-endian: bytes of a count (1, 2, 4, 8), zeros (64 bits), first bucket (16), buckets (16), counts.

        Equal histograms have equal bytes: counts are as narrow as the highest allows, the first and last are not 0.
        """
        counts = self.counts
        head = HEAD.pack(counts.itemsize, self.zeros, self.low if counts else 0, len(counts))
        return head + _little(counts).tobytes()

    def to_clickhouse(self) -> bytes:
        """The state of `quantilesDD(0.01, …)` over the same values as Float64."""
        counts = self.counts
        size = len(counts)
        store = b"\x0c" + _varint(size) + _varint(2 * self.low) + b"\x02" + struct.pack(f"<{size}d", *counts) if size else _NO_BUCKETS
        return _STATE_HEAD.pack(2, _GAMMA, 0.0) + b"\x01" + store + b"\x03" + _NO_BUCKETS + _STATE_ZEROS.pack(4, self.zeros)


def from_bytes(data: bytes) -> Histogram:
    """The histogram of `to_bytes`.

    Raises:
        ValueError: these are no such bytes.
    """
    try:
        width, zeros, low, size = HEAD.unpack_from(data)
        counts = array(_TYPES[(1, 2, 4, 8).index(width)], data[HEAD.size :])
    except (struct.error, ValueError) as error:
        raise ValueError(f"{len(data)} bytes are no histogram") from error
    if len(counts) != size or low < 0:
        raise ValueError(f"a histogram of {size} buckets has {len(counts)} counts, from bucket {low} on")
    return Histogram(zeros, low, _little(counts))


def size_of(data: bytes, at: int) -> int:
    """Bytes that a histogram takes which begins there."""
    width, _, _, size = HEAD.unpack_from(data, at)
    return HEAD.size + int(width) * int(size)


def _narrowest(highest: int) -> str:
    return _TYPES[(highest > 0xFF) + (highest > 0xFFFF) + (highest > 0xFFFFFFFF)]


def _little(counts: array[int]) -> array[int]:
    if _BIG_ENDIAN and counts.itemsize > 1:
        counts = counts[:]
        counts.byteswap()
    return counts


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
