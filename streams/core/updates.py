"""What is told of a workspace's usage beside samples and windows: `metrics_update` events and signs of activity. Pure.

Both are judged tick by tick and engine by engine: a tick is one workspace on one engine at one instant of its producer's clock.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, NamedTuple

from streams.core.thresholds import Watch, Watches

HOUR_NS: Final = 3_600 * 10**9
"""A producer's clock that ran back further begins anew; less is an old tick that came late, which tells nothing."""

_READ: Final = struct.Struct("<8xq32xq48xqq")
"""Of a packed derived sample: interval_ns, cpu_millipercent, and the counted bytes received and sent (`samples.COLUMNS`)."""

Figures = dict[str, float]


class UpdatePolicy(NamedTuple):
    """When something is told; None: never.

    `every_ns`: at most so often a `metrics_update`. `quantum_ns`: at most one sign of activity in each; the floors are thousandths
    of a percent of one CPU, and bytes a second.
    """

    every_ns: int | None = 60 * 10**9
    quantum_ns: int | None = 300 * 10**9
    cpu_floor_millipercent: int = 5_000
    network_floor_bytes: int = 1_024


@dataclass(slots=True)
class EngineUpdates:
    """What was told of a workspace on one engine.

    Attributes:
        told_ns: tick of the last update; 0: none yet.
        metrics: its figures.
        pending_ns: tick that is being gathered, as it comes in parts.
        pending: the figures of its parts so far.
        quantum: number of the last quantum with a sign of activity.
        written: figures as they were written last, and their text: they change once for many times that they are written.
    """

    told_ns: int = 0
    metrics: Figures = field(default_factory=dict)
    pending_ns: int = 0
    pending: Figures = field(default_factory=dict)
    quantum: int = 0
    written: tuple[Figures, str] | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Updates:
    """Of one workspace; `seq` numbers its events of stream usage from 1 and never restarts."""

    seq: int = 0
    engines: dict[str, EngineUpdates] = field(default_factory=dict)
    watches: dict[str, Watches] = field(default_factory=dict)
    """By engine id: containers near or above a threshold."""

    def of(self, engine_id: str) -> EngineUpdates:
        """What was told of an engine."""
        entry = self.engines.get(engine_id)
        if entry is None:
            entry = self.engines[engine_id] = EngineUpdates()
        return entry


class Update(NamedTuple):
    """A `metrics_update`: the section of the event, without names that only one side has in `delta`."""

    old_metrics: Figures
    new_metrics: Figures
    delta: Figures
    updated_at_ns: int


def is_due(entry: EngineUpdates, tick: Mapping[str, Any], policy: UpdatePolicy) -> bool:
    """Whether the tick's figures are wanted."""
    if policy.every_ns is None:
        return False
    at_ns: int = tick["tick_at_ns"]
    if tick["part"]:
        return entry.pending_ns == at_ns
    return is_update_due(entry, at_ns, policy)


def is_update_due(entry: EngineUpdates, at_ns: int, policy: UpdatePolicy) -> bool:
    """Whether the figures of a tick in one part are wanted."""
    return policy.every_ns is not None and (at_ns >= entry.told_ns + policy.every_ns or at_ns < entry.told_ns - HOUR_NS)


def update(entry: EngineUpdates, tick: Mapping[str, Any], figures: Figures) -> Update | None:
    """Takes in the figures of a tick that is due, or of a part of it; None: there is nothing to tell yet."""
    if tick["parts"] > 1:
        before = entry.pending if tick["part"] else {}
        figures = {name: before.get(name, 0) + figures.get(name, 0) for name in {**before, **figures}}
        entry.pending_ns, entry.pending = tick["tick_at_ns"], figures
        if tick["part"] + 1 < tick["parts"]:
            return None
    return update_whole(entry, {name: round(value, 3) for name, value in sorted(figures.items())}, tick["tick_at_ns"])


def update_whole(entry: EngineUpdates, figures: Figures, at_ns: int) -> Update | None:
    """Takes in all figures of a tick that is due, in the order of their names and rounded; None: there is nothing to tell yet."""
    entry.pending_ns, entry.pending = 0, {}
    if "cpu_percent" not in figures:
        return None  # first readings only: what it does needs two
    old, new = entry.metrics, _with_percent(figures)
    entry.metrics, entry.told_ns = new, at_ns
    return Update(old, new, {name: _difference(value, old[name]) for name, value in new.items() if name in old}, at_ns)


