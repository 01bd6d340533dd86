"""What a workspace uses now: its containers' latest derived samples, added up. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

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
    used, limit = _sum(known, "memory_used_bytes"), _memory_limit(known)
    cpu_limit, limited_cores = _cpu_limit(known), _rate(known, "cpu_ns")
    spaces = _one_per_namespace(known)
    return Metrics(
        cpu_percent=_rounded(_total([_docker_percent(one) for one in known])),
        cpu_percent_of_limit=None if cpu_limit is None or limited_cores is None else _rounded(limited_cores / 1e9 / cpu_limit * 100),
        cpu_limit_cores=cpu_limit,
        memory_used_bytes=used,
        memory_limit_bytes=limit,
        memory_percent=_rounded(used / limit * 100) if used is not None and limit else None,
        network_rx_total_bytes=_sum(spaces, "network_rx_total_bytes"),
        network_tx_total_bytes=_sum(spaces, "network_tx_total_bytes"),
        network_rx_bytes_per_second=_rounded(_rate(known, "network_rx_counted_bytes")),
        network_tx_bytes_per_second=_rounded(_rate(known, "network_tx_counted_bytes")),
        block_read_total_bytes=_sum(known, "block_read_total_bytes"),
        block_write_total_bytes=_sum(known, "block_write_total_bytes"),
        pids=_sum(known, "pids"),
        uptime_seconds=_uptime_seconds(known),
        sampled_at_ns=max(one.row[_AT["read_ns"]] for one in known),
    )


def _total(values: Iterable[Any]) -> Any:
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def _sum(samples: Iterable[Sampled], name: str) -> int | None:
    total: int | None = _total(one.value(name) for one in samples)
    return total


def _rate(samples: Iterable[Sampled], name: str) -> float | None:
    """Sum of what each container did per second of its own interval."""
    rates = []
    for one in samples:
        interval_ns, done = one.value("interval_ns"), one.value(name)
        rates.append(done * 1e9 / interval_ns if interval_ns and done is not None else None)
    total: float | None = _total(rates)
    return total


def _docker_percent(one: Sampled) -> float | None:
    """Docker's own formula: share of the host's CPU time, times its CPUs."""
    used, system, cpus = one.value("cpu_ns"), one.value("system_cpu_ns"), one.value("online_cpus")
    if not one.value("interval_ns") or used is None:
        return None
    return used / system * cpus * 100 if system and cpus else 0.0


def _cpu_limit(samples: Iterable[Sampled]) -> float | None:
    """Cores all containers together may use; None as soon as one has no limit."""
    limits = [one.value("cpu_limit_nanocpus") for one in samples]
    return None if any(not limit for limit in limits) else sum(limit or 0 for limit in limits) / 1e9


def _memory_limit(samples: Iterable[Sampled]) -> int | None:
    """Limits added up per engine, but never above its host's memory, which is the limit of a container without one."""
    limits: dict[str, int] = {}
    hosts: dict[str, int] = {}
    for one in samples:
        limit = one.value("memory_limit_bytes")
        if limit:
            limits[one.engine_id] = limits.get(one.engine_id, 0) + limit
            hosts[one.engine_id] = one.host_memory_bytes
    return sum(min(limit, hosts[engine] or limit) for engine, limit in limits.items()) if limits else None


def _one_per_namespace(samples: Iterable[Sampled]) -> list[Sampled]:
    """One container of each network namespace, as they report the same counters; none for the host's."""
    spaces: dict[tuple[str, int], Sampled] = {}
    for one in samples:
        namespace = one.row[_AT["network_namespace"]]
        if namespace > 0:
            spaces.setdefault((one.engine_id, namespace), one)
    return list(spaces.values())


def _uptime_seconds(samples: Iterable[Sampled]) -> int | None:
    """Of the container that runs longest."""
    spans = [one.row[_AT["read_ns"]] - one.row[_AT["started_at_ns"]] for one in samples if one.row[_AT["started_at_ns"]] > 0]
    return max(0, *spans) // 10**9 if spans else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
