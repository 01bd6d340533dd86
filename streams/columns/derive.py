"""Readings and those before them → derived samples, all of a slice at once: `rates.derive` and `gathering.gather` for what is ordinary.

A sample is ordinary where every rule of `rates` says `folded` without looking further: plausible, newer than the one before, the same
start, no gap, nothing absurd, alone in its network namespace, in the hour that its engine is in. Numbers so large that 64 bits might not
hold what is made of them are not ordinary either. Of a tick all samples are ordinary, or none counts as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.counters import COLUMNS, READ
from streams.core.rates import (
    HOST_NETWORK,
    MAX_BYTES_PER_SECOND,
    MAX_CPUS,
    MAX_FAULTS_PER_SECOND,
    MAX_VALUE,
    SKEW_NS,
    Host,
)
from streams.core.samples import COLUMNS as DERIVED
from streams.core.windows import HOUR_NS, SECOND_NS

Ints = NDArray[np.int64]

MOST_CORE_NS: Final = 90 * 10**12
"""Times 100,000 it still fits into 64 bits: a day of one core."""
MOST_USED_BYTES: Final = 1 << 40
"""For an hour, of 200 containers, its byte-seconds still fit."""

_READ: Final = np.array([COLUMNS.index(name) for name in READ])
(
    _READ_NS, _STARTED, _CPUS, _CPU, _SYSTEM, _THROTTLED, _USAGE, _LIMIT, _INACTIVE, _FAULTS, _PIDS, _RX, _TX, _IN, _OUT, _INTERFACES,
    _DEVICES, _NAMESPACE, _CPU_LIMIT,
) = range(len(READ))  # fmt: skip
_BOUNDED: Final = np.array([
    _READ_NS, _STARTED, _CPU, _SYSTEM, _THROTTLED, _INACTIVE, _FAULTS, _PIDS, _RX, _TX, _IN, _OUT, _CPU_LIMIT,
])  # fmt: skip
"""Columns that are at most MAX_VALUE where they are plausible; the others are bounded elsewhere, or hashes."""
_DIFFERENCES: Final = np.array([_CPU, _SYSTEM, _THROTTLED, _FAULTS, _RX, _TX, _IN, _OUT])

_SAMPLE: Final = np.array([
    DERIVED.index(name)
    for name in (
        "read_ns", "interval_ns", "cpu_ns", "cpu_millipercent", "memory_used_bytes", "memory_byte_seconds", "network_rx_bytes",
        "network_tx_bytes", "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults",
    )
])  # fmt: skip
"""What is noted of a container's sample (`gathering`)."""
_NEAR: Final = 1 - 1e-9
"""What is so near a threshold is looked at by itself: floats round."""


class Derived(NamedTuple):
    """What became of the ticks of a slice, by tick, and of their samples, one behind the other.

    Attributes:
        ordinary: whether all samples of a tick are; the rest says nothing of the others.
        calm: whether none is near a threshold.
        highest: last reading of each tick, ns.
        derived: packed derived samples (`samples.COLUMNS`).
        samples: rows for the containers' windows, as `gathering` notes them.
        ticks: rows for the workspaces' windows, likewise.
    """

    ordinary: list[bool]
    calm: list[bool]
    highest: list[int]
    derived: bytes
    samples: bytes
    ticks: bytes


class Ticks(NamedTuple):
    """The ticks of a slice: counters of all samples one behind the other, the rest by tick.

    Attributes:
        now: packed counters; all of `counters.COLUMNS`.
        before: those of the same container that were folded last.
        counts: samples of each tick, at least one.
        hosts: what bounds readings, each once.
        host: which of them.
        latest_ns: readings beyond it are of the future.
        hour_ns: begin of the hour its engine is in.
        levels: percent of CPU and of memory above which a threshold may be, each pair once.
        level: which of them.
    """

    now: list[bytes]
    before: list[bytes]
    counts: list[int]
    hosts: list[Host]
    host: list[int]
    latest_ns: list[int]
    hour_ns: list[int]
    levels: list[tuple[float, float]]
    level: list[int]


