"""How samples get into windows: a tick's rows are only noted beside the windows they belong to, and taken in some at a time.

A window is some twenty numbers and two to four histograms. To touch all of them for every sample costs more than everything else that is
done with it, for they lie far apart in memory; so windows rest as bytes, and what came lately lies behind them, packed likewise. A value
is read and written with both as they are. When rows are taken in is the log's doing alone, so that the same log gives the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from streams.core import window_bytes
from streams.core.histogram import Histogram
from streams.core.samples import Row
from streams.core.windows import LARGEST, SECOND_NS, Last, Window

_TAKEN_AT: Final = 16
"""Rows noted at most."""

_SAMPLE_COLUMNS: Final = 12
_pack_sample: Final = struct.Struct(f"<{_SAMPLE_COLUMNS}q").pack
"""Of a container: read_ns, interval_ns, cpu_ns, cpu_millipercent, memory_used_bytes, memory_byte_seconds, network bytes received and sent,
block bytes read and written, throttled_ns, page_faults; -1: not known."""
SAMPLE_BYTES: Final = 8 * _SAMPLE_COLUMNS
_SAMPLES_FULL: Final = SAMPLE_BYTES * _TAKEN_AT

_TICK_COLUMNS: Final = 16
_pack_tick: Final = struct.Struct(f"<{_TICK_COLUMNS}q").pack
"""Of a workspace: last and first read_ns, samples, observed_ns, covered_ns, longest interval_ns, cpu_ns, cpu_millipercent,
memory_used_bytes, memory_byte_seconds, network bytes received and sent, block bytes read and written, throttled_ns, page_faults;
-1: not known, where no sample knew."""
TICK_BYTES: Final = 8 * _TICK_COLUMNS
_TICKS_FULL: Final = TICK_BYTES * _TAKEN_AT


class Kept:
    """A window at rest, and the rows that are not in it yet. As made: of no samples.

    Args:
        take: takes rows into a window: `take_ticks` or `take_samples`.
    """

    __slots__ = ("noted", "packed", "take")

    def __init__(self, take: Take, packed: bytes = b"", noted: bytes = b"") -> None:
        self.take = take
        self.packed = packed
        """The window as `window_bytes` has it; empty: of no samples."""
        self.noted = bytearray(noted)

    def window(self, late: bool = False) -> Window:
        """The window with all rows in it, from now on; whoever changes what this returns changes nothing here.

        `late`: the rows came after the window was closed.
        """
        window = window_bytes.unpack(self.packed) if self.packed else Window()
        if self.noted:
            self.take(window, _columns(self.noted), late)
            self.noted.clear()
            self.packed = window_bytes.pack(window)
        return window

    def whole(self) -> bytes:
        """The window as `window_bytes` has it, with all rows in it from now on."""
        if self.noted:
            self.window()
        return self.packed or window_bytes.EMPTY

    def put(self, window: Window) -> None:
        """Rests another window here."""
        self.packed = window_bytes.pack(window)
        self.noted.clear()

    def sample_count(self) -> int:
        """Samples in it."""
        in_window = window_bytes.sample_count(self.packed) if self.packed else 0
        if not self.noted:
            return in_window
        if self.take is take_ticks:
            return in_window + sum(_columns(self.noted)[2::_TICK_COLUMNS])
        return in_window + len(self.noted) // SAMPLE_BYTES

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kept):
            return NotImplemented
        return (self.packed, self.noted) == (other.packed, other.noted)

    __hash__ = None  # type: ignore[assignment] # it changes in place


def gather(ticks: Kept, containers: Iterable[Kept], rows: Sequence[Row], late: bool, first_part: bool) -> None:  # noqa: PLR0912
    """Notes the folded rows of one tick, at least one: each for its container's window, and their sum for the workspace's.

    Of several containers' samples an unknown value is -1; the first known one makes the tick's value known.
    """
    observed = cpu_ns = held = read = written = throttled = faults = 0
    cpu = used = first = last = longest = rx = tx = -1
    for (
        (
            read_ns, interval, d_cpu, _, _, _, s_cpu, s_used, _, _, s_held, own_rx, own_tx, d_rx, d_tx, d_read, d_written, d_throttled,
            d_faults, _, _, _, _, _, _, _,
        ),
        container,
    ) in zip(rows, containers, strict=True):  # fmt: skip
        if late and container.noted:
            container.window()
        noted = container.noted
        noted += _pack_sample(
            read_ns, interval, d_cpu, s_cpu, s_used, s_held, own_rx, own_tx, d_read, d_written, d_throttled, d_faults
        )  # fmt: skip
        if late or len(noted) >= _SAMPLES_FULL:
            container.window(late)
        observed += interval
        if interval > longest:  # noqa: PLR1730 - a call of max() costs three times as much
            longest = interval
        if read_ns > last:  # noqa: PLR1730
            last = read_ns
        if read_ns < first or first < 0:
            first = read_ns
        if s_cpu >= 0:
            cpu_ns += d_cpu
            cpu = s_cpu if cpu < 0 else cpu + s_cpu
        if s_used >= 0:
            held += s_held
            used = s_used if used < 0 else used + s_used
        if d_rx >= 0:
            rx = d_rx if rx < 0 else rx + d_rx
        if d_tx >= 0:
            tx = d_tx if tx < 0 else tx + d_tx
        if d_read > 0:
            read += d_read
        if d_written > 0:
            written += d_written
        if d_throttled > 0:
            throttled += d_throttled
        if d_faults > 0:
            faults += d_faults
    row = (
        last, first, len(rows), observed, longest if first_part else 0, longest, cpu_ns, cpu, used, held, rx, tx, read, written, throttled,
        faults,
    )  # fmt: skip
    if late and ticks.noted:
        ticks.window()
    noted = ticks.noted
    try:
        noted += _pack_tick(*row)
    except struct.error:  # hostile counters: what is summed saturates anyway
        noted += _pack_tick(*(min(value, LARGEST) for value in row))
    if late or len(noted) >= _TICKS_FULL:
        ticks.window(late)


def note(ticks: Kept, containers: Sequence[Kept], samples: bytes, at: int, tick: bytes, full: list[Kept]) -> None:
    """Notes one tick's rows, packed: none late, and of no other numbers than `gather` makes of them.

    Args:
        samples: a row for each container, from `at` on.
        tick: their sum.
        full: gets the windows that must take in what is noted, before anything else is noted.
    """
    for container in containers:
        noted = container.noted
        noted += samples[at : at + SAMPLE_BYTES]
        at += SAMPLE_BYTES
        if len(noted) >= _SAMPLES_FULL:
            full.append(container)
    noted = ticks.noted
    noted += tick
    if len(noted) >= _TICKS_FULL:
        full.append(ticks)


def take_ticks(window: Window, columns: Numbers, late: bool) -> None:
    """Takes a workspace's rows into its window."""
    last, first, count, observed, covered, longest, cpu_ns, cpu, used, held, rx, tx, read, written, throttled, faults = (
        columns[number::_TICK_COLUMNS] for number in range(_TICK_COLUMNS)
    )
    window.tick_count += len(last)
    window.covered_ns += sum(covered)
    _take(window, sum(count), last, first, late)
    window.observed_ns += sum(observed)
    window.cpu_core_ns += sum(cpu_ns)
    window.memory_byte_seconds += sum(held)
    window.block_read_bytes += sum(read)
    window.block_write_bytes += sum(written)
    window.throttled_ns += sum(throttled)
    window.page_faults += sum(faults)
    _take_values(window, last, cpu, used)
    window.network_rx_bytes += _known(rx)
    window.network_tx_bytes += _known(tx)
    window.network_rx = _take_rates(window.network_rx, rx, longest)
    window.network_tx = _take_rates(window.network_tx, tx, longest)


