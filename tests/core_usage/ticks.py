"""Ticks as producers make them, and the windows as anyone would compute them from derived samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from schemas.counters import COLUMNS, pack
from streams.core import samples
from streams.core.facts import Position
from streams.core.histogram import Histogram
from streams.core.usage import UsageState, fold_tick, initial
from streams.core.window_set import DEFAULT, Policy

Record = dict[str, Any]
K = TypeVar("K")
SECOND_NS = 10**9
HOUR_S = 3600
NOON_S = 1_764_072_000 // 86_400 * 86_400 + 12 * HOUR_S
"""Noon of a day, s: times in tests are relative to it."""

STEADY: Mapping[str, int] = {
    "started_at_ns": (NOON_S - 5000) * SECOND_NS,
    "online_cpus": 4,
    "cpu_total_ns": 50 * SECOND_NS,
    "system_cpu_ns": 9000 * SECOND_NS,
    "throttled_ns": 0,
    "memory_usage_bytes": 300 << 20,
    "memory_limit_bytes": 1 << 30,
    "memory_inactive_file_bytes": 100 << 20,
    "page_faults": 1000,
    "pids": 7,
    "network_rx_bytes": 5000,
    "network_tx_bytes": 700,
    "block_read_bytes": 40960,
    "block_write_bytes": 8192,
    "interfaces_hash": 11,
    "devices_hash": 22,
    "network_namespace": 33,
}
"""Plausible counters of a container; what is not named was not said."""


def counters(at_s: float = 0, **values: int) -> bytes:
    """Packed counters read `at_s` seconds after noon: STEADY, but for what is named."""
    said = {**dict.fromkeys(COLUMNS, -1), **STEADY, "read_ns": NOON_S * SECOND_NS + round(at_s * SECOND_NS), **values}
    return pack([said[name] for name in COLUMNS])


def sample(container: str, packed: bytes) -> Record:
    return {
        "container_id": container * 64 if len(container) == 1 else container,
        "container_name": container,
        "service": None,
        "counters": packed,
    }


def tick(at_s: float, read: Mapping[str, bytes] | Sequence[Record], **fields: Any) -> Record:
    """One tick at `at_s` seconds after noon with the counters of some containers."""
    some = [sample(container, packed) for container, packed in read.items()] if isinstance(read, Mapping) else list(read)
    return {
        "workspace_id": "shop@laptop",
        "workspace_name": "shop",
        "engine_id": "engine-1",
        "engine_name": "laptop",
        "generation": 0,
        "tick_at_ns": NOON_S * SECOND_NS + round(at_s * SECOND_NS),
        "interval_ms": 10_000,
        "part": 0,
        "parts": 1,
        "host_cpus": 4,
        "host_memory_bytes": 16 << 30,
        "labels": {"team": "shop"},
        "samples": some,
        **fields,
    }


class Log:
    """A workspace's value and everything its fold published."""

    def __init__(self, policy: Policy = DEFAULT) -> None:
        self.state: UsageState = initial("shop@laptop")
        self.policy = policy
        self.offset = 0
        self.records: list[Record] = []

    def fold(self, message: Record, *, timestamp_ms: int | None = None, position: Position | None = None) -> list[Record]:
        """Folds a tick at the next offset; its record was made at the tick unless said otherwise."""
        self.offset += 1
        at_ms = message["tick_at_ns"] // 1_000_000 if timestamp_ms is None else timestamp_ms
        self.state, records = fold_tick(self.state, message, position or Position(1, 3, self.offset), at_ms, self.policy)
        self.records += records
        return records

    def read(self, at_s: float, **read: bytes) -> dict[str, Record]:
        """Folds a tick of the containers named; returns their derived values by container."""
        return by_container(self.fold(tick(at_s, read)))


def by_container(records: Iterable[Record]) -> dict[str, Record]:
    """Derived values by column, with their outcome, by container name."""
    return {
        one["container_name"]: {"outcome": one["outcome"], **dict(zip(samples.COLUMNS, samples.unpack(one["derived"]), strict=True))}
        for record in records
        for one in record["samples"]
    }


def outcomes(records: Iterable[Record]) -> list[str]:
    return [one["outcome"] for record in records for one in record["samples"]]


Key = tuple[str, str, int]
"""(engine, grain, start in ms)"""
ContainerKey = tuple[str, str, int, str]
"""The same, and the container."""


def windows(records: Iterable[Record]) -> dict[Key, Record]:
    """The windows of the workspace published, the highest version of each."""
    return {key[:3]: window for key, window in _published(records).items() if not key[3]}


def container_windows(records: Iterable[Record]) -> dict[ContainerKey, Record]:
    """Those of its containers."""
    return {key: window for key, window in _published(records).items() if key[3]}


def _published(records: Iterable[Record]) -> dict[ContainerKey, Record]:
    best: dict[ContainerKey, Record] = {}
    for record in records:
        for window in record["windows"]:
            key = (record["engine_id"], window["grain"], window["start_ms"], window["container_id"] or "")
            if key not in best or version(window) >= version(best[key]):
                best[key] = window
    return best


def version(window: Record) -> tuple[int, bool]:
    return window["sample_count"], window["final"]


def recomputed(records: Iterable[Record]) -> dict[Key, Record]:
    """The same windows from derived samples alone, by the definitions in the schema."""
    ticks: dict[Key, dict[tuple[int, int], list[Record]]] = defaultdict(lambda: defaultdict(list))
    for row in _folded_rows(records):
        for key in _keys(row):
            ticks[key][row["epoch"], row["offset"]].append(row)
    return {key: _aggregate(key, groups) for key, groups in ticks.items()}


