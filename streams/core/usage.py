"""The fold of ticks: everything that changes a workspace's usage value is in this file.

A value holds, per engine, the last reading of each container and the windows; one value per workspace, so that what one input key
changes is written as one. The fold owns the value and changes it in place. Of each message all samples are judged by the engine's
highest time before it: a tick is one instant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from streams.core.counters import NAMESPACE, READ_NS, normal, unpack
from streams.core.facts import MAX_GENERATION, Position
from streams.core.gathering import Kept, note
from streams.core.invalid import InvalidMessage
from streams.core.rates import Namespaces, derive, gauges, host, nothing_known, plausible
from streams.core.samples import ABSURD, BASELINE, FOLDED, FOLDED_LATE, FUTURE, LATE, OUT_OF_ORDER, Row, pack
from streams.core.updates import Updates
from streams.core.window_set import DEFAULT, Due, Policy, Sample, WindowSet, grace_begins, window_record
from streams.core.windows import DAY_NS, HOUR_NS

Record = dict[str, Any]

ENGINE_KEPT_NS: Final = 7 * DAY_NS
"""An engine that has been silent for longer, by another engine's time, leaves the value."""

WINDOWS_A_RECORD: Final = 100


@dataclass(slots=True)
class EngineUsage:
    """A workspace's containers on one engine. Names and labels are untrusted."""

    engine_id: str
    engine_name: str = ""
    workspace_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0
    highest_ns: int = 0
    """Highest time of a reading, engine's clock: what lateness is judged by."""
    tick_at_ns: int = 0
    readings: dict[str, bytes] = field(default_factory=dict)
    """The last counters of each container, packed: 19 integer objects lie far apart in memory, and reading them costs more."""
    namespaces: Namespaces = field(default_factory=dict)
    windows: WindowSet = field(default_factory=WindowSet)
    frame: Any = field(default=None, compare=False, repr=False)
    """What is remembered of its last tick by who folds many at once (`streams/columns`); a tick that is folded here ends it."""


class OrdinaryTick:
    """A tick as `take_ordinary` wants it; the sequences have an entry for each of its containers, in one order.

    No dataclass: it is made for every message, and what makes those stays Python also where the rest is machine code.

    Attributes:
        namespaces: their network namespaces, as of their readings.
        readings: their packed counters, all columns.
        hour_ns: begin of the hour that all readings lie in.
        sample_rows: rows as `gathering.note` takes them, from `sample_rows_at` on.
        tick_row: likewise.
    """

    __slots__ = (
        "at_ns", "containers", "engine", "highest_ns", "hour_ns", "namespaces", "readings", "sample_rows", "sample_rows_at", "tick_row",
    )  # fmt: skip

    def __init__(
        self,
        engine: EngineUsage,
        at_ns: int,
        highest_ns: int,
        containers: tuple[str, ...],
        namespaces: tuple[int, ...],
        readings: list[bytes],
        hour_ns: int,
        sample_rows: bytes,
        sample_rows_at: int,
        tick_row: bytes,
    ) -> None:
        self.engine = engine
        self.at_ns = at_ns
        self.highest_ns = highest_ns
        self.containers = containers
        self.namespaces = namespaces
        self.readings = readings
        self.hour_ns = hour_ns
        self.sample_rows = sample_rows
        self.sample_rows_at = sample_rows_at
        self.tick_row = tick_row


@dataclass(slots=True)
class UsageState:
    """What is kept of a workspace's usage."""

    workspace_id: str
    position: Position | None = None
    """The last tick folded: what is not behind it is known already."""
    engines: dict[str, EngineUsage] = field(default_factory=dict)
    updates: Updates = field(default_factory=Updates)
    """What was told beside samples and windows."""


def initial(workspace_id: str) -> UsageState:
    """The value of a workspace no tick came from yet."""
    return UsageState(workspace_id)


def fold_tick(
    state: UsageState, tick: Mapping[str, Any], position: Position, record_timestamp_ms: int, policy: Policy = DEFAULT
) -> tuple[UsageState, list[Record]]:
    """Folds one decoded `stats_tick`; returns the value (changed in place) and `usage` records to publish: samples, then windows.

    A tick at or before the last position changes nothing and yields nothing.

    Raises:
        InvalidMessage: counters that are no row of integers, or an absurd clock generation; the value is unchanged.
    """
    last = state.position
    if last is not None and (position.epoch, position.offset) <= (last.epoch, last.offset):
        return state, []
    if not 0 <= tick["generation"] <= MAX_GENERATION:  # believed once, it would make every genuine tick after it a stale one
        raise InvalidMessage("bad_generation", f"clock generation {tick['generation']} lies outside of 0 to {MAX_GENERATION}")
    readings = [normal(sample["counters"]) for sample in tick["samples"]]
    state.position = position
    engine = _engine(state, tick)
    outputs = []
    if readings:
        derived = _judge(engine, tick, readings, record_timestamp_ms, policy)
        outputs.append(_record(state, engine, "samples", samples=derived, part=tick["part"], host_memory_bytes=tick["host_memory_bytes"]))
    if (windows := due_windows(state, engine, policy)) is not None:
        outputs += _window_records(state, engine, windows)
        let_go(state, engine, policy)
    return state, outputs


