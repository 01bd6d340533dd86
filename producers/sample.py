"""A raw answer of the stats call → the packed counters of a sample. Pure and total.

cgroup v1 and v2 name things differently; a key the engine left out reads -1, never 0. A container that does not
run answers 200 with zeros and the zero time: that is no sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from producers.engine_json import MAX_LONG, InvalidMessage, mapping, time_ns, whole
from producers.record import Skip
from schemas.counters import ABSENT, pack
from schemas.identity import hash63

#: An engine stamps a reading that much before or after it reads, and more; digits below are noise, and would be half of a sample on disk.
_PRECISION_NS: Final = 10**6
_NETWORK: Final = (
    "rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Context:
    """What a sample needs beside the engine's answer.

    Attributes:
        started_at_ns: start of the run, ns since the Unix epoch; -1: not known.
        network_namespace: hash of the namespace's owner; 0: the host's.
        cpu_limit_nanocpus: billionths of a core; -1: none.
    """

    started_at_ns: int = ABSENT
    network_namespace: int = ABSENT
    cpu_limit_nanocpus: int = ABSENT


def counters(raw: object, context: Context) -> bytes | Skip:
    """Packs the counters of one stats answer.

    Raises:
        InvalidMessage: it is no stats answer.
    """
    stats = mapping(raw)
    if "read" not in stats or "cpu_stats" not in stats:
        raise InvalidMessage("invalid", "a stats answer without read or cpu_stats")
    read_ns = time_ns(stats["read"])
    cpu = mapping(stats["cpu_stats"])
    usage = mapping(cpu.get("cpu_usage"))
    total = whole(usage.get("total_usage"))
    if read_ns is None or not total:
        return Skip("not_running")
    networks = stats.get("networks")
    block, devices_hash = _block(mapping(stats.get("blkio_stats")))
    throttling = mapping(cpu.get("throttling_data"))
    pids = mapping(stats.get("pids_stats"))
    return pack(
        [
            read_ns - read_ns % _PRECISION_NS,
            context.started_at_ns,
            _online_cpus(cpu, usage),
            total,
            _number(usage, "usage_in_usermode"),
            _number(usage, "usage_in_kernelmode"),
            _number(cpu, "system_cpu_usage"),
            *(_number(throttling, key) for key in ("periods", "throttled_periods", "throttled_time")),
            *_memory(mapping(stats.get("memory_stats"))),
            _number(pids, "current"),
            _number(pids, "limit"),
            *_network(networks),
            *block,
            hash63("interfaces", *sorted(networks)) if isinstance(networks, dict) else ABSENT,
            devices_hash,
            context.network_namespace,
            context.cpu_limit_nanocpus,
        ]
    )


def _number(of: Mapping[str, Any], *names: str) -> int:
    """The first of the names that holds a whole number; -1 when none does."""
    for name in names:
        value = whole(of.get(name))
        if value is not None:
            return value
    return ABSENT


def _online_cpus(cpu: Mapping[str, Any], usage: Mapping[str, Any]) -> int:
    online = whole(cpu.get("online_cpus"))
    per_cpu = usage.get("percpu_usage")
    return online or (len(per_cpu) if isinstance(per_cpu, list) and per_cpu else ABSENT)


def _memory(memory: Mapping[str, Any]) -> Iterable[int]:
    fields = mapping(memory.get("stats"))
    # Only v1 has the total_… of a hierarchy; there the plain names leave child groups out.
    return (
        _number(memory, "usage"),
        _number(memory, "limit"),
        _number(memory, "max_usage"),
        _number(memory, "failcnt"),
        _number(fields, "total_rss", "rss", "anon"),
        _number(fields, "total_cache", "cache", "file"),
        _number(fields, "total_inactive_file", "inactive_file"),
        _number(fields, "total_swap", "swap"),
        _number(fields, "total_pgfault", "pgfault"),
        _number(fields, "total_pgmajfault", "pgmajfault"),
    )


def _network(networks: object) -> list[int]:
    """Sums over the interfaces; the key is absent with the host's network."""
    if not isinstance(networks, dict):
        return [ABSENT] * len(_NETWORK)
    interfaces = [mapping(interface) for interface in networks.values()]
    return [min(sum(whole(interface.get(key)) or 0 for interface in interfaces), MAX_LONG) for key in _NETWORK]


def _block(blkio: Mapping[str, Any]) -> tuple[tuple[int, int, int, int], int]:
    """Bytes and operations read and written, with the hash of the devices.

    Only the ops read and write are matched: v1 also lists Sync, Async, Total, which count the same bytes again.
    """
    read, written, devices = _by_op(blkio.get("io_service_bytes_recursive"))
    reads, writes, _ = _by_op(blkio.get("io_serviced_recursive"))
    return (read, written, reads, writes), hash63("devices", *sorted(devices)) if devices else ABSENT


def _by_op(entries: object) -> tuple[int, int, set[str]]:
    if not isinstance(entries, list):
        return ABSENT, ABSENT, set()
    sums = {"read": 0, "write": 0}
    devices: set[str] = set()
    for entry in map(mapping, entries):
        op, value = entry.get("op"), whole(entry.get("value"))
        if isinstance(op, str) and op.lower() in sums and value is not None:
            sums[op.lower()] += value
            devices.add(f"{entry.get('major')}:{entry.get('minor')}")
    return min(sums["read"], MAX_LONG), min(sums["write"], MAX_LONG), devices
