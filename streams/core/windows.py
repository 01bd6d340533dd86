"""Windows of usage: half-open, UTC-aligned hours and days of one engine's samples, as integer monoids.

A sample belongs to the window of its reading's time, the end of its interval, with all of its interval.
Everything is summed in integers and `merge` is associative and commutative, so no order of folding changes a window, and a day
*is* the merge of its hours: only hours are folded into.

```
engine's highest time ───────────────────────►
hour 10:00–11:00   open        │ closed (final), still corrected   │ gone into its day; a sample for it is late
                           11:00 + delay                       11:00 + delay + grace
```
A window is of a workspace or of one of its containers. Of a workspace, lowest, highest, last and percentiles are over ticks: a message
of docker.stats is one instant of one engine, and its value is the sum over its samples in the window; of a container they are over
its samples. The same in SQL, from derived samples alone: `tests/core_usage/windows.sql` and `container_windows.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from streams.core.histogram import Histogram

SECOND_NS: Final = 10**9
HOUR_NS: Final = 3_600 * SECOND_NS
DAY_NS: Final = 24 * HOUR_NS
LARGEST: Final = (1 << 63) - 1
"""Sums that hostile counters drive beyond 64 bits stay here: saturating addition is a monoid too."""

NUMBERS: Final = (
    "sample_count", "tick_count", "observed_ns", "covered_ns", "cpu_core_ns", "memory_byte_seconds", "network_rx_bytes",
    "network_tx_bytes", "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults", "late_count", "first_read_ns",
    "last_read_ns", "cpu_millipercent_min", "cpu_millipercent_max", "memory_used_bytes_min", "memory_used_bytes_max",
)  # fmt: skip
"""The fields of a window that are one integer, in their order on disk."""
METRICS: Final = ("cpu_millipercent", "memory_used_bytes", "network_rx_bytes_per_second", "network_tx_bytes_per_second")
"""What percentiles are kept of; of a container the first two."""

Last = tuple[int, int]
"""(time of the reading in ns, value): the highest pair is the last value, whatever the order of folding."""
NONE_YET: Final[Last] = (-1, -1)


Name = tuple[int, str, str]
"""(time of a reading in ns, the container's name then, its service): the highest is the last."""
NO_NAME: Final[Name] = (-1, "", "")


@dataclass(slots=True)
class Window:
    """The aggregate of some samples; as made, of none (`empty`). Fields as in the schema (`usage`, `Window`), -1: none known.

    Of a container: no ticks but samples, its own network bytes, no histograms of rates.
    """

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
    name: Name = NO_NAME
    cpu: Histogram = field(default_factory=Histogram)
    memory: Histogram = field(default_factory=Histogram)
    network_rx: Histogram | None = None
    network_tx: Histogram | None = None

    def merge(self, other: Window) -> None:
        """Adds all of another window; `Window()` changes nothing."""
        self.sample_count += other.sample_count
        self.tick_count += other.tick_count
        self.observed_ns += other.observed_ns
        self.covered_ns += other.covered_ns
        self.cpu_core_ns += other.cpu_core_ns
        self.memory_byte_seconds += other.memory_byte_seconds
        self.network_rx_bytes += other.network_rx_bytes
        self.network_tx_bytes += other.network_tx_bytes
        self.block_read_bytes += other.block_read_bytes
        self.block_write_bytes += other.block_write_bytes
        self.throttled_ns += other.throttled_ns
        self.page_faults += other.page_faults
        self.late_count += other.late_count
        self.first_read_ns = _lowest(self.first_read_ns, other.first_read_ns)
        self.last_read_ns = max(self.last_read_ns, other.last_read_ns)
        self.cpu_millipercent_min = _lowest(self.cpu_millipercent_min, other.cpu_millipercent_min)
        self.cpu_millipercent_max = max(self.cpu_millipercent_max, other.cpu_millipercent_max)
        self.memory_used_bytes_min = _lowest(self.memory_used_bytes_min, other.memory_used_bytes_min)
        self.memory_used_bytes_max = max(self.memory_used_bytes_max, other.memory_used_bytes_max)
        self.cpu_last = max(self.cpu_last, other.cpu_last)
        self.memory_last = max(self.memory_last, other.memory_last)
        self.name = max(self.name, other.name)
        self.cpu.merge(other.cpu)
        self.memory.merge(other.memory)
        self.network_rx = _merged(self.network_rx, other.network_rx)
        self.network_tx = _merged(self.network_tx, other.network_tx)

    def histograms(self) -> tuple[Histogram | None, ...]:
        """Those of `METRICS`; None: no value was known."""
        return self.cpu, self.memory, self.network_rx, self.network_tx

    def numbers(self) -> tuple[int, ...]:
        """The values of `NUMBERS`, each within 64 bits."""
        values = _numbers(self)
        return values if max(values) <= LARGEST else tuple(min(value, LARGEST) for value in values)


_numbers: Final = attrgetter(*NUMBERS)


def _lowest(one: int, other: int) -> int:
    return min(one, other) if one >= 0 and other >= 0 else max(one, other)


def _merged(one: Histogram | None, other: Histogram | None) -> Histogram | None:
    """The merge of two, in the first where there is one."""
    if other is None:
        return one
    if one is None:
        one = Histogram()
    one.merge(other)
    return one


def merged(windows: Iterable[Window]) -> Window:
    """The merge of windows; of none, the empty one."""
    total = Window()
    for window in windows:
        total.merge(window)
    return total
