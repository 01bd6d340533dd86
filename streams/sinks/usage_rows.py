"""Rows of `workspace.usage`: most of all rows, so that samples go from their packed bytes to columns at once."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from streams.core import samples
from streams.core.histogram import from_bytes
from streams.core.invalid import InvalidMessage
from streams.sinks.block import LOG, Arrived, Block, Table, columns_of

_OF_TICK: Final = itemgetter("workspace_id", "workspace_name", "engine_id", "engine_name", "tick_at_ns", "epoch", "partition", "offset")
_OF_SAMPLE: Final = itemgetter("container_id", "container_name", "outcome")
_SAMPLE_NAMES: Final = (
    "workspace_id", "workspace_name", "engine_id", "engine", "tick_at", *LOG, "container_id", "container_name", "outcome", "service",
    *("read_at" if name == "read_ns" else name for name in samples.COLUMNS),
)  # fmt: skip
_WINDOWS: Final = columns_of(
    "workspace_id", "container_id", "engine_id", "final", "sample_count", "late_count", "tick_count", "container_count", "workspace_name",
    "labels", "observed_ns", "covered_ns", "cpu_core_ns", "memory_byte_seconds", "network_rx_bytes", "network_tx_bytes",
    "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults", "cpu_millipercent_min", "cpu_millipercent_max",
    "cpu_millipercent_last", "memory_used_bytes_min", "memory_used_bytes_max", "memory_used_bytes_last", "sketches",
    "container_name", "service",
    start="start_ms", engine="engine_name", first_read_at="first_read_ns", last_read_at="last_read_ns",
    log_epoch="epoch", log_partition="partition", log_offset="offset",
)  # fmt: skip
_GRAINS: Final = {"hour": Table("usage_hourly_rows", _WINDOWS), "day": Table("usage_daily_rows", _WINDOWS)}


def usage(records: Sequence[Arrived]) -> list[Block]:
    """Rows of `workspace.usage`: derived samples and windows."""
    decoded = [one.record for one in records if one.record is not None]
    windows: dict[str, list[dict[str, Any]]] = {grain: [] for grain in _GRAINS}
    for record in decoded:
        for window in record["windows"]:
            sketches = {metric: from_bytes(data).to_clickhouse() for metric, data in window["histograms"].items()}
            windows[window["grain"]].append({**record, **window, "container_id": window["container_id"] or "", "sketches": sketches})
    return _samples(decoded) + [block for grain, rows in windows.items() for block in _GRAINS[grain].block(rows)]


def _samples(records: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Unpacked column by column from all packed rows at once: per row, it would cost as much as all the rest."""
    rows = [
        (*_OF_TICK(record), *_OF_SAMPLE(sample), sample["service"] or "", sample["derived"])
        for record in records
        for sample in record["samples"]
    ]
    if not rows:
        return []
    *named, packed = zip(*rows, strict=True)
    width = len(samples.COLUMNS)
    size = 8 * width
    values = array("q", b"".join(one if len(one) == size else samples.pack(*samples.unpack(one)) for one in packed))
    if sys.byteorder == "big":
        values.byteswap()
    return [Block("samples_rows", _SAMPLE_NAMES, [*named, *(values[column::width] for column in range(width))])]


def check_usage(record: Mapping[str, Any]) -> None:
    """Makes sure that `usage` has rows for a record.

    Raises:
        InvalidMessage: it says nothing the archive can keep.
    """
    if any(len(sample["derived"]) % 8 for sample in record["samples"]):
        raise InvalidMessage("invalid", "derived values are no whole number of 64-bit integers")
    try:
        for window in record["windows"]:
            for data in window["histograms"].values():
                from_bytes(data)
    except ValueError as error:
        raise InvalidMessage("invalid", f"a window with {error}") from error
    if any(window["grain"] not in _GRAINS for window in record["windows"]):
        raise InvalidMessage("invalid", "a window of a grain this version does not know")
    if record["kind"] not in ("samples", "windows"):
        raise InvalidMessage("invalid", "usage of a kind this version does not know")
