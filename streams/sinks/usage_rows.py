"""Rows of `workspace.usage`: most of all rows, so that samples go from their packed bytes to columns at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.usage_decoder import Sampled, Which, Whose
from streams.core import samples
from streams.core.histogram import from_bytes
from streams.core.invalid import InvalidMessage
from streams.sinks.block import LOG, Arrived, Block, PackedBlock, Table, columns_of
from streams.sinks.columns import Column, Numbers, Words
from streams.sinks.lean import lean

_TIME: Final = "DateTime64(9, 'UTC')"
_KINDS: Final = {"read_ns": _TIME}
_NAMED: Final = {"read_ns": "read_at", "engine_name": "engine"}
_SAMPLE_NAMES: Final = tuple(_NAMED.get(name, name) for name in (*Whose._fields, "tick_at", *LOG, *Which._fields, *samples.COLUMNS))
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
    windows: dict[str, list[dict[str, Any]]] = {grain: [] for grain in _GRAINS}
    for record in (one.record for one in records if one.record is not None):
        for window in record["windows"]:
            sketches = {metric: from_bytes(data).to_clickhouse() for metric, data in window["histograms"].items()}
            windows[window["grain"]].append({**record, **window, "container_id": window["container_id"] or "", "sketches": sketches})
    samples = _samples([one.sampled for one in records if one.sampled is not None and one.sampled.derived])
    return samples + [block for grain, rows in windows.items() for block in _GRAINS[grain].block(rows)]


def _samples(ticks: Sequence[Sampled]) -> list[Block]:
    """All samples of all ticks at once, column by column: per sample it would cost as much as all the rest."""
    if not ticks:
        return []
    counts = np.array([len(one.derived) for one in ticks])
    derived = list(chain.from_iterable(one.derived for one in ticks))
    width = 8 * len(samples.COLUMNS)
    if set(map(len, derived)) != {width}:
        derived = [one if len(one) == width else samples.pack(*samples.unpack(one)) for one in derived]
    values = np.frombuffer(b"".join(derived), dtype="<i8").reshape(len(derived), -1).T.copy()
    told = dict(zip(samples.COLUMNS, values, strict=True))
    whose, which = _texts(ticks, counts)
    epoch, partition, offset, tick_at = np.array([one[1:5] for one in ticks], dtype="<i8").T.repeat(counts, axis=1)
    log = Numbers("Int64", epoch), Numbers("Int32", partition.astype("<i4")), Numbers("Int64", offset)
    columns: list[Column] = [
        *whose,
        Numbers(_TIME, tick_at),
        *log,
        *which,
        *(Numbers(_KINDS.get(name, "Int64"), told[name]) for name in told),
    ]
    full: dict[str, Column] = dict(zip(_SAMPLE_NAMES, columns, strict=True))
    differences = {name: Numbers("Int64", values) for name, values in lean(told).items()}
    kept = full | differences | {"lean": Numbers("UInt8", np.ones(len(derived), dtype=np.uint8))}
    return [PackedBlock("samples_rows", _SAMPLE_NAMES, columns, kept)]


def _texts(ticks: Sequence[Sampled], counts: NDArray[Any]) -> tuple[list[Words], list[Words]]:
    """What ticks, and what samples are about, by column."""
    whose: dict[Whose, int] = {}
    which: dict[Which, int] = {}
    # Ticks that are about the same containers mostly share one object that says so.
    numbers: dict[int, NDArray[np.uint32]] = {}
    by_tick = np.array([whose.setdefault(one.whose, len(whose)) for one in ticks], dtype=np.uint32)
    by_sample = []
    for one in ticks:
        found = numbers.get(id(one.which))
        if found is None:
            found = numbers[id(one.which)] = np.array([which.setdefault(w, len(which)) for w in one.which], dtype=np.uint32)
        by_sample.append(found)
    spread, joined = by_tick.repeat(counts), np.concatenate(by_sample)
    return [Words(words, spread) for words in zip(*whose, strict=True)], [Words(words, joined) for words in zip(*which, strict=True)]


def check_sampled(sampled: Sampled) -> None:
    """Makes sure that `usage` has rows for a record of samples.

    Raises:
        InvalidMessage: it says nothing the archive can keep.
    """
    if any(size % 8 for size in set(map(len, sampled.derived))):
        raise InvalidMessage("invalid", "derived values are no whole number of 64-bit integers")


def check_usage(record: Mapping[str, Any]) -> None:
    """Makes sure that `usage` has rows for any other record.

    Raises:
        InvalidMessage: it says nothing the archive can keep.
    """
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
