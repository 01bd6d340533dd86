"""Rows noted beside many windows → into the windows, all at once: `Kept.window` of `gathering` for what is ordinary.

Windows stay bytes here: their numbers become one array, their histograms another, and of both bytes are made again, the same that a
`Window` would give. What is not plainly so (a value nobody knows, rows that are not in the order of time, numbers near 64 bits' bounds, a
histogram that does not belong there) is left to `Kept.window`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.core import window_bytes
from streams.core.gathering import SAMPLE_BYTES, TICK_BYTES, Kept, take_ticks
from streams.core.histogram import HEAD as HISTOGRAM_HEAD
from streams.core.histogram import PER_E, SURELY_BELOW, SURELY_FROM
from streams.core.windows import NUMBERS, SECOND_NS

Ints = NDArray[np.int64]

FEW: Final = 8
"""Fewer windows are faster one by one."""
_LARGE: Final = 1 << 58
"""Of the rows of one window the sum still fits."""
_NUMBERS_BYTES: Final = 8 * (len(NUMBERS) + 4)
_COUNTS: Final = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<u8"}
_NO_BUCKET: Final = 1 << 15
_BOUNDS: Final = [min(value, (1 << 63) - 1) for value in (*SURELY_FROM, *SURELY_BELOW)]
_FROM: Final = np.array(_BOUNDS[: len(SURELY_FROM)])
_BELOW: Final = np.array(_BOUNDS[len(SURELY_FROM) :])

_AT: Final = {name: place for place, name in enumerate(NUMBERS)}
_FIRST, _LAST = _AT["first_read_ns"], _AT["last_read_ns"]
_LASTS: Final = len(NUMBERS)
"""Behind the numbers: time and value of the last CPU, and of the last memory."""


def take_in(windows: Sequence[Kept], few: int = FEW) -> None:
    """Takes in what is noted beside some windows, each once among them and with something noted.

    Args:
        few: fewer windows of a kind take in theirs one by one.
    """
    of_ticks = [kept for kept in windows if kept.take is take_ticks]
    of_samples = [kept for kept in windows if kept.take is not take_ticks]
    for some, row_bytes in ((of_ticks, TICK_BYTES), (of_samples, SAMPLE_BYTES)):
        if len(some) >= max(few, 1):
            _take_in(some, row_bytes // 8)
        else:
            for kept in some:
                kept.window()


class _Rows:
    """Noted rows by column, those of each window one behind the other."""

    def __init__(self, windows: Sequence[Kept], columns: int) -> None:
        self.columns = np.frombuffer(b"".join([kept.noted for kept in windows]), "<i8").reshape(-1, columns).T.astype(np.int64)
        self.counts = np.array([len(kept.noted) for kept in windows]) // (8 * columns)
        self.starts = np.cumsum(self.counts) - self.counts
        self.ends = self.starts + self.counts - 1

    def sums(self, *columns: int) -> Ints:
        found: Ints = np.add.reduceat(np.maximum(self.columns[list(columns)], 0), self.starts, axis=1)
        return found


def _take_in(windows: list[Kept], columns: int) -> None:
    rows = _Rows(windows, columns)
    metrics, numbers, plain = _of_ticks(rows) if columns == TICK_BYTES // 8 else _of_samples(rows)
    at = rows.columns[0]
    in_order = np.ones(len(at), bool)
    in_order[1:] = at[1:] > at[:-1]
    in_order[rows.starts] = True
    plain &= in_order & (metrics.min(axis=0) >= 0)
    ordinary = np.logical_and.reduceat(plain, rows.starts)
    packed = [kept.packed or window_bytes.EMPTY for kept in windows]
    known = np.frombuffer(b"".join([one[:_NUMBERS_BYTES] for one in packed]), "<i8").reshape(len(packed), -1).T.astype(np.int64)
    ordinary &= known[: _AT["late_count"]].max(axis=0) < 1 << 62
    numbers_bytes = _added(known, numbers, metrics, rows).T.astype("<i8").tobytes()
    kept_histograms = _Histograms(packed, len(metrics))
    made = kept_histograms.added(metrics, rows)
    for place, kept in enumerate(windows):
        if not ordinary[place] or kept_histograms.strange[place]:
            kept.window()
            continue
        begin = _NUMBERS_BYTES * place
        follow = (1 << len(metrics)) - 1
        _, named_at, name_size, service_size = kept_histograms.heads[place]
        kept.packed = b"".join((
            numbers_bytes[begin : begin + _NUMBERS_BYTES],
            window_bytes.HEAD.pack(follow, named_at, name_size, service_size),
            *made[place :: len(windows)],
            kept_histograms.names[place],
        ))  # fmt: skip
        kept.noted.clear()


def _of_ticks(rows: _Rows) -> tuple[Ints, Ints, Any]:
    """What percentiles are of, what is added to the numbers but for times and extremes, and which rows are plain."""
    columns = rows.columns
    longest = np.maximum(columns[5], 1)
    plain = (columns[2:].max(axis=0) < _LARGE) & (columns[10:12].max(axis=0) < (1 << 63) // SECOND_NS) & (columns[5] > 0)
    rates = columns[10:12] * SECOND_NS // longest
    rates[columns[10:12] < 0] = -1
    count, observed, covered, cpu_ns, held, rx, tx, read, written, throttled, faults = rows.sums(2, 3, 4, 6, 9, 10, 11, 12, 13, 14, 15)
    numbers = np.array([count, rows.counts, observed, covered, cpu_ns, held, rx, tx, read, written, throttled, faults])
    return np.vstack((columns[7:9], rates)), numbers, plain


def _of_samples(rows: _Rows) -> tuple[Ints, Ints, Any]:
    columns = rows.columns
    observed, cpu_ns, held, rx, tx, read, written, throttled, faults = rows.sums(1, 2, 5, 6, 7, 8, 9, 10, 11)
    none = np.zeros_like(observed)
    numbers = np.array([rows.counts, none, observed, none, cpu_ns, held, rx, tx, read, written, throttled, faults])
    return columns[3:5], numbers, columns[1:].max(axis=0) < _LARGE


def _added(known: Ints, numbers: Ints, metrics: Ints, rows: _Rows) -> Ints:
    """The windows' numbers with those of the rows in them."""
    starts, ends = rows.starts, rows.ends
    last, first = rows.columns[0], rows.columns[1] if len(rows.columns) == TICK_BYTES // 8 else rows.columns[0]
    found = known.copy()
    found[: len(numbers)] += numbers
    earliest = np.minimum.reduceat(first, starts)
    found[_FIRST] = np.where((earliest < known[_FIRST]) | (known[_FIRST] < 0), earliest, known[_FIRST])
    found[_LAST] = np.maximum(known[_LAST], last[ends])
    for metric, values in enumerate(metrics[:2]):
        low, high = _LAST + 1 + 2 * metric, _LAST + 2 + 2 * metric
        lowest, highest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        found[low] = np.where((lowest < known[low]) | (known[low] < 0), lowest, known[low])
        found[high] = np.maximum(known[high], highest)
        time, value = _LASTS + 2 * metric, _LASTS + 2 * metric + 1
        newer = last[ends] > known[time]
        same = last[ends] == known[time]
        found[value] = np.where(newer, values[ends], np.where(same, np.maximum(values[ends], known[value]), known[value]))
        found[time] = np.maximum(last[ends], known[time])
    return found


