"""The packed counters of a sample: which 64-bit integer stands where.

Packed, because a sample of 38 Avro longs costs 6.1 µs to read and a packed one 1.2 (`benchmarks/codec.py`), and a
sample is read for every container and interval. Columns are only ever appended; -1: the engine did not say.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

#: Column names in order; units and meaning stand in the schema (`stats_tick`, field `counters`), which a test compares.
COLUMNS = (
    "read_ns",
    "started_at_ns",
    "online_cpus",
    "cpu_total_ns",
    "cpu_user_ns",
    "cpu_kernel_ns",
    "system_cpu_ns",
    "throttle_periods",
    "throttled_periods",
    "throttled_ns",
    "memory_usage_bytes",
    "memory_limit_bytes",
    "memory_max_bytes",
    "memory_failures",
    "memory_anon_bytes",
    "memory_file_bytes",
    "memory_inactive_file_bytes",
    "memory_swap_bytes",
    "page_faults",
    "major_page_faults",
    "pids",
    "pids_limit",
    "network_rx_bytes",
    "network_tx_bytes",
    "network_rx_packets",
    "network_tx_packets",
    "network_rx_errors",
    "network_tx_errors",
    "network_rx_dropped",
    "network_tx_dropped",
    "block_read_bytes",
    "block_write_bytes",
    "block_read_ops",
    "block_write_ops",
    "interfaces_hash",
    "devices_hash",
    "network_namespace",
    "cpu_limit_nanocpus",
)
ABSENT = -1
MAX = (1 << 63) - 1

_PACKED = struct.Struct(f"<{len(COLUMNS)}q")


def pack(values: Sequence[int]) -> bytes:
    """Packs one value per column.

    Raises:
        struct.error: not one value per column, or a value outside 64 signed bits.
    """
    return _PACKED.pack(*values)


def unpack(packed: bytes) -> tuple[int, ...]:
    """Unpacks the columns; those a younger writer appended are left out, those an older one lacks are -1.

    Raises:
        ValueError: not a whole number of 64-bit integers.
    """
    if len(packed) == _PACKED.size:
        return _PACKED.unpack(packed)
    if len(packed) % 8:
        raise ValueError(f"{len(packed)} bytes of counters are no whole number of 64-bit integers")
    have = struct.unpack(f"<{len(packed) // 8}q", packed)
    return (have + (ABSENT,) * len(COLUMNS))[: len(COLUMNS)]
