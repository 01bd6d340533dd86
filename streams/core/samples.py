"""Derived samples: their columns as packed on the wire, and the outcomes that name what became of a sample.

Packed, because writing 26 Avro longs costs 11 µs and packing them 1 (`benchmarks/fold_usage.py`).
Meaning and units stand in the schema (`usage`, field `derived`), which a test compares. Columns are only ever appended.
"""

from __future__ import annotations

import struct
from typing import Final

COLUMNS: Final = (
    "read_ns", "interval_ns", "cpu_ns", "system_cpu_ns", "online_cpus", "cpu_limit_nanocpus", "cpu_millipercent", "memory_used_bytes",
    "memory_usage_bytes", "memory_limit_bytes", "memory_byte_seconds", "network_rx_bytes", "network_tx_bytes", "network_rx_counted_bytes",
    "network_tx_counted_bytes", "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults", "pids", "network_rx_total_bytes",
    "network_tx_total_bytes", "block_read_total_bytes", "block_write_total_bytes", "network_namespace", "started_at_ns",
)  # fmt: skip

Row = tuple[int, ...]
"""One value per column; -1: not known."""

READ_NS: Final = COLUMNS.index("read_ns")

FOLDED: Final = "folded"
FOLDED_LATE: Final = "folded_late"
BASELINE: Final = "baseline"
RESET: Final = "reset"
GAP: Final = "gap"
OUT_OF_ORDER: Final = "out_of_order"
LATE: Final = "late"
FUTURE: Final = "future"
ABSURD: Final = "absurd"

OUTCOMES: Final = (FOLDED, FOLDED_LATE, BASELINE, RESET, GAP, OUT_OF_ORDER, LATE, FUTURE, ABSURD)
IN_WINDOWS: Final = frozenset((FOLDED, FOLDED_LATE))

_PACKED: Final = struct.Struct(f"<{len(COLUMNS)}q")
pack: Final = _PACKED.pack


def unpack(packed: bytes) -> Row:
    """The columns; those a younger writer appended are left out, those an older one lacks are -1.

    Raises:
        ValueError: no whole number of 64-bit integers.
    """
    if len(packed) == _PACKED.size:
        return _PACKED.unpack(packed)
    if len(packed) % 8:
        raise ValueError(f"{len(packed)} bytes of derived values are no whole number of 64-bit integers")
    return _PACKED.unpack(packed[: _PACKED.size].ljust(_PACKED.size, b"\xff"))