def _difference(value: float, before: float) -> float:
    """Rounded as figures are: most are whole numbers, which need no rounding."""
    difference = value - before
    return difference if difference % 1.0 == 0.0 else round(difference, 3)


def _with_percent(figures: Figures) -> Figures:
    """Percents do not add up; what they are of does."""
    used, limit = figures.get("memory_usage"), figures.get("memory_limit")
    if used is None or not limit:
        return figures
    found: Figures = {}
    for name, value in figures.items():
        if name == "memory_usage":  # behind the percent, by name
            found["memory_percent"] = round(used / limit * 100, 3)
        found[name] = value
    return found


def activity(entry: EngineUpdates, tick: Mapping[str, Any], derived: Iterable[bytes], policy: UpdatePolicy) -> tuple[int, int] | None:
    """The first sign of activity in a quantum: CPU in thousandths of a percent, and bytes a second; None: none, or known.

    Args:
        derived: packed derived samples of the tick.
    """
    at_ns: int = tick["tick_at_ns"]
    return activity_of(entry, at_ns, derived, policy) if is_activity_due(entry, at_ns, policy) else None


def activity_of(entry: EngineUpdates, at_ns: int, derived: Iterable[bytes], policy: UpdatePolicy) -> tuple[int, int] | None:
    """As `activity` of a tick whose quantum has had no sign of it yet."""
    cpu = network = 0
    for packed in derived:
        interval_ns, millipercent, received, sent = _READ.unpack_from(packed)
        if interval_ns > 0:
            cpu += max(millipercent, 0)
            network += (max(received, 0) + max(sent, 0)) * 10**9 // interval_ns
    if cpu < policy.cpu_floor_millipercent and network < policy.network_floor_bytes:
        return None
    entry.quantum = at_ns // (policy.quantum_ns or 1)
    return cpu, network


def is_activity_due(entry: EngineUpdates, at_ns: int, policy: UpdatePolicy) -> bool:
    """Whether a tick's quantum has had no sign of activity yet."""
    if policy.quantum_ns is None:
        return False
    # A clock that ran back an hour counts anew.
    return at_ns // policy.quantum_ns > entry.quantum or at_ns <= entry.quantum * policy.quantum_ns - HOUR_NS


def to_text(updates: Updates) -> str:
    """For the value's bytes."""
    if not (updates.seq or updates.engines or updates.watches):
        return ""
    # Put together by hand, as `json` would do it with sorted keys: this is done for every value of every commit.
    engines = ",".join([f"{_json(engine_id)}:{_engine_text(entry)}" for engine_id, entry in sorted(updates.engines.items())])
    watches = ""
    if updates.watches:
        plain = {
            engine_id: [[container_id, rule, asdict(watch)] for (container_id, rule), watch in sorted(watches.items())]
            for engine_id, watches in updates.watches.items()
        }
        watches = f',"watches":{_json(plain)}'
    return f'{{"engines":{{{engines}}},"seq":{updates.seq}{watches}}}'


def _engine_text(entry: EngineUpdates) -> str:
    metrics = entry.metrics
    if entry.written is None or entry.written[0] is not metrics:
        entry.written = metrics, _json(metrics)
    pending = _json(entry.pending) if entry.pending else "{}"
    return (
        f'{{"metrics":{entry.written[1]},"pending":{pending},"pending_ns":{entry.pending_ns},'
        f'"quantum":{entry.quantum},"told_ns":{entry.told_ns}}}'
    )


_json: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def from_text(text: str) -> Updates:
    """Reads what `to_text` wrote; what a newer version added is passed over: while versions are mixed, an older worker may follow it."""
    plain: Mapping[str, Any] = json.loads(text)
    watches = {
        engine_id: {(container_id, rule): Watch(**_known(watch, _OF_WATCH)) for container_id, rule, watch in kept}
        for engine_id, kept in plain.get("watches", {}).items()
    }
    engines = {engine_id: EngineUpdates(**_known(entry, _OF_ENGINE)) for engine_id, entry in plain["engines"].items()}
    return Updates(plain["seq"], engines, watches)


_OF_WATCH: Final = frozenset(field.name for field in fields(Watch))
_OF_ENGINE: Final = frozenset(field.name for field in fields(EngineUpdates) if field.compare)


def _known(said: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name in names}