def take_ordinary(state: UsageState, tick: OrdinaryTick, position: Position, samples: Callable[[], Sequence[Sample]]) -> list[Kept]:
    """Folds a tick that was judged elsewhere as `fold_tick` would judge it: all of its samples are `folded`, none of them late.

    Whoever calls this knows: it is newer than the last position; it is of the engine's generation and names; every container has a last
    reading and is alone in its network namespace; the hour is neither closed nor before the one its engine is in. It then has all windows
    returned, and those that are due, take in what is noted before another tick is folded.

    Args:
        samples: gives the tick's samples as decoded; asked where a window begins, for the names.
    """
    state.position = position
    engine = tick.engine
    engine.tick_at_ns = tick.at_ns
    engine.highest_ns = max(engine.highest_ns, tick.highest_ns)
    readings, namespaces = engine.readings, engine.namespaces
    for container_id, namespace, packed in zip(tick.containers, tick.namespaces, tick.readings, strict=True):
        readings[container_id] = packed
        if namespace > 0:
            namespaces[namespace] = packed
    slot = engine.windows.hour(tick.hour_ns)
    slot.count += len(tick.containers)
    known = slot.containers
    try:
        windows = [known[container_id] for container_id in tick.containers]
    except KeyError:
        windows = [
            known.get(sample["container_id"]) or engine.windows.begin(tick.hour_ns, slot, sample, unpack(packed)[READ_NS])
            for sample, packed in zip(samples(), tick.readings, strict=True)
        ]
    full: list[Kept] = []
    note(slot.ticks, windows, tick.sample_rows, tick.sample_rows_at, tick.tick_row, full)
    return full


def due_windows(state: UsageState, engine: EngineUsage, policy: Policy = DEFAULT) -> list[Due] | None:
    """The windows to publish behind a tick; None: their cadence has not come. At most `WINDOWS_A_RECORD` go into one record.

    Once they are published `let_go` follows, before another tick is folded. Each workspace has its own second of the minute, so that not
    all publish in one.
    """
    if engine.highest_ns < engine.windows.due_ns:
        return None
    windows = engine.windows.due(engine.highest_ns, policy)
    every = policy.hour_every_ns
    phase = crc32(state.workspace_id.encode()) * 1_000_000 % every
    engine.windows.due_ns = (engine.highest_ns - phase) // every * every + every + phase
    return windows


def publish_owed(state: UsageState, event_time_ms: int, policy: Policy = DEFAULT) -> list[Record]:
    """What windows still owe when no further sample comes: a stopped workspace's last minute, and its windows' end.

    Changes only what is remembered as published. `event_time_ms`: how far the log has come (a record's timestamp, not a clock).
    """
    outputs = []
    at_ns = event_time_ms * 1_000_000
    for engine in state.engines.values():
        owed = engine.windows.owed_at(engine.highest_ns, policy)
        if owed is not None and owed <= at_ns:
            outputs += _window_records(state, engine, engine.windows.due(at_ns, policy, everything=True))
    return outputs