class _Histograms:
    """The histograms of some packed windows, `metrics` of each, by metric and then by window; one that a window has not is empty.

    Attributes:
        heads: of each window what stands between numbers and histograms.
        names: of each window what stands behind them.
        strange: windows that have others, too.
    """

    def __init__(self, packed: Sequence[bytes], metrics: int) -> None:
        size = len(packed)
        self.heads: list[tuple[int, int, int, int]] = []
        self.names: list[bytes] = []
        self.strange = [False] * size
        self._zeros = np.zeros(metrics * size, np.int64)
        self._low = np.full(metrics * size, _NO_BUCKET)
        self._sizes = np.zeros(metrics * size, np.int64)
        counts: list[list[bytes]] = [[] for _ in range(metrics)]
        widths: list[list[int]] = [[] for _ in range(metrics)]
        for place, data in enumerate(packed):
            head = window_bytes.HEAD.unpack_from(data, _NUMBERS_BYTES)
            at = _NUMBERS_BYTES + window_bytes.HEAD.size
            for metric in range(metrics):
                if head[0] >> metric & 1:
                    width, zeros, low, buckets = HISTOGRAM_HEAD.unpack_from(data, at)
                    at += HISTOGRAM_HEAD.size
                    one = metric * size + place
                    self._zeros[one] = zeros
                    if buckets:
                        self._low[one], self._sizes[one] = low, buckets
                        counts[metric].append(data[at : at + width * buckets])
                        widths[metric].append(width)
                    at += width * buckets
            self.heads.append(head)
            self.names.append(data[at:])
            self.strange[place] = bool(head[0] >> metrics)
        self._counts = _numbers([one for some in counts for one in some], [one for some in widths for one in some])

    def added(self, values: Ints, rows: _Rows) -> list[bytes]:
        """The bytes of each with the values of the rows counted; of values below 0 nothing is known, and nothing right is said."""
        windows, metrics = len(rows.counts), len(values)
        buckets = _buckets(values)
        lows = np.minimum.reduceat(np.where(buckets >= 0, buckets, _NO_BUCKET), rows.starts, axis=1).reshape(-1)
        highs = np.maximum.reduceat(buckets, rows.starts, axis=1).reshape(-1)
        zeros = self._zeros + np.add.reduceat(values == 0, rows.starts, axis=1, dtype=np.int64).reshape(-1)
        low = np.minimum(self._low, lows)
        high = np.maximum(np.where(self._sizes > 0, self._low + self._sizes - 1, -1), highs)
        sizes = np.maximum(high - low + 1, 0)
        offsets = np.cumsum(sizes) - sizes
        owner = np.arange(metrics)[:, None] * windows + np.repeat(np.arange(windows), rows.counts)
        counted = buckets >= 0
        total = np.bincount((offsets[owner] + buckets - low[owner])[counted], minlength=int(sizes.sum()))
        shift = offsets + self._low - low - (np.cumsum(self._sizes) - self._sizes)
        total[np.repeat(shift, self._sizes) + np.arange(len(self._counts))] += self._counts
        return _packed(total, zeros.tolist(), np.where(sizes > 0, low, 0).tolist(), sizes.tolist(), offsets.tolist())


