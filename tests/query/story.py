"""A filled archive: three weeks of hourly windows, an afternoon of samples with a peak and a gap in it, and what became of the states.

```
T0-21d …………………………… T0 ───── +90 min ──── +100 ══ +130 ───── +180 min
hourly windows         samples: peak       gap: nobody watched
```
`shop@laptop` has web and db, `blog@laptop` one container. By hours, shop uses 0.2 cores at night and 0.8 from 8 to 18 UTC, and a
little more each day; blog half of that, without a trend.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from schemas import topics
from schemas.counters import COLUMNS, pack
from streams.core.facts import Position
from streams.core.usage import fold_tick, initial, publish_owed
from streams.sinks.rows import Block
from tests.core_usage.ticks import STEADY
from tests.sinks import records
from tests.sinks.records import T0_NS, arrive, position, rows_of

SECOND_NS: Final = 10**9
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
MINUTES: Final = 180
PEAK: Final = 90
GAP: Final = range(100, 130)
DAYS: Final = 21
MIB: Final = 1 << 20
#: Workspace → its containers and the CPU each uses, thousandths of a core.
CONTAINERS: Final = {"shop@laptop": {"web": 500, "db": 250}, "blog@laptop": {"press": 100}}


def used(name: str, minute: int) -> int:
    """CPU a container uses in a minute, thousandths of a core: web burns three cores in the one that ends at PEAK."""
    base = next(containers[name] for containers in CONTAINERS.values() if name in containers)
    return 3000 if name == "web" and minute == PEAK else base


def _short(workspace_id: str) -> str:
    return workspace_id.partition("@")[0]


def told() -> Iterator[Block]:
    """All blocks of the story, as the sink would write them."""
    for number, (workspace_id, containers) in enumerate(CONTAINERS.items()):
        yield from _samples(workspace_id, list(containers), number)
        yield from _weeks(workspace_id, number)
        yield from _states(workspace_id, number)


def _samples(workspace_id: str, names: list[str], partition: int) -> Iterator[Block]:
    state = initial(workspace_id)
    cpu_ns = dict.fromkeys(names, 10**9)
    published = []
    for minute in range(MINUTES + 1):
        for name in names:
            cpu_ns[name] += used(name, minute) * 60 * 10**6
        if minute in GAP:
            continue
        at_ns = T0_NS + minute * MINUTE_NS
        read = [_reading(name, minute, at_ns, cpu_ns[name]) for name in names]
        tick = {
            "workspace_id": workspace_id, "workspace_name": _short(workspace_id), "engine_id": "E1", "engine_name": "laptop",
            "generation": 0, "tick_at_ns": at_ns, "interval_ms": 60_000, "part": 0, "parts": 1, "host_cpus": 4,
            "host_memory_bytes": 16 << 30, "labels": {"team": _short(workspace_id)}, "samples": read,
        }  # fmt: skip
        state, outputs = fold_tick(state, tick, Position(1, partition, minute + 1), at_ns // 10**6)
        published += outputs
    published += publish_owed(state, (T0_NS + MINUTES * MINUTE_NS) // 10**6)
    yield from rows_of(topics.WORKSPACE_USAGE, *(arrive(topics.WORKSPACE_USAGE, one, position(1)) for one in published))


def _reading(name: str, minute: int, at_ns: int, cpu_ns: int) -> dict[str, Any]:
    values = {
        **dict.fromkeys(COLUMNS, -1), **STEADY, "read_ns": at_ns, "started_at_ns": T0_NS - HOUR_NS, "cpu_total_ns": cpu_ns,
        "system_cpu_ns": 10**12 + minute * 240 * 10**9, "memory_usage_bytes": (300 if name == "db" else 200) * MIB,
        "network_rx_bytes": 1000 + minute * 60_000, "network_tx_bytes": 1000, "block_write_bytes": 8192 + minute * 6000,
        "network_namespace": sum(map(ord, name)),
    }  # fmt: skip
    packed = pack([values[column] for column in COLUMNS])
    return {"container_id": name * 4, "container_name": name, "service": name, "counters": packed}


def _weeks(workspace_id: str, partition: int) -> Iterator[Block]:
    """Windows of the whole hours before T0, and of the whole UTC days."""
    begin_ns = T0_NS - DAYS * DAY_NS
    hours = [_hour(workspace_id, begin_ns + number * HOUR_NS, number) for number in range(DAYS * 24)]
    days: dict[int, list[dict[str, Any]]] = {}
    for hour in hours:
        days.setdefault(hour["start_ms"] // 86_400_000 * 86_400_000, []).append(hour)
    whole = [_merged(start_ms, found) for start_ms, found in days.items() if len(found) == 24]
    usage = [
        records.usage(position(number + 1, partition=partition), workspace_id, workspace_name=_short(workspace_id), windows=[window])
        for number, window in enumerate([*hours, *whole])
    ]
    yield from rows_of(topics.WORKSPACE_USAGE, *(arrive(topics.WORKSPACE_USAGE, one, position(1)) for one in usage))


def _hour(workspace_id: str, start_ns: int, number: int) -> dict[str, Any]:
    busy = 8 <= start_ns // HOUR_NS % 24 < 18
    shop = workspace_id.startswith("shop")
    cores_milli = (800 if busy else 200) + (number if shop else 0)
    cores_milli //= 1 if shop else 2
    return records.window(
        start_ms=start_ns // 10**6, sample_count=120, tick_count=60, container_count=2, final=True, observed_ns=2 * HOUR_NS,
        covered_ns=HOUR_NS, cpu_core_ns=cores_milli * HOUR_NS // 1000, memory_byte_seconds=500 * MIB * 3600,
        network_rx_bytes=1_000_000 * (2 if shop else 1), network_tx_bytes=500_000, block_read_bytes=1000, block_write_bytes=2000,
        cpu_millipercent_min=cores_milli * 50, cpu_millipercent_max=cores_milli * 200, cpu_millipercent_last=cores_milli * 100,
        memory_used_bytes_min=400 * MIB, memory_used_bytes_max=600 * MIB, memory_used_bytes_last=500 * MIB,
        first_read_ns=start_ns, last_read_ns=start_ns + HOUR_NS - 1,
    )  # fmt: skip


_SUMS: Final = (
    "sample_count", "tick_count", "observed_ns", "covered_ns", "cpu_core_ns", "memory_byte_seconds", "network_rx_bytes",
    "network_tx_bytes", "block_read_bytes", "block_write_bytes",
)  # fmt: skip


def _merged(start_ms: int, hours: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(hour[name] for hour in hours) for name in _SUMS}
    most = {name: max(hour[name] for hour in hours) for name in ("cpu_millipercent_max", "memory_used_bytes_max")}
    return hours[-1] | sums | most | {"grain": "day", "start_ms": start_ms}


def _states(workspace_id: str, partition: int) -> Iterator[Block]:
    """Active from T0-10d; stopped for two days at T0-6d; failing for an hour at T0-1d; blog's engine silent for the last hour."""
    story: list[tuple[float, str, str, bool]] = [
        (-10, "active", "ok", False),
        (-6, "inactive", "failing", False),
        (-4, "active", "ok", False),
    ]
    story += [(-1, "active", "failing", False), (-23 / 24, "active", "ok", False)]
    if workspace_id.startswith("blog"):
        story.append((-1 / 24, "active", "unknown", True))
    before = "inactive"
    for seq, (days, status, condition, stale) in enumerate(story, 1):
        at_ns = T0_NS + round(days * 24) * HOUR_NS
        at = position(seq, partition=partition)
        state = records.state(
            workspace_id, at, workspace_name=_short(workspace_id), status=status, condition=condition, stale=stale, seq=seq,
            status_since_ns=at_ns, last_updated_ns=at_ns, running=int(status == "active"),
        )  # fmt: skip
        yield from rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, state, at))
        cause = {"topic": "wst.docker.events", "epoch": 1, "partition": partition, "offset": seq}
        ended = {"container_id": "webwebwebweb", "container_name": "web", "old_state": "running", "new_state": "exited", "exit_code": 137}
        kinds: list[tuple[str, dict[str, Any]]] = (
            [("status_changed", {"old_status": before, "new_status": status})] if status != before else []
        )
        kinds += [("container_update", ended)] if condition == "failing" else []
        for number, (kind, data) in enumerate(kinds):
            changed = {"reason": "r", "container_id": "c1", "changed_at_ns": at_ns, "updated_at_ns": at_ns} | data
            event = records.event(10 * seq + number, workspace_id, kind, at_ns, cause=cause, **{kind: changed})
            yield from rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, event, position(10 * seq + number)))
        before = status
