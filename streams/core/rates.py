"""Two readings of a container's counters → what it used in between: every rule of rates is in this file.

| what | rule |
|---|---|
| CPU | the difference of core-ns; per interval in thousandths of a percent of one CPU |
| memory | used = usage − inactive file where that is less, as `docker stats` shows it; a limit is never above the host's memory |
| network | sum over interfaces; another set of interfaces is another baseline; a namespace that containers share is counted once |
| block | as network, by the set of devices |
| a counter went back, or was absent | its difference is not known (-1), the reading is its new baseline |
| another start time, or CPU went back | the whole sample is `reset` |
| longer than `max_interval_ns` since the last reading | `gap`: too long to belong to one window |
| more than the machine could do in the interval | `absurd`; the reading is the new baseline, so that the next one is sound |

Formulas: docker/cli `calculateCPUPercentUnix`, `calculateMemUsageUnixNoCache`; OpenTelemetry `dockerstatsreceiver`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from streams.core.counters import INTERFACES, READ_NS, RX, TX, Reading, unpack
from streams.core.samples import ABSURD, COLUMNS, FOLDED, GAP, RESET, Row

MAX_VALUE: Final = 1 << 62
MAX_CPUS: Final = 1 << 16
MAX_MEMORY_BYTES: Final = 1 << 46
MAX_BYTES_PER_SECOND: Final = 1 << 40
MAX_FAULTS_PER_SECOND: Final = 1 << 32
SKEW_NS: Final = 50_000_000
"""The engine stamps a reading some time before or after it reads."""

HOST_NETWORK: Final = 0

Namespaces = dict[int, bytes]
"""By network namespace the last counters whose bytes the workspace counted: what the next ones are counted from."""


class Host(NamedTuple):
    """What bounds a tick's readings; `host` makes it."""

    cpus: int
    """CPUs of the host; -1: not known."""
    memory_bytes: int
    """Memory of the host; 0: not known."""
    most_memory_bytes: int
    """More memory than this is no reading."""
    max_interval_ns: int
    """Readings further apart are a gap."""


@lru_cache(maxsize=1024)  # a few machines send all ticks
def host(cpus: int, memory_bytes: int, max_interval_ns: int) -> Host:
    """What bounds readings on a machine; figures of 0 and less are not known."""
    # Twice the host's, because memory can be added to a running machine after it was asked.
    most = min(MAX_MEMORY_BYTES, 2 * memory_bytes) if memory_bytes > 0 else MAX_MEMORY_BYTES
    return Host(cpus if cpus > 0 else -1, max(memory_bytes, 0), most, max_interval_ns)


def plausible(now: Reading, host: Host) -> bool:
    """Whether a reading can be true at all: nothing negative but -1, nothing above 2^62, no more memory than there can be.

    A memory limit may be anything: "unlimited" is written as huge numbers, and it is bounded by the host where it is used.
    """
    (
        read_ns, started, cpus, cpu, system, throttled, usage, limit, inactive, faults, pids, rx, tx, read, written,
        interfaces, devices, namespace, cpu_limit,
    ) = now  # fmt: skip
    # Comparisons of names are the fastest there is: half the time of min() and max() over the tuple.
    return (
        0 < read_ns <= MAX_VALUE
        and -1 <= started <= MAX_VALUE
        and -1 <= cpus <= MAX_CPUS
        and -1 <= cpu <= MAX_VALUE
        and -1 <= system <= MAX_VALUE
        and -1 <= throttled <= MAX_VALUE
        and -1 <= usage <= host.most_memory_bytes
        and limit >= -1
        and -1 <= inactive <= MAX_VALUE
        and -1 <= faults <= MAX_VALUE
        and -1 <= pids <= MAX_VALUE
        and -1 <= rx <= MAX_VALUE
        and -1 <= tx <= MAX_VALUE
        and -1 <= read <= MAX_VALUE
        and -1 <= written <= MAX_VALUE
        and interfaces >= -1
        and devices >= -1
        and namespace >= -1
        and -1 <= cpu_limit <= MAX_VALUE
    )


def nothing_known(read_ns: int) -> Row:
    """The row of a reading whose values mean nothing."""
    return (read_ns, 0) + (-1,) * (len(COLUMNS) - 2)


def gauges(now: Reading, host: Host) -> Row:
    """The row of a reading that nothing can be compared with: gauges and totals, no differences."""
    read_ns, started, cpus, _, _, _, usage, limit, inactive, _, pids, rx, tx, read, written, _, _, namespace, cpu_limit = now
    used = usage - inactive if 0 <= inactive < usage else usage
    return (
        read_ns, 0, -1, -1, cpus if cpus > 0 else host.cpus, cpu_limit if cpu_limit > 0 else -1, -1, used, usage,
        bounded_limit(limit, host.memory_bytes), -1, -1, -1, -1, -1, -1, -1, -1, -1, pids, rx, tx, read, written, namespace, started,
    )  # fmt: skip


