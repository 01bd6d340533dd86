"""Which ticks of a slice may be ordinary, and what is made of all of them at once.

Nothing is changed here: whoever folds takes the ticks one by one in the order of the log, each as it is found here or, where nothing is
found, by `usage.fold_tick`. A tick may be found only where everything it is judged by is known before the slice, or comes from ticks of
the same slice that were found ordinary: from the first tick of a workspace that was not, the rest of its ticks must be folded singly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.codec import plain
from schemas.tick_decoder import TickNumbers, decode_tick
from schemas.tick_frame import TickFrame, frame_of
from schemas.usage_encoder import SamplesFrame, WindowsFrame
from streams.columns.derive import Ticks, derive
from streams.columns.windows import encode_due
from streams.core.counters import NAMESPACE, READ_NS, unpack
from streams.core.facts import Position
from streams.core.gathering import SAMPLE_BYTES, TICK_BYTES, Kept
from streams.core.rates import Host, host
from streams.core.samples import COLUMNS, FOLDED
from streams.core.usage import EngineUsage, OrdinaryTick, UsageState, due_windows, patience_ns, take_ordinary
from streams.core.window_set import DEFAULT, Due, Policy, with_parts
from streams.core.windows import HOUR_NS

Levels = tuple[float, float]
"""Percent of CPU and of memory, each above 0: what stays below both calls for no other look."""

DERIVED_BYTES: Final = 8 * len(COLUMNS)
_MOST_SAMPLES: Final = 200
"""Of a message; sums of more might not fit."""
_LATEST_MS: Final = 1 << 42


class Frame:
    """What is remembered of an engine's last tick of a workspace: as long as ticks differ from it in numbers only, they may be ordinary.

    It knows nothing that knows it: a value that grows cold is gone at once, without a collector of garbage.

    Invariant: each container's last reading is of `namespaces`, and what its namespace was counted from last.
    """

    __slots__ = ("containers", "levels", "namespaces", "samples", "tick", "windows_of")

    def __init__(
        self,
        tick: TickFrame,
        decoded: Mapping[str, Any],
        containers: tuple[str, ...],
        namespaces: tuple[int, ...],
        levels: Levels | None,
    ) -> None:
        self.tick = tick
        self.containers = containers
        self.namespaces = namespaces
        self.samples = SamplesFrame(decoded, DERIVED_BYTES, FOLDED)
        self.windows_of = WindowsFrame(decoded)
        self.levels = levels


class Found:
    """An ordinary tick: what `usage.take_ordinary` wants, and its derived samples.

    Attributes:
        data: the message's bytes.
        due: windows to publish behind it; None: their cadence has not come.
        derived: packed derived samples of the slice, this tick's from `at` on.
        calm: none is near a threshold.
        numbers: of the tick (`TickNumbers`).
        quiet: nothing follows from it but its samples, and what is told of those of now and then.
    """

    __slots__ = (
        "_decoded", "at", "calm", "data", "derived", "due", "engine", "frame", "hour_ns", "numbers", "quiet", "readings", "state", "tick",
    )  # fmt: skip

    def __init__(
        self,
        state: UsageState,
        engine: EngineUsage,
        frame: Frame,
        numbers: tuple[int, ...],
        readings: list[bytes],
        hour_ns: int,
        data: bytes,
    ) -> None:
        self.state = state
        self.engine = engine
        self.frame = frame
        self.numbers = numbers
        self.readings = readings
        self.hour_ns = hour_ns
        self.data = data
        self.tick: OrdinaryTick
        self.derived = b""
        self.at = 0
        self.calm = False
        self.due: list[Due] | None = None
        self._decoded: dict[str, Any] | None = None
        self.quiet = False

    def take(self, position: Position) -> list[Kept]:
        """Folds it, but for what follows from it; returns the windows that must take in what is noted before another tick is folded."""
        full = take_ordinary(self.state, self.tick, position, self.named)
        self.due = due_windows(self.state, self.engine)
        return with_parts(full, self.due) if self.due else full

    def still_holds(self) -> bool:
        """Whether its engine is still there: one that was silent for long leaves with what another engine's tick brings."""
        return self.state.engines.get(self.engine.engine_id) is self.engine

    def samples_record(self, position: Position) -> bytes:
        """Its record of kind `samples`, encoded."""
        return self.frame.samples.encode(position, self.numbers[1], self.numbers[6], self.derived, self.at)

    def windows_record(self, position: Position, windows: Sequence[Due]) -> bytes:
        """The record of kind `windows` behind it, encoded."""
        return self.frame.windows_of.encode(position, self.numbers[1], encode_due(windows))

    def whose(self) -> tuple[str, int, int]:
        """Its engine's id, its instant, and the memory of the engine's host."""
        return self.engine.engine_id, self.numbers[1], self.numbers[6]

    def derived_samples(self) -> list[bytes]:
        """Its packed derived samples."""
        begin, end = self.at, self.at + DERIVED_BYTES * len(self.readings)
        return [self.derived[at : at + DERIVED_BYTES] for at in range(begin, end, DERIVED_BYTES)]

    def samples(self) -> list[dict[str, Any]]:
        """Its derived samples as `fold_tick` gives them."""
        return [
            {
                "container_id": each["container_id"], "container_name": each["container_name"], "service": each["service"] or "",
                "outcome": FOLDED, "derived": derived,
            }
            for each, derived in zip(self.named(), self.derived_samples(), strict=True)
        ]  # fmt: skip

    def decoded(self) -> dict[str, Any]:
        """The tick as decoding gives it."""
        if self._decoded is None:
            self._decoded = decode_tick(self.data)
        return self._decoded

    def named(self) -> list[dict[str, Any]]:
        """Its samples as decoding gives them."""
        samples: list[dict[str, Any]] = self.decoded()["samples"]
        return samples


