"""What a workspace uses now: its containers' latest derived samples, added up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streams.core.samples import COLUMNS, Row

_AT: Final = {name: index for index, name in enumerate(COLUMNS)}


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of a workspace over its running containers; None: not known. Percents are 0–100 of one CPU, as docker shows them."""

    cpu_percent: float | None = None
    cpu_percent_of_limit: float | None = None
    cpu_limit_cores: float | None = None
    memory_used_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_percent: float | None = None
    network_rx_total_bytes: int | None = None
    network_tx_total_bytes: int | None = None
    network_rx_bytes_per_second: float | None = None
    network_tx_bytes_per_second: float | None = None
    block_read_total_bytes: int | None = None
    block_write_total_bytes: int | None = None
    pids: int | None = None
    uptime_seconds: int | None = None
    sampled_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """The latest derived sample of one container.

    Attributes:
        host_memory_bytes: memory of its engine's host; 0: not known.
        row: values by `streams.core.samples.COLUMNS`, -1 where not known.
    """

    engine_id: str
    host_memory_bytes: int
    row: Row

    def value(self, name: str) -> int | None:
        """One column; None: not known."""
        value = self.row[_AT[name]]
        return None if value < 0 else value


def combine(samples: Iterable[Sampled]) -> Metrics | None:
    """Adds up containers; what only some of them know is the sum of those. None without any sample."""
    known = list(samples)
    if not known:
        return None
    columns = list(zip(*[one.row for one in known], strict=True))
    intervals = columns[_AT["interval_ns"]]
    used, limit = _sum(columns[_AT["memory_used_bytes"]]), _memory_limit(known)
    cpu_limit, limited_cores = _cpu_limit(columns[_AT["cpu_limit_nanocpus"]]), _rate(intervals, columns[_AT["cpu_ns"]])
    received, sent = _network_totals(known)
    return Metrics(
        cpu_percent=_rounded(_docker_percent(columns)),
        cpu_percent_of_limit=None if cpu_limit is None or limited_cores is None else _rounded(limited_cores / 1e9 / cpu_limit * 100),
        cpu_limit_cores=cpu_limit,
        memory_used_bytes=used,
        memory_limit_bytes=limit,
        memory_percent=_rounded(used / limit * 100) if used is not None and limit else None,
        network_rx_total_bytes=received,
        network_tx_total_bytes=sent,
        network_rx_bytes_per_second=_rounded(_rate(intervals, columns[_AT["network_rx_counted_bytes"]])),
        network_tx_bytes_per_second=_rounded(_rate(intervals, columns[_AT["network_tx_counted_bytes"]])),
        block_read_total_bytes=_sum(columns[_AT["block_read_total_bytes"]]),
        block_write_total_bytes=_sum(columns[_AT["block_write_total_bytes"]]),
        pids=_sum(columns[_AT["pids"]]),
        uptime_seconds=_uptime_seconds(columns),
        sampled_at_ns=max(columns[_AT["read_ns"]]),
    )


def _sum(column: Iterable[int]) -> int | None:
    present = [value for value in column if value >= 0]
    return sum(present) if present else None


def _rate(intervals: Row, column: Row) -> float | None:
    """Sum of what each container did per second of its own interval."""
    rates = [done * 1e9 / interval for interval, done in zip(intervals, column, strict=True) if interval > 0 and done >= 0]
    return sum(rates) if rates else None


def _docker_percent(columns: Sequence[Row]) -> float | None:
    """Docker's own formula: share of the host's CPU time, times its CPUs."""
    shares = [
        used / system * cpus * 100 if system > 0 and cpus > 0 else 0.0
        for interval, used, system, cpus in zip(
            columns[_AT["interval_ns"]], columns[_AT["cpu_ns"]], columns[_AT["system_cpu_ns"]], columns[_AT["online_cpus"]], strict=True
        )
        if interval > 0 and used >= 0
    ]
    return sum(shares) if shares else None


def _cpu_limit(limits: Row) -> float | None:
    """Cores all containers together may use; None as soon as one has no limit."""
    return sum(limits) / 1e9 if min(limits) > 0 else None


def _memory_limit(samples: Iterable[Sampled]) -> int | None:
    """Limits added up per engine, but never above its host's memory, which is the limit of a container without one."""
    limits: dict[str, int] = {}
    hosts: dict[str, int] = {}
    for one in samples:
        limit = one.row[_AT["memory_limit_bytes"]]
        if limit > 0:
            limits[one.engine_id] = limits.get(one.engine_id, 0) + limit
            hosts[one.engine_id] = one.host_memory_bytes
    return sum(min(limit, hosts[engine] or limit) for engine, limit in limits.items()) if limits else None


def _network_totals(samples: Iterable[Sampled]) -> tuple[int | None, int | None]:
    """Received and sent by one container of each network namespace, as they report the same counters; none for the host's."""
    spaces: dict[tuple[str, int], Row] = {}
    for one in samples:
        namespace = one.row[_AT["network_namespace"]]
        if namespace > 0:
            spaces.setdefault((one.engine_id, namespace), one.row)
    rows = spaces.values()
    return _sum([row[_AT["network_rx_total_bytes"]] for row in rows]), _sum([row[_AT["network_tx_total_bytes"]] for row in rows])


def _uptime_seconds(columns: Sequence[Row]) -> int | None:
    """Of the container that runs longest."""
    spans = [read - started for read, started in zip(columns[_AT["read_ns"]], columns[_AT["started_at_ns"]], strict=True) if started > 0]
    return max(0, *spans) // 10**9 if spans else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
