"""Windows of usage: half-open, UTC-aligned hours and days of one engine's samples, as integer monoids.

A sample belongs to the window of its reading's time, the end of its interval, with all of its interval.
Everything is summed in integers and `merge` is associative and commutative, so no order of folding changes a window, and a day
*is* the merge of its hours: only hours are folded into.

```
engine's highest time ───────────────────────►
hour 10:00–11:00   open        │ closed (final), still corrected   │ gone into its day; a sample for it is late
                           11:00 + delay                       11:00 + delay + grace
```
Lowest, highest and last are over ticks: a message of docker.stats is one instant of one engine, and its value is the sum over its
samples in the window. The same in SQL, from derived samples alone: `tests/core_usage/windows.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from streams.core.samples import Row

HOUR_NS: Final = 3_600 * 10**9
DAY_NS: Final = 24 * HOUR_NS
LARGEST: Final = (1 << 63) - 1
"""Sums that hostile counters drive beyond 64 bits stay here: saturating addition is a monoid too."""

NUMBERS: Final = (
    "sample_count", "tick_count", "observed_ns", "covered_ns", "cpu_core_ns", "memory_byte_seconds", "network_rx_bytes",
    "network_tx_bytes", "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults", "late_count", "first_read_ns",
    "last_read_ns", "cpu_millipercent_min", "cpu_millipercent_max", "memory_used_bytes_min", "memory_used_bytes_max",
)  # fmt: skip
"""The fields of a window that are one integer, in their order on disk; the first `SUMS` of them are sums."""
SUMS: Final = 13

Last = tuple[int, int]
"""(time of the reading in ns, value): the highest pair is the last value, whatever the order of folding."""
NONE_YET: Final[Last] = (-1, -1)


@dataclass(slots=True)
class Window:
    """The aggregate of some samples; as made, of none (`empty`). Fields as in the schema (`usage`, `Window`), -1: none known."""

    sample_count: int = 0
    tick_count: int = 0
    observed_ns: int = 0
    covered_ns: int = 0
    cpu_core_ns: int = 0
    memory_byte_seconds: int = 0
    network_rx_bytes: int = 0
    network_tx_bytes: int = 0
    block_read_bytes: int = 0
    block_write_bytes: int = 0
    throttled_ns: int = 0
    page_faults: int = 0
    late_count: int = 0
    first_read_ns: int = -1
    last_read_ns: int = -1
    cpu_millipercent_min: int = -1
    cpu_millipercent_max: int = -1
    memory_used_bytes_min: int = -1
    memory_used_bytes_max: int = -1
    cpu_last: Last = NONE_YET
    memory_last: Last = NONE_YET
    containers: set[str] = field(default_factory=set)

    def add(self, rows: Sequence[Row], containers: Iterable[str], late_count: int, first_part: bool) -> None:  # noqa: PLR0912
        """Adds the folded samples of one tick that belong here: at least one."""
        observed = cpu_core = memory = rx = tx = read = written = throttled = faults = 0
        cpu = used = first = last = longest = -1
        for (
            read_ns, interval, d_cpu, _, _, _, s_cpu, s_used, _, _, held, _, _, d_rx, d_tx, d_read, d_written, d_throttled, d_faults,
            _, _, _, _, _, _, _,
        ) in rows:  # fmt: skip
            observed += interval
            if interval > longest:  # noqa: PLR1730 - a call of max() costs three times as much
                longest = interval
            if read_ns > last:  # noqa: PLR1730
                last = read_ns
            if read_ns < first or first < 0:
                first = read_ns
            # An unknown value is -1; the first known one makes the tick's value known.
            if s_cpu >= 0:
                cpu_core += d_cpu
                cpu = s_cpu if cpu < 0 else cpu + s_cpu
            if s_used >= 0:
                memory += held
                used = s_used if used < 0 else used + s_used
            if d_rx > 0:
                rx += d_rx
            if d_tx > 0:
                tx += d_tx
            if d_read > 0:
                read += d_read
            if d_written > 0:
                written += d_written
            if d_throttled > 0:
                throttled += d_throttled
            if d_faults > 0:
                faults += d_faults
        self.sample_count += len(rows)
        self.tick_count += 1
        self.late_count += late_count
        self.observed_ns += observed
        if first_part:
            self.covered_ns += longest
        self.cpu_core_ns += cpu_core
        self.memory_byte_seconds += memory
        self.network_rx_bytes += rx
        self.network_tx_bytes += tx
        self.block_read_bytes += read
        self.block_write_bytes += written
        self.throttled_ns += throttled
        self.page_faults += faults
        self.containers.update(containers)
        self._extend(first, last, cpu, used)

    def _extend(self, first: int, last: int, cpu: int, used: int) -> None:
        """Takes one tick's times and values into lowest, highest and last."""
        if first < self.first_read_ns or self.first_read_ns < 0:
            self.first_read_ns = first
        self.last_read_ns = max(self.last_read_ns, last)
        if cpu >= 0:
            if cpu < self.cpu_millipercent_min or self.cpu_millipercent_min < 0:
                self.cpu_millipercent_min = cpu
            self.cpu_millipercent_max = max(self.cpu_millipercent_max, cpu)
            self.cpu_last = max(self.cpu_last, (last, cpu))
        if used >= 0:
            if used < self.memory_used_bytes_min or self.memory_used_bytes_min < 0:
                self.memory_used_bytes_min = used
            self.memory_used_bytes_max = max(self.memory_used_bytes_max, used)
            self.memory_last = max(self.memory_last, (last, used))

    def merge(self, other: Window) -> None:
        """Adds all of another window; `Window()` changes nothing."""
        for name in NUMBERS[:SUMS]:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_read_ns = _lowest(self.first_read_ns, other.first_read_ns)
        self.last_read_ns = max(self.last_read_ns, other.last_read_ns)
        self.cpu_millipercent_min = _lowest(self.cpu_millipercent_min, other.cpu_millipercent_min)
        self.cpu_millipercent_max = max(self.cpu_millipercent_max, other.cpu_millipercent_max)
        self.memory_used_bytes_min = _lowest(self.memory_used_bytes_min, other.memory_used_bytes_min)
        self.memory_used_bytes_max = max(self.memory_used_bytes_max, other.memory_used_bytes_max)
        self.cpu_last = max(self.cpu_last, other.cpu_last)
        self.memory_last = max(self.memory_last, other.memory_last)
        self.containers |= other.containers

    def numbers(self) -> tuple[int, ...]:
        """The values of `NUMBERS`, each within 64 bits."""
        values = _numbers(self)
        return values if max(values) <= LARGEST else tuple(min(value, LARGEST) for value in values)


_numbers: Final = attrgetter(*NUMBERS)


def _lowest(one: int, other: int) -> int:
    return min(one, other) if one >= 0 and other >= 0 else max(one, other)


def merged(windows: Iterable[Window]) -> Window:
    """The merge of windows; of none, the empty one."""
    total = Window()
    for window in windows:
        total.merge(window)
    return total