def derive(ticks: Ticks) -> Derived:
    """Judges and derives all samples of some ticks, at least one."""
    counts = np.array(ticks.counts)
    starts = np.cumsum(counts) - counts
    of_tick = np.repeat(np.arange(len(counts)), counts)
    now, before = _columns(ticks.now), _columns(ticks.before)
    cpus, memory_bytes, most_memory, max_interval = np.array(ticks.hosts, np.int64).T[:, np.array(ticks.host)[of_tick]]
    read_ns = now[_READ_NS]
    interval = read_ns - before[_READ_NS]
    hour_ns = np.array(ticks.hour_ns)[of_tick]

    ordinary: Any = (now.min(axis=0) >= -1) & (now[_BOUNDED].max(axis=0) <= MAX_VALUE)
    ordinary &= (now[_CPUS] <= MAX_CPUS) & (now[_USAGE] <= most_memory) & (memory_bytes <= MAX_VALUE)
    ordinary &= (interval > 0) & (interval <= max_interval) & (read_ns <= np.array(ticks.latest_ns)[of_tick])
    ordinary &= (read_ns >= hour_ns) & (read_ns < hour_ns + HOUR_NS)
    ordinary &= (now[_STARTED] == before[_STARTED]) & (now[_NAMESPACE] == before[_NAMESPACE])
    ordinary &= (now[_CPU] < 0) | (now[_CPU] >= before[_CPU])

    old = before[_DIFFERENCES]
    grown = now[_DIFFERENCES] - old
    grown[(grown < 0) | (old < 0)] = -1
    grown[4:6, (grown[4:6] < 0).any(axis=0) | (now[_INTERFACES] != before[_INTERFACES])] = -1
    grown[6:8, (grown[6:8] < 0).any(axis=0) | (now[_DEVICES] != before[_DEVICES])] = -1
    d_cpu, d_system, d_throttled, d_faults, d_rx, d_tx, d_in, d_out = grown

    cpus = np.where(now[_CPUS] > 0, now[_CPUS], cpus)
    seconds = interval // SECOND_NS + 1
    most_cpu = np.minimum(2 * (interval + SKEW_NS) * np.where(cpus > 0, cpus, MAX_CPUS), MOST_CORE_NS)
    ordinary &= (d_cpu <= most_cpu) & (d_throttled <= most_cpu) & (d_faults <= seconds * MAX_FAULTS_PER_SECOND)
    ordinary &= grown[4:].max(axis=0) <= seconds * MAX_BYTES_PER_SECOND

    usage, inactive, limit, cpu_limit = now[_USAGE], now[_INACTIVE], now[_LIMIT], now[_CPU_LIMIT]
    used = np.where((inactive >= 0) & (inactive < usage), usage - inactive, usage)
    ordinary &= used <= MOST_USED_BYTES
    limit = np.where((memory_bytes > 0) & (memory_bytes < limit), memory_bytes, limit)
    limit = np.where((limit > 0) & (limit <= MAX_VALUE), limit, -1)
    cpu_limit = np.where(cpu_limit > 0, cpu_limit, -1)
    cpu = np.where(d_cpu >= 0, d_cpu * 100_000 // np.maximum(interval, 1), -1)
    held = np.where(used >= 0, _byte_seconds(used, interval), -1)
    on_host = now[_NAMESPACE] == HOST_NETWORK

    derived = np.empty((len(read_ns), len(DERIVED)), "<i8")
    for place, column in enumerate((
        read_ns, interval, d_cpu, d_system, cpus, cpu_limit, cpu, used, usage, limit, held, d_rx, d_tx, np.where(on_host, 0, d_rx),
        np.where(on_host, 0, d_tx), d_in, d_out, d_throttled, d_faults, now[_PIDS], now[_RX], now[_TX], now[_IN], now[_OUT],
        now[_NAMESPACE], now[_STARTED],
    )):  # fmt: skip
        derived[:, place] = column
    levels = np.array(ticks.levels).T[:, np.array(ticks.level)[of_tick]]
    loud = np.where(cpu_limit > 0, cpu * 1e6 >= levels[0] * cpu_limit * _NEAR, (cpu >= levels[0] * 1e3 * cpus * _NEAR) & (cpus > 0))
    loud |= (used * 1e2 >= levels[1] * limit * _NEAR) & (limit > 0)
    rows = _tick_rows(derived.T, counts, starts)
    return Derived(
        np.logical_and.reduceat(ordinary, starts).tolist(),
        np.logical_not(np.logical_or.reduceat(loud, starts)).tolist(),
        rows[0].tolist(),
        derived.tobytes(),
        derived[:, _SAMPLE].tobytes(),
        rows.T.astype("<i8").tobytes(),
    )


def _columns(packed: list[bytes]) -> Ints:
    """The columns of `counters.READ`, each contiguous."""
    rows = np.frombuffer(b"".join(packed), "<i8").reshape(-1, len(COLUMNS))
    return np.ascontiguousarray(rows[:, _READ].T, np.int64)


def _byte_seconds(used: Ints, interval: Ints) -> Ints:
    """used · interval // 10^9 without a product beyond 64 bits, for `used` below 2^46 and an interval of at most an hour."""
    whole, rest = np.divmod(interval, SECOND_NS)
    high, carried = np.divmod((used >> 16) * rest, SECOND_NS)
    found: Ints = used * whole + (high << 16) + ((carried << 16) + (used & 0xFFFF) * rest) // SECOND_NS
    return found


_AT: Final = {name: place for place, name in enumerate(DERIVED)}
_SUMMED: Final = np.array([
    _AT[name]
    for name in (
        "interval_ns", "cpu_ns", "cpu_millipercent", "memory_used_bytes", "memory_byte_seconds", "network_rx_counted_bytes",
        "network_tx_counted_bytes", "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults",
    )
])  # fmt: skip
_KNOWN: Final = (2, 3, 5, 6)
"""Of these the sums that are -1 where no sample knew."""


def _tick_rows(derived: Any, counts: Ints, starts: Sequence[int] | Ints) -> Ints:
    """What is noted of ticks: the sums of their samples, in the order of `gathering`, a column a row."""
    some = derived[_SUMMED]
    sums = np.add.reduceat(np.maximum(some, 0), starts, axis=1)
    for place in _KNOWN:
        sums[place, np.maximum.reduceat(some[place], starts) < 0] = -1
    observed, cpu_ns, cpu, used, held, rx, tx, read, written, throttled, faults = sums
    longest = np.maximum.reduceat(derived[_AT["interval_ns"]], starts)
    read_ns = derived[_AT["read_ns"]]
    last, first = np.maximum.reduceat(read_ns, starts), np.minimum.reduceat(read_ns, starts)
    return np.array([
        last, first, counts, observed, longest, longest, cpu_ns, cpu, used, held, rx, tx, read, written, throttled, faults,
    ])  # fmt: skip
