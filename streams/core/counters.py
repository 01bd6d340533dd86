"""What a sample's packed counters say: the columns the fold reads, as one tuple of integers.

The order of all columns is the schema's (`stats_tick`, field `counters`); a test compares the two.
"""

from __future__ import annotations

import struct
from typing import Final

from streams.core.invalid import InvalidMessage

COLUMNS: Final = (
    "read_ns", "started_at_ns", "online_cpus", "cpu_total_ns", "cpu_user_ns", "cpu_kernel_ns", "system_cpu_ns", "throttle_periods",
    "throttled_periods", "throttled_ns", "memory_usage_bytes", "memory_limit_bytes", "memory_max_bytes", "memory_failures",
    "memory_anon_bytes", "memory_file_bytes", "memory_inactive_file_bytes", "memory_swap_bytes", "page_faults", "major_page_faults", "pids",
    "pids_limit", "network_rx_bytes", "network_tx_bytes", "network_rx_packets", "network_tx_packets", "network_rx_errors",
    "network_tx_errors", "network_rx_dropped", "network_tx_dropped", "block_read_bytes", "block_write_bytes", "block_read_ops",
    "block_write_ops", "interfaces_hash", "devices_hash", "network_namespace", "cpu_limit_nanocpus",
)  # fmt: skip

READ: Final = (
    "read_ns", "started_at_ns", "online_cpus", "cpu_total_ns", "system_cpu_ns", "throttled_ns", "memory_usage_bytes", "memory_limit_bytes",
    "memory_inactive_file_bytes", "page_faults", "pids", "network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes",
    "interfaces_hash", "devices_hash", "network_namespace", "cpu_limit_nanocpus",
)  # fmt: skip
"""The columns of a reading, in this order. The hashes stand behind what is measured."""

Reading = tuple[int, ...]
"""One value per name of `READ`; -1: the engine did not say. A tuple, not an object: it is made for every sample."""

READ_NS: Final = READ.index("read_ns")
RX: Final = READ.index("network_rx_bytes")
TX: Final = READ.index("network_tx_bytes")
INTERFACES: Final = READ.index("interfaces_hash")
NAMESPACE: Final = READ.index("network_namespace")

PACKED_BYTES: Final = 8 * len(COLUMNS)
# Skipping in C what the fold does not read halves the cost of unpacking.
unpack: Final = struct.Struct("<" + "".join("q" if name in READ else "8x" for name in COLUMNS)).unpack
"""`Reading` of a `normal` row of counters."""


def normal(packed: bytes) -> bytes:
    """Packed counters with exactly the columns known here: those an older writer lacks are -1, those a younger one appended are cut.

    Raises:
        InvalidMessage: no whole number of 64-bit integers.
    """
    if len(packed) == PACKED_BYTES:
        return packed
    if len(packed) % 8:
        raise InvalidMessage("bad_counters", f"{len(packed)} bytes of counters are no whole number of 64-bit integers")
    return packed[:PACKED_BYTES].ljust(PACKED_BYTES, b"\xff")
