"""Windows of usage folded again from samples, and what the running system says otherwise. Pure.

A window says which tick it was last told after; it is compared as it is then, so that windows that are still open, or were told before a
late sample, are compared, too. What is let go of is what no sample can reach any more.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from streams.core.facts import Position
from streams.core.histogram import from_bytes
from streams.core.samples import FOLDED, FOLDED_LATE, READ_NS, Row
from streams.core.window_set import DEFAULT, Due, Slot, WindowSet, of_day, window_record
from streams.core.windows import DAY_NS, HOUR_NS, NUMBERS
from streams.query.present import time_text
from streams.replay.refold import Difference

Record = dict[str, Any]

#: A window that ended so long before its engine's latest reading is told and changes no more: past delay, grace, and the cadence.
SLACK_NS: Final = DEFAULT.delay_ns + DEFAULT.grace_ns + 2 * HOUR_NS
#: Readings before the log begins may still be what the first ones in it are measured from.
_WARM_NS: Final = DEFAULT.delay_ns + DEFAULT.grace_ns + HOUR_NS
_LENGTH_NS: Final = {"hour": HOUR_NS, "day": DAY_NS}
_LATE_NS: Final = 1 << 62
#: What is compared: sums, extremes, lasts, who it is about, and the percentiles' sketches.
_COMPARED: Final = (*NUMBERS, "cpu_millipercent_last", "memory_used_bytes_last", "container_count", "container_name", "service", "sketches")


class WindowKey(NamedTuple):
    """Which window; `container_id` empty: of the workspace on the engine."""

    workspace_id: str
    engine_id: str
    container_id: str
    grain: str
    start_ms: int

    @property
    def end_ns(self) -> int:
        """Its end, exclusive, ns since the Unix epoch."""
        return self.start_ms * 1_000_000 + _LENGTH_NS[self.grain]


class Told(NamedTuple):
    """A window as the running system told it last.

    Attributes:
        position: of the last tick that was folded before.
        window: what is compared (`told_window`).
    """

    position: Position
    window: Record


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading as it was folded."""

    container_id: str
    container_name: str
    service: str
    outcome: str
    row: Row


class Tick(NamedTuple):
    """The samples of one tick of a workspace on an engine."""

    workspace_id: str
    workspace_name: str
    engine_id: str
    engine_name: str
    labels: Mapping[str, str]
    position: Position
    first_part: bool
    samples: list[Sample]


def told_window(record: Mapping[str, Any]) -> Record:
    """A window of a `usage` record as it is compared: sketches as ClickHouse has them, in hex digits."""
    sketches = {metric: from_bytes(packed).to_clickhouse().hex() for metric, packed in record["histograms"].items()}
    return {**record, "sketches": sketches, "container_name": record["container_name"] or "", "service": record["service"] or ""}


@dataclass(slots=True)
class _Engine:
    """A workspace's windows on one engine."""

    windows: WindowSet = field(default_factory=WindowSet)
    first_ns: int = 0
    last: Tick | None = None