class Look:
    """One look over the messages of a slice."""

    def __init__(self, policy: Policy = DEFAULT) -> None:
        self._policy = policy
        self._numbers = TickNumbers()

    def over(self, states: Sequence[UsageState | None], messages: Sequence[Any]) -> list[Found | None]:
        """Finds the ordinary ticks of some messages.

        Args:
            states: of each message's workspace, before the slice.
            messages: with `value`, `position` and `timestamp_ms`.
        """
        found: list[Found | None] = []
        ticks = Ticks([], [], [], [], [], [], [], [], [])
        latest: dict[Frame, list[bytes]] = {}
        singly: set[str] = set()
        hosts: dict[tuple[int, ...], int] = {}
        levels: dict[Levels, int] = {}
        furthest = -1
        for state, message in zip(states, messages, strict=True):
            one = None
            if state is not None and state.workspace_id not in singly:
                if message.position.offset > furthest:  # else what the slice itself brought may be ahead of it
                    one = self._maybe(state, message)
                if one is None:
                    singly.add(state.workspace_id)
            found.append(one)
            furthest = max(furthest, message.position.offset)
            if one is None:
                continue
            frame, numbers = one.frame, one.numbers
            before = latest.get(frame)
            if before is None:
                known = one.engine.readings
                before = [known[container_id] for container_id in frame.containers]
            latest[frame] = one.readings
            ticks.now.extend(one.readings)
            ticks.before.extend(before)
            ticks.counts.append(len(before))
            number = hosts.get(numbers)
            if number is None:
                number = hosts[numbers] = len(ticks.hosts)
                ticks.hosts.append(self._host(numbers))
            ticks.host.append(number)
            ticks.latest_ns.append(message.timestamp_ms * 1_000_000 + self._policy.ahead_ns)
            ticks.hour_ns.append(one.hour_ns)
            one_levels = frame.levels or (1.0, 1.0)
            level = levels.get(one_levels)
            if level is None:
                level = levels[one_levels] = len(ticks.levels)
                ticks.levels.append(one_levels)
            ticks.level.append(level)
        if ticks.counts:
            _judge(found, ticks)
        return found

    def _host(self, numbers: tuple[int, ...]) -> Host:
        return host(numbers[5], numbers[6], patience_ns(numbers[2], self._policy))

    def _maybe(self, state: UsageState, message: Any) -> Found | None:
        """A tick that is ordinary unless its samples are not."""
        data: bytes | None = plain(message.value)
        position, last = message.position, state.position
        if data is None or last is None or (position.epoch, position.offset) <= (last.epoch, last.offset):
            return None
        for engine in state.engines.values():
            if engine.frame is None:
                continue
            frame: Frame = engine.frame
            readings = frame.tick.read(data, self._numbers)
            if readings is None:
                continue
            generation, _, _, part, parts, _, _ = numbers = self._numbers.values
            if generation != engine.generation or part != 0 or parts != 1 or not 0 <= message.timestamp_ms < _LATEST_MS:
                return None
            hour_ns = unpack(readings[0])[READ_NS] // HOUR_NS * HOUR_NS
            if hour_ns < max(engine.highest_ns // HOUR_NS * HOUR_NS, engine.windows.gone_before_ns):
                return None
            return Found(state, engine, frame, numbers, readings, hour_ns, data)
        return None


def _judge(found: list[Found | None], ticks: Ticks) -> None:
    """Leaves of what may be ordinary what is, and gives each what was derived."""
    derived = derive(ticks)
    number = sample = 0
    for place, one in enumerate(found):
        if one is None:
            continue
        if derived.ordinary[number]:
            frame = one.frame
            one.derived = derived.derived
            one.at = DERIVED_BYTES * sample
            one.calm = frame.levels is not None and derived.calm[number]
            one.tick = OrdinaryTick(
                one.engine, one.numbers[1], derived.highest[number], frame.containers, frame.namespaces, one.readings, one.hour_ns,
                derived.samples, SAMPLE_BYTES * sample, derived.ticks[TICK_BYTES * number : TICK_BYTES * (number + 1)],
            )  # fmt: skip
        else:
            found[place] = None
        number += 1
        sample += len(one.readings)


def remember(state: UsageState, tick: Mapping[str, Any], value: bytes | None, levels: Levels | None) -> None:
    """Remembers a tick that was folded just now, where its next one may be ordinary.

    Args:
        tick: as decoded from `value`.
        levels: what stays below needs no look at its thresholds; None: everything needs one.
    """
    engine = state.engines[tick["engine_id"]]
    samples = tick["samples"]
    if not samples or len(samples) > _MOST_SAMPLES or tick["generation"] != engine.generation:
        return
    namespaces: list[int] = []
    for sample in samples:
        reading = engine.readings.get(sample["container_id"])
        if reading is None:
            return
        namespace = unpack(reading)[NAMESPACE]
        if namespace > 0 and engine.namespaces.get(namespace) is not reading:
            return  # shared
        namespaces.append(namespace)
    containers = tuple([sample["container_id"] for sample in samples])
    data = plain(value)
    seen = frame_of(data) if data is not None and len(set(containers)) == len(containers) else None
    if seen is None:
        return
    engine.frame = Frame(seen, tick, containers, tuple(namespaces), levels)