def owed_at_ms(state: UsageState, policy: Policy = DEFAULT) -> int | None:
    """Event time at which `publish_owed` has something to publish, if no sample comes before; None: nothing is owed."""
    times = [owed for engine in state.engines.values() if (owed := engine.windows.owed_at(engine.highest_ns, policy)) is not None]
    return -(-min(times) // 1_000_000) if times else None


def _engine(state: UsageState, tick: Mapping[str, Any]) -> EngineUsage:
    engine = state.engines.get(tick["engine_id"])
    if engine is None:
        engine = state.engines[tick["engine_id"]] = EngineUsage(tick["engine_id"], generation=tick["generation"])
    engine.frame = None
    engine.engine_name = tick["engine_name"]
    engine.workspace_name = tick["workspace_name"]
    engine.labels = tick["labels"]
    engine.tick_at_ns = tick["tick_at_ns"]
    if tick["generation"] > engine.generation:
        # The engine's clock ran backward: its earlier readings are no measure for what comes now.
        engine.generation = tick["generation"]
        engine.highest_ns = 0
        engine.windows.clock_ran_back(tick["tick_at_ns"])
        engine.readings.clear()
        engine.namespaces.clear()
    return engine


def _judge(engine: EngineUsage, tick: Mapping[str, Any], readings: list[bytes], record_timestamp_ms: int, policy: Policy) -> list[Record]:
    """Derived samples of a tick in its order; those that were folded are in their windows then."""
    machine = host(tick["host_cpus"], tick["host_memory_bytes"], patience_ns(tick["interval_ms"], policy))
    latest_ns = record_timestamp_ms * 1_000_000 + policy.ahead_ns
    closed_before = engine.windows.closed_before(engine.highest_ns, policy)
    refused_before = engine.windows.refused_before(engine.highest_ns, policy)
    known, namespaces, stale = engine.readings, engine.namespaces, tick["generation"] < engine.generation
    derived: list[Record] = []
    rows: list[Row] = []
    folded: list[Mapping[str, Any]] = []
    for sample, packed in zip(tick["samples"], readings, strict=True):
        container_id = sample["container_id"]
        now = unpack(packed)
        read_ns = now[READ_NS]
        packed_before = known.get(container_id, b"")
        before = unpack(packed_before) if packed_before else None
        if read_ns > latest_ns:
            outcome, row = FUTURE, nothing_known(read_ns)
        elif not plausible(now, machine):
            outcome, row = ABSURD, nothing_known(read_ns)
        elif stale or (before is not None and read_ns <= before[READ_NS]):
            outcome, row = OUT_OF_ORDER, gauges(now, machine)
        elif before is None:
            outcome, row = LATE if read_ns < refused_before else BASELINE, gauges(now, machine)
            if outcome is BASELINE:
                _begin(engine, container_id, packed, now[NAMESPACE])
        else:
            outcome, row = derive(before, now, packed_before, packed, machine, namespaces)
            known[container_id] = packed
            if outcome is FOLDED and read_ns < closed_before:
                outcome = LATE if read_ns < refused_before else FOLDED_LATE
            if outcome is FOLDED or outcome is FOLDED_LATE:
                rows.append(row)
                folded.append(sample)
        if read_ns > engine.highest_ns and outcome is not FUTURE and outcome is not ABSURD and not stale:
            engine.highest_ns = read_ns
        derived.append({
            "container_id": container_id, "container_name": sample["container_name"], "service": sample["service"] or "",
            "outcome": outcome, "derived": pack(*row),
        })  # fmt: skip
    if rows:
        engine.windows.add(rows, folded, closed_before, first_part=tick["part"] == 0)
    return derived


def _begin(engine: EngineUsage, container_id: str, packed: bytes, namespace: int) -> None:
    """A container's first reading: what the next one is measured from, also of its namespace unless another is counting that."""
    engine.readings[container_id] = packed
    if namespace > 0:
        engine.namespaces.setdefault(namespace, packed)


def patience_ns(interval_ms: int, policy: Policy) -> int:
    """Readings further apart, at this collect interval, belong to no window."""
    # An interval is never longer than an hour, so that a window never takes in more than the hour before it.
    return min(max(policy.gap_ns, 3_000_000 * interval_ms), HOUR_NS)


def _window_records(state: UsageState, engine: EngineUsage, windows: list[Due]) -> list[Record]:
    """Records of some windows, small enough for any broker."""
    return [
        _record(state, engine, "windows", windows=[window_record(due) for due in windows[begin : begin + WINDOWS_A_RECORD]])
        for begin in range(0, len(windows), WINDOWS_A_RECORD)
    ]


def let_go(state: UsageState, engine: EngineUsage, policy: Policy = DEFAULT) -> None:
    """Keeps the value bounded: windows past grace leave, containers with the last hour they were in, engines long silent."""
    if grace_begins(engine.highest_ns, policy) <= engine.windows.gone_before_ns:
        return
    engine.windows.settle(engine.highest_ns, policy)
    unseen_before = grace_begins(engine.highest_ns, policy)
    for container_id in [container_id for container_id, last in engine.readings.items() if unpack(last)[READ_NS] < unseen_before]:
        del engine.readings[container_id]
    for namespace in [namespace for namespace, last in engine.namespaces.items() if unpack(last)[READ_NS] < unseen_before]:
        del engine.namespaces[namespace]
    for engine_id in [other.engine_id for other in state.engines.values() if other.highest_ns < engine.highest_ns - ENGINE_KEPT_NS]:
        del state.engines[engine_id]


def _record(
    state: UsageState,
    engine: EngineUsage,
    kind: str,
    *,
    part: int = 0,
    samples: list[Record] | None = None,
    windows: list[Record] | None = None,
    host_memory_bytes: int = 0,
) -> Record:
    position = state.position
    assert position is not None  # noqa: S101 - an engine is known only from a tick, and a tick has a position
    return {
        "kind": kind, "workspace_id": state.workspace_id, "workspace_name": engine.workspace_name, "engine_id": engine.engine_id,
        "engine_name": engine.engine_name, "generation": engine.generation, "labels": engine.labels, "epoch": position.epoch,
        "partition": position.partition, "offset": position.offset, "tick_at_ns": engine.tick_at_ns, "part": part,
        "samples": samples or [], "windows": windows or [], "host_memory_bytes": host_memory_bytes,
    }  # fmt: skip