@dataclass(slots=True)
class WindowRefold:
    """Windows as taken in again, tick by tick, each workspace's in the order of the log.

    Attributes:
        live: what the running system says.
        whole: the ticks begin where the log began; else windows that begin soon after the first tick are left out.
        since_ns: windows that begin before are left out.
        left_out: by workspace, up to when its windows are left out, as samples of then were erased, ns.
        put: takes each window when it is done, with the last tick in it.
        compared: windows compared; skipped: windows left out.
    """

    live: Mapping[WindowKey, Told]
    whole: bool = True
    since_ns: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    put: Callable[[Record, Tick], None] | None = None
    compared: int = 0
    skipped: int = 0
    ticks: int = 0
    _engines: dict[tuple[str, str], _Engine] = field(default_factory=dict)
    _wanted: dict[str, deque[WindowKey]] = field(default_factory=dict)
    _until_ns: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_workspace: dict[str, list[WindowKey]] = defaultdict(list)
        for key, told in self.live.items():
            by_workspace[key.workspace_id].append(key)
            engine = key.workspace_id, key.engine_id
            self._until_ns[engine] = max(self._until_ns.get(engine, 0), told.window["last_read_ns"])
        for name, keys in by_workspace.items():
            self._wanted[name] = deque(sorted(keys, key=self._place))

    def _place(self, key: WindowKey) -> tuple[int, int]:
        position = self.live[key].position
        return position.epoch, position.offset

    def take(self, tick: Tick) -> Iterator[Difference]:
        """Takes a tick in; yields what differs in windows that were told last after it, or before it."""
        self.ticks += 1
        at = tick.position.epoch, tick.position.offset
        yield from self._compare_until(tick.workspace_id, at, inclusive=False)
        folded = [sample for sample in tick.samples if sample.outcome in (FOLDED, FOLDED_LATE)]
        engine = self._engines.setdefault((tick.workspace_id, tick.engine_id), _Engine())
        if tick.samples and not engine.first_ns:
            engine.first_ns = min(sample.row[READ_NS] for sample in tick.samples)
        engine.last = tick
        # All that one tick brings to an hour is late, or nothing.
        for outcome, closed_before in ((FOLDED, 0), (FOLDED_LATE, _LATE_NS)):
            some = [sample for sample in folded if sample.outcome == outcome]
            if some:
                named = [_named(sample) for sample in some]
                engine.windows.add([sample.row for sample in some], named, closed_before, first_part=tick.first_part)
        yield from self._compare_until(tick.workspace_id, at, inclusive=True)
        if folded:
            yield from self._let_go(tick.workspace_id, tick.engine_id, engine, max(sample.row[READ_NS] for sample in folded) - SLACK_NS)

    def end(self) -> Iterator[Difference]:
        """Compares what is left."""
        for name in self._wanted:
            yield from self._compare_until(name, (1 << 62, 0), inclusive=True)
        for (workspace_id, engine_id), engine in self._engines.items():
            yield from self._let_go(workspace_id, engine_id, engine, _LATE_NS)

    def _compare_until(self, workspace_id: str, at: tuple[int, int], *, inclusive: bool) -> Iterator[Difference]:
        wanted = self._wanted.get(workspace_id, deque())
        while wanted and (self._place(wanted[0]) <= at if inclusive else self._place(wanted[0]) < at):
            yield from self._compare(wanted.popleft())

    def _compare(self, key: WindowKey) -> Iterator[Difference]:
        if not self._counts(key):
            self.skipped += 1
            return
        self.compared += 1
        engine = self._engines.get((key.workspace_id, key.engine_id))
        again = None if engine is None else _window(engine.windows, key)
        told = self.live[key].window
        if again is None:
            yield Difference(key.workspace_id, _what(key), f"{told['sample_count']} samples", None)
            return
        for name in _COMPARED:
            if told[name] != again[name]:
                yield Difference(key.workspace_id, f"{_what(key)} {name}", told[name], again[name])

    def _counts(self, key: WindowKey) -> bool:
        engine = self._engines.get((key.workspace_id, key.engine_id))
        begins_ns = key.start_ms * 1_000_000
        if begins_ns < self.since_ns or begins_ns <= self.left_out.get(key.workspace_id, -1):
            return False
        return self.whole or (engine is not None and begins_ns >= engine.first_ns + _WARM_NS)

    def _let_go(self, workspace_id: str, engine_id: str, engine: _Engine, before_ns: int) -> Iterator[Difference]:
        windows = engine.windows
        for start in [start for start in windows.hours if start + HOUR_NS <= before_ns]:
            yield from self._done(workspace_id, engine_id, engine, "hour", start)
            windows.days[start // DAY_NS * DAY_NS].take_in(windows.hours.pop(start))
        for start in [start for start in windows.days if start + DAY_NS <= before_ns]:
            yield from self._done(workspace_id, engine_id, engine, "day", start)
            del windows.days[start]

    def _done(self, workspace_id: str, engine_id: str, engine: _Engine, grain: str, start_ns: int) -> Iterator[Difference]:
        """Nothing more can come: what is in no word of the running system differs, if it should have been told."""
        over_ns = self._until_ns.get((workspace_id, engine_id), 0) - SLACK_NS
        for container_id in ("", *sorted(_containers(engine.windows, grain, start_ns))):
            key = WindowKey(workspace_id, engine_id, container_id, grain, start_ns // 1_000_000)
            if key not in self.live and key.end_ns <= over_ns and self._counts(key):
                yield Difference(workspace_id, _what(key), None, "folded again")
            due = _due(engine.windows, key) if self.put is not None else None
            if due is not None and self.put is not None and engine.last is not None:
                self.put(window_record(due), engine.last)


def _named(sample: Sample) -> Record:
    return {"container_id": sample.container_id, "container_name": sample.container_name, "service": sample.service}


def _containers(windows: WindowSet, grain: str, start_ns: int) -> Iterable[str]:
    if grain == "hour":
        return windows.hours[start_ns].containers
    return of_day(windows.days[start_ns], _hours(windows, start_ns))


def _hours(windows: WindowSet, day_ns: int) -> list[Slot]:
    return [hour for begin, hour in windows.hours.items() if day_ns <= begin < day_ns + DAY_NS]


def _due(windows: WindowSet, key: WindowKey) -> Due | None:
    """A window as it is; None: it has no sample."""
    start_ns = key.start_ms * 1_000_000
    slot = (windows.hours if key.grain == "hour" else windows.days).get(start_ns)
    if slot is None:
        return None
    hours = [] if key.grain == "hour" else _hours(windows, start_ns)
    if not key.container_id:
        kept, count = [slot.ticks, *(hour.ticks for hour in hours)], len(slot.members)
    else:
        own = slot.containers.get(key.container_id) if key.grain == "hour" else None
        kept = [own] if own is not None else of_day(slot, hours).get(key.container_id, []) if key.grain == "day" else []
        count = 1
    if not any(each.sample_count() for each in kept):
        return None
    return Due(key.grain, start_ns, True, kept, key.container_id or None, count)


def _window(windows: WindowSet, key: WindowKey) -> Record | None:
    due = _due(windows, key)
    return None if due is None else told_window(window_record(due))


def _what(key: WindowKey) -> str:
    whose = f"container {key.container_id}" if key.container_id else f"engine {key.engine_id}"
    return f"{key.grain} {time_text(key.start_ms * 1_000_000)} of {whose}"