def _numbers(counts: list[bytes], widths: list[int]) -> Ints:
    """Counts of some histograms, one behind the other; nearly all of them are of one byte."""
    if max(widths, default=1) == 1:
        return np.frombuffer(b"".join(counts), np.uint8).astype(np.int64)
    each = [np.frombuffer(one, _COUNTS[width]).astype(np.int64) for one, width in zip(counts, widths, strict=True)]
    return np.concatenate(each)


def _packed(total: Ints, zeros: list[int], low: list[int], sizes: list[int], offsets: list[int]) -> list[bytes]:
    """Histograms as `Histogram.to_bytes` has them."""
    narrow = total.astype(np.uint8).tobytes()
    wide = np.concatenate(([0], np.cumsum(total > 0xFF))).tolist()
    found = []
    for place, size in enumerate(sizes):
        begin = offsets[place]
        end = begin + size
        if wide[end] == wide[begin]:
            width, counts = 1, narrow[begin:end]
        else:
            width = 2 if total[begin:end].max() <= 0xFFFF else 4
            counts = total[begin:end].astype(_COUNTS[width]).tobytes()
        found.append(HISTOGRAM_HEAD.pack(width, zeros[place], low[place], size) + counts)
    return found


def _buckets(values: Ints) -> Ints:
    """The bucket of each value as `Histogram.add_all` finds it; -1: of none."""
    positive = np.maximum(values, 1)
    buckets: Ints = (np.log(positive) * PER_E).astype(np.int64)
    unsure = ~((_FROM[buckets] <= positive) & (positive < _BELOW[buckets]))
    for place in np.argwhere(unsure):
        index = tuple(place)
        buckets[index] = int(log(int(positive[index])) * PER_E)
    buckets[values <= 0] = -1
    return buckets
