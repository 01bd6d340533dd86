"""The figures of a `metrics_update`: what one tick's samples come to, by the interface's names. Pure.

All of it adds up over the parts of a tick. What is told of a workspace by others (`streams/query/metrics.py`) is over several engines, and
has more; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

from streams.core.samples import COLUMNS

Figures = dict[str, float]

_READ: Final = (
    "interval_ns", "cpu_ns", "system_cpu_ns", "online_cpus", "memory_used_bytes", "memory_limit_bytes", "network_rx_counted_bytes",
    "network_tx_counted_bytes", "pids", "network_rx_total_bytes", "network_tx_total_bytes", "block_read_total_bytes",
    "block_write_total_bytes", "network_namespace",
)  # fmt: skip
_unpack: Final = Struct("<" + "".join("q" if name in _READ else "8x" for name in COLUMNS)).unpack_from


def figures_of(derived: Iterable[bytes], host_memory_bytes: int) -> Figures:
    """Adds up the packed samples of a tick; a figure that none of them knows is not returned. Rounded, in the order of their names.

    Args:
        host_memory_bytes: memory of the engine's host, above which the limits of all containers never are; 0: not known.
    """
    cpu = received_rate = sent_rate = 0.0
    knows_cpu = knows_received = knows_sent = False
    used = pids = received = sent = read = written = -1
    limit = 0
    namespaces: set[int] = set()
    for packed in derived:
        values: tuple[Any, ...] = _unpack(packed)
        (
            interval, d_cpu, system, cpus, its_used, its_limit, d_received, d_sent, its_pids, its_received, its_sent, its_read, its_written,
            namespace,
        ) = values  # fmt: skip
        if interval > 0:
            if d_cpu >= 0:
                knows_cpu = True
                if system > 0 and cpus > 0:
                    cpu += d_cpu / system * cpus * 100  # docker's own formula: share of the host's CPU time, times its CPUs
            if d_received >= 0:
                knows_received = True
                received_rate += d_received * 1e9 / interval
            if d_sent >= 0:
                knows_sent = True
                sent_rate += d_sent * 1e9 / interval
        if its_limit > 0:
            limit += its_limit
        used = _and(used, its_used)
        pids = _and(pids, its_pids)
        read = _and(read, its_read)
        written = _and(written, its_written)
        if namespace > 0 and namespace not in namespaces:  # containers that share one report the same counters
            namespaces.add(namespace)
            received = _and(received, its_received)
            sent = _and(sent, its_sent)
    known: list[tuple[str, float, bool]] = [
        ("block_read_bytes_total", float(read), read >= 0),
        ("block_write_bytes_total", float(written), written >= 0),
        ("cpu_percent", round(cpu, 3), knows_cpu),
        ("memory_limit", float(min(limit, host_memory_bytes or limit)), limit > 0),
        ("memory_usage", float(used), used >= 0),
        ("network_rx_bytes_per_second", round(received_rate, 3), knows_received),
        ("network_rx_bytes_total", float(received), received >= 0),
        ("network_tx_bytes_per_second", round(sent_rate, 3), knows_sent),
        ("network_tx_bytes_total", float(sent), sent >= 0),
        ("pids", float(pids), pids >= 0),
    ]
    return {name: value for name, value, is_known in known if is_known}


def _and(sum_so_far: int, value: int) -> int:
    """Adds what is known: -1 is not."""
    if value < 0:
        return sum_so_far
    return value if sum_so_far < 0 else sum_so_far + value