def bounded_limit(limit: int, host_memory_bytes: int) -> int:
    """A memory limit is never above the host's memory; 0 and less is none said."""
    if limit <= 0:
        return -1
    if 0 < host_memory_bytes < limit:
        return host_memory_bytes
    return limit if limit <= MAX_VALUE else -1


def derive(before: Reading, now: Reading, packed_before: bytes, packed: bytes, host: Host, namespaces: Namespaces) -> tuple[str, Row]:
    """What became of a reading newer than the one before, and its row. Counts the namespace's bytes."""
    (
        b_read, b_started, _, b_cpu, b_system, b_throttled, _, _, _, b_faults, _, b_rx, b_tx, b_in, b_out, b_interfaces, b_devices,
        b_namespace, _,
    ) = before  # fmt: skip
    (
        read_ns, started, cpus, cpu, system, throttled, usage, limit, inactive, faults, pids, rx, tx, read, written, interfaces, devices,
        namespace, cpu_limit,
    ) = now  # fmt: skip
    if started != b_started or -1 < cpu < b_cpu:
        if namespace > 0:
            namespaces[namespace] = packed
        return RESET, gauges(now, host)

    interval = read_ns - b_read
    d_cpu = cpu - b_cpu if cpu >= b_cpu >= 0 else -1
    d_throttled = throttled - b_throttled if throttled >= b_throttled >= 0 else -1
    d_faults = faults - b_faults if faults >= b_faults >= 0 else -1
    same_network = rx >= b_rx >= 0 and tx >= b_tx >= 0 and interfaces == b_interfaces and namespace == b_namespace
    d_rx, d_tx = (rx - b_rx, tx - b_tx) if same_network else (-1, -1)
    same_devices = read >= b_in >= 0 and written >= b_out >= 0 and devices == b_devices
    d_in, d_out = (read - b_in, written - b_out) if same_devices else (-1, -1)

    if cpus <= 0:
        cpus = host.cpus
    seconds = interval // 1_000_000_000 + 1
    most_cpu = 2 * (interval + SKEW_NS) * (cpus if cpus > 0 else MAX_CPUS)
    most_bytes = seconds * MAX_BYTES_PER_SECOND
    if (
        d_cpu > most_cpu or d_throttled > most_cpu or d_rx > most_bytes or d_tx > most_bytes
        or d_in > most_bytes or d_out > most_bytes or d_faults > seconds * MAX_FAULTS_PER_SECOND
    ):  # fmt: skip
        if namespace > 0:
            namespaces[namespace] = packed
        return ABSURD, nothing_known(read_ns)

    outcome = FOLDED if interval <= host.max_interval_ns else GAP
    if namespace > 0:
        if outcome is FOLDED and namespaces.get(namespace) is packed_before:  # alone in it, as nearly all are: the same, faster
            namespaces[namespace] = packed
            counted_rx = d_rx
            counted_tx = d_tx
        else:
            counted_rx, counted_tx = _count_once(namespaces, namespace, now, packed, outcome == FOLDED, host.max_interval_ns)
    elif namespace == HOST_NETWORK:
        counted_rx = counted_tx = 0
    else:
        counted_rx = d_rx
        counted_tx = d_tx

    used = usage - inactive if 0 <= inactive < usage else usage
    return outcome, (
        read_ns, interval, d_cpu, system - b_system if system >= b_system >= 0 else -1, cpus, cpu_limit if cpu_limit > 0 else -1,
        d_cpu * 100_000 // interval if d_cpu >= 0 else -1, used, usage, bounded_limit(limit, host.memory_bytes),
        used * interval // 1_000_000_000 if used >= 0 and outcome is FOLDED else -1, d_rx, d_tx, counted_rx, counted_tx, d_in, d_out,
        d_throttled, d_faults, pids, rx, tx, read, written, namespace, started,
    )  # fmt: skip


def _count_once(namespaces: Namespaces, namespace: int, now: Reading, packed: bytes, folded: bool, max_interval_ns: int) -> tuple[int, int]:
    """Bytes received and sent since the namespace's last counted reading, whichever of its containers that was of."""
    packed_last = namespaces.get(namespace)
    last = unpack(packed_last) if packed_last else None
    since = now[READ_NS] - last[READ_NS] if last else max_interval_ns + 1
    if since <= 0:
        return 0, 0  # another container's reading of the same counters has counted them
    if folded or since > max_interval_ns:
        namespaces[namespace] = packed
    if last is None or not folded or since > max_interval_ns:
        return -1, -1
    rx, tx = now[RX] - last[RX], now[TX] - last[TX]
    if rx < 0 or tx < 0 or last[RX] < 0 or last[TX] < 0 or now[INTERFACES] != last[INTERFACES]:
        return -1, -1
    return rx, tx