def recomputed_containers(records: Iterable[Record]) -> dict[ContainerKey, Record]:
    """Those of containers."""
    found: dict[ContainerKey, list[Record]] = defaultdict(list)
    for row in _folded_rows(records):
        for key in _keys(row):
            found[*key, row["container_id"]].append(row)
    return {key: _aggregate_container(key, rows) for key, rows in found.items()}


def _folded_rows(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        for one in record["samples"]:
            if one["outcome"] in {"folded", "folded_late"}:
                values = dict(zip(samples.COLUMNS, samples.unpack(one["derived"]), strict=True))
                yield {**record, **one, **values}


def _keys(row: Record) -> list[Key]:
    at_ms = row["read_ns"] // 1_000_000
    return [(row["engine_id"], grain, at_ms // length * length) for grain, length in (("hour", 3_600_000), ("day", 86_400_000))]


def _total(rows: Iterable[Record], column: str) -> int:
    return sum(max(row[column], 0) for row in rows)


def _aggregate(key: Key, groups: Mapping[tuple[int, int], list[Record]]) -> Record:
    rows = [row for group in groups.values() for row in group]
    # A message whose samples lie in two hours is one tick in each.
    parts: dict[tuple[int, int, int], list[Record]] = defaultdict(list)
    for position, group in groups.items():
        for row in group:
            parts[(*position, row["read_ns"] // (HOUR_S * SECOND_NS))].append(row)

    def per_tick(column: str) -> list[tuple[int, int]]:
        """(last reading, value) of each tick that has a known value."""
        return [
            (max(row["read_ns"] for row in part), _total(part, column)) for part in parts.values() if any(row[column] >= 0 for row in part)
        ]

    def rates(column: str) -> list[int]:
        return [
            min(_total(part, column) * SECOND_NS // max(row["interval_ns"] for row in part), (1 << 63) - 1)
            for part in parts.values()
            if any(row[column] >= 0 for row in part)
        ]

    cpu, memory = per_tick("cpu_millipercent"), per_tick("memory_used_bytes")
    return {
        **_sums(key, rows),
        "container_id": None,
        "container_name": "",
        "service": "",
        "tick_count": len(parts),
        "covered_ns": sum(max(row["interval_ns"] for row in group) for group in parts.values() if group[0]["part"] == 0),
        "network_rx_bytes": _total(rows, "network_rx_counted_bytes"),
        "network_tx_bytes": _total(rows, "network_tx_counted_bytes"),
        **_spread("cpu_millipercent", cpu),
        **_spread("memory_used_bytes", memory),
        "container_count": len({row["container_id"] for row in rows}),
        "histograms": _histograms(
            cpu_millipercent=[value for _, value in cpu],
            memory_used_bytes=[value for _, value in memory],
            network_rx_bytes_per_second=rates("network_rx_counted_bytes"),
            network_tx_bytes_per_second=rates("network_tx_counted_bytes"),
        ),
    }


def _aggregate_container(key: ContainerKey, rows: list[Record]) -> Record:
    def known(column: str) -> list[tuple[int, int]]:
        return [(row["read_ns"], row[column]) for row in rows if row[column] >= 0]

    cpu, memory = known("cpu_millipercent"), known("memory_used_bytes")
    return {
        **_sums(key[:3], rows),
        "container_id": key[3],
        "container_name": rows[0]["container_name"],
        "service": rows[0]["service"],
        "tick_count": len(rows),
        "covered_ns": _total(rows, "interval_ns"),
        "network_rx_bytes": _total(rows, "network_rx_bytes"),
        "network_tx_bytes": _total(rows, "network_tx_bytes"),
        **_spread("cpu_millipercent", cpu),
        **_spread("memory_used_bytes", memory),
        "container_count": 1,
        "histograms": _histograms(cpu_millipercent=[value for _, value in cpu], memory_used_bytes=[value for _, value in memory]),
    }


def _sums(key: Key, rows: list[Record]) -> Record:
    return {
        "grain": key[1],
        "start_ms": key[2],
        "sample_count": len(rows),
        "observed_ns": _total(rows, "interval_ns"),
        "cpu_core_ns": _total(rows, "cpu_ns"),
        "memory_byte_seconds": _total(rows, "memory_byte_seconds"),
        "block_read_bytes": _total(rows, "block_read_bytes"),
        "block_write_bytes": _total(rows, "block_write_bytes"),
        "throttled_ns": _total(rows, "throttled_ns"),
        "page_faults": _total(rows, "page_faults"),
        "first_read_ns": min(row["read_ns"] for row in rows),
        "last_read_ns": max(row["read_ns"] for row in rows),
        "late_count": sum(row["outcome"] == "folded_late" for row in rows),
        "sketches": {},
    }


def _spread(metric: str, values: Sequence[tuple[int, int]]) -> Record:
    return {
        f"{metric}_min": min((value for _, value in values), default=-1),
        f"{metric}_max": max((value for _, value in values), default=-1),
        f"{metric}_last": max(values, default=(-1, -1))[1],
    }


def _histograms(**values: Sequence[int]) -> dict[str, bytes]:
    found = {}
    for metric, all_of_it in values.items():
        histogram = Histogram()
        for value in all_of_it:
            histogram.add(value)
        if all_of_it:
            found[metric] = histogram.to_bytes()
    return found


def without_final(found: Mapping[K, Record]) -> dict[K, Record]:
    return {key: {name: value for name, value in window.items() if name != "final"} for key, window in found.items()}