def take_samples(window: Window, columns: Numbers, late: bool) -> None:
    """Takes a container's rows into its window."""
    at, interval, cpu_ns, cpu, used, held, rx, tx, read, written, throttled, faults = (
        columns[number::_SAMPLE_COLUMNS] for number in range(_SAMPLE_COLUMNS)
    )
    _take(window, len(at), at, at, late)
    window.observed_ns += sum(interval)
    window.cpu_core_ns += _known(cpu_ns)
    window.memory_byte_seconds += _known(held)
    window.network_rx_bytes += _known(rx)
    window.network_tx_bytes += _known(tx)
    window.block_read_bytes += _known(read)
    window.block_write_bytes += _known(written)
    window.throttled_ns += _known(throttled)
    window.page_faults += _known(faults)
    _take_values(window, at, cpu, used)


Numbers = tuple[int, ...]
Take = Callable[[Window, Numbers, bool], None]


def _take(window: Window, count: int, last: Numbers, first: Numbers, late: bool) -> None:
    window.sample_count += count
    if late:
        window.late_count += count
    window.last_read_ns = max(window.last_read_ns, *last)
    earliest = min(first)
    if earliest < window.first_read_ns or window.first_read_ns < 0:
        window.first_read_ns = earliest


def _take_values(window: Window, at: Numbers, cpu: Numbers, used: Numbers) -> None:
    values, last = _values(at, cpu)
    if values:
        lowest = min(values)
        if lowest < window.cpu_millipercent_min or window.cpu_millipercent_min < 0:
            window.cpu_millipercent_min = lowest
        window.cpu_millipercent_max = max(window.cpu_millipercent_max, *values)
        window.cpu_last = max(window.cpu_last, last)
        window.cpu.add_all(values)
    values, last = _values(at, used)
    if values:
        lowest = min(values)
        if lowest < window.memory_used_bytes_min or window.memory_used_bytes_min < 0:
            window.memory_used_bytes_min = lowest
        window.memory_used_bytes_max = max(window.memory_used_bytes_max, *values)
        window.memory_last = max(window.memory_last, last)
        window.memory.add_all(values)


def _values(at: Numbers, column: Numbers) -> tuple[Numbers, Last]:
    """The values known, and the last of them with its time."""
    if min(column) >= 0:
        newest = at[-1]
        if newest == max(at) and at.count(newest) == 1:  # as it nearly always is
            return column, (newest, column[-1])
        return column, max(zip(at, column, strict=True))
    known = [pair for pair in zip(at, column, strict=True) if pair[1] >= 0]
    return tuple(value for _, value in known), max(known, default=(-1, -1))


def _take_rates(histogram: Histogram | None, column: Numbers, longest: Numbers) -> Histogram | None:
    """Counts what ticks received or sent as a rate over their longest interval."""
    rates = [min(value * SECOND_NS // interval, LARGEST) for value, interval in zip(column, longest, strict=True) if value >= 0]
    if rates:
        if histogram is None:
            histogram = Histogram()
        histogram.add_all(rates)
    return histogram


def _known(column: Numbers) -> int:
    """The sum of what is known: an unknown value is -1."""
    return sum(column) + column.count(-1)


def _columns(noted: bytearray) -> Numbers:
    return struct.unpack(f"<{len(noted) // 8}q", noted)
