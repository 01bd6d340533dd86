"""One engine's windows inside a workspace's value: which are open, closed, gone, and what of them is to be published.

Lateness is judged by the engine's own highest time, so one host with a fast clock never makes another's samples late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from streams.core import window_bytes
from streams.core.gathering import Kept, gather, take_samples, take_ticks
from streams.core.samples import READ_NS, Row
from streams.core.windows import DAY_NS, HOUR_NS, METRICS, NO_NAME, NUMBERS, SECOND_NS

MAX_CONTAINERS: Final = 200
"""Containers of an engine with a window of their own in one hour or day; the others share `OTHERS`: a value stays below 512 KB."""
OTHERS: Final = "*"
"""Instead of a container's id: all containers beyond the first `MAX_CONTAINERS` of the window, together."""

Sample = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient and how talkative windows are. All in ns of event time."""

    delay_ns: int = 30 * SECOND_NS
    """Disorder tolerated before a window is called closed."""
    grace_ns: int = HOUR_NS
    """How long a closed window stays in the value, so that a late sample still corrects it; a container unseen for longer is dropped."""
    hour_every_ns: int = 60 * SECOND_NS
    """A running hour of a workspace is published at most this often, beside once when it begins."""
    day_every_ns: int = 300 * SECOND_NS
    """A running day likewise."""
    container_hour_every_ns: int = 300 * SECOND_NS
    """Running hours of containers are published at most this often."""
    container_day_every_ns: int = HOUR_NS
    """Running days of containers are published when an hour has ended, else at most this often."""
    gap_ns: int = 300 * SECOND_NS
    """Readings further apart, and further than three collect intervals, belong to no window."""
    ahead_ns: int = 60 * SECOND_NS
    """A reading further ahead of its record's timestamp is of the future."""


DEFAULT: Final = Policy()


@dataclass(slots=True)
class Slot:
    """A workspace's window kept, and those of its containers, and what of them was published last.

    A day's windows hold only the hours that are gone.
    """

    ticks: Kept = field(default_factory=partial(Kept, take_ticks))
    count: int = 0
    """Samples in it."""
    published_count: int = 0
    published_final: bool = False
    published_at_ns: int = 0
    containers: dict[str, Kept] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    """Containers that had a sample in it, the first `MAX_CONTAINERS`."""
    told: dict[str, int] = field(default_factory=dict)
    """Samples of each container's window when it was published last."""
    told_count: int = 0
    told_final: bool = False
    told_at_ns: int = 0

    def begin(self, sample: Sample, read_ns: int) -> Kept:
        """The window of a sample's container, which had none of its own yet."""
        container_id: str = sample["container_id"]
        if container_id not in self.members:
            if len(self.members) >= MAX_CONTAINERS:
                return self.containers.setdefault(OTHERS, Kept(take_samples))
            self.members.add(container_id)
        named = window_bytes.named((read_ns, sample["container_name"], sample["service"] or ""))
        kept = self.containers[container_id] = Kept(take_samples, named)
        return kept

    def take_in(self, hour: Slot) -> None:
        """A day takes in an hour that is gone."""
        total = self.ticks.window()
        total.merge(hour.ticks.window())
        self.ticks.put(total)
        self.count += hour.count
        for container_id, kept in hour.containers.items():
            own = container_id if container_id in self.members else OTHERS
            before = self.containers.setdefault(own, Kept(take_samples))
            window = kept.window()
            if before.packed:
                window.merge(before.window())
            before.put(window)


class Due(NamedTuple):
    """A window to publish: the merge of its parts."""

    grain: str
    start_ns: int
    final: bool
    parts: Sequence[Kept]
    container_id: str | None
    container_count: int

    def whole(self) -> bytes:
        """The window as `window_bytes` has it; what is noted beside its parts is in them from now on."""
        return window_bytes.merge([part.whole() for part in self.parts])


def with_parts(some: Sequence[Kept], windows: Sequence[Due]) -> list[Kept]:
    """Windows, and the parts of those to publish that have something noted, each once."""
    found = {id(kept): kept for kept in some}
    for due in windows:
        for part in due.parts:
            if part.noted:
                found[id(part)] = part
    return list(found.values())


@dataclass(slots=True)
class WindowSet:
    """Windows by their begin in ns.

    Invariant: an hour is in `hours`, or merged into its day, or begins at or after `gone_before_ns`.
    """

    hours: dict[int, Slot] = field(default_factory=dict)
    days: dict[int, Slot] = field(default_factory=dict)
    gone_before_ns: int = 0
    """Hours that end by then have left: a sample for them is late. It never goes back, whatever the engine's clock does."""
    due_ns: int = 0
    """Engine time of the next publication."""

    def add(self, rows: Sequence[Row], samples: Sequence[Sample], closed_before: int, *, first_part: bool) -> None:
        """Adds one tick's folded rows and the samples they are of, each to the hour of its reading.

        `closed_before`: as of before the tick. Lateness is the hour's, so all that one tick brings to an hour is late, or nothing.
        """
        start = rows[0][READ_NS] // HOUR_NS * HOUR_NS
        end = start + HOUR_NS
        for row in rows:
            if not start <= row[READ_NS] < end:
                break
        else:
            self._add(start, rows, samples, closed_before, first_part)
            return
        by_hour: dict[int, tuple[list[Row], list[Sample]]] = {}
        for row, sample in zip(rows, samples, strict=True):
            some = by_hour.setdefault(row[READ_NS] // HOUR_NS * HOUR_NS, ([], []))
            some[0].append(row)
            some[1].append(sample)
        for start, (its_rows, its_samples) in by_hour.items():
            self._add(start, its_rows, its_samples, closed_before, first_part)

    def _add(self, start: int, rows: Sequence[Row], samples: Sequence[Sample], closed_before: int, first_part: bool) -> None:
        """Adds what lies in one hour."""
        slot = self.hour(start)
        slot.count += len(rows)
        known = slot.containers
        try:
            containers = [known[sample["container_id"]] for sample in samples]
        except KeyError:
            containers = [
                known.get(sample["container_id"]) or self.begin(start, slot, sample, row[READ_NS])
                for sample, row in zip(samples, rows, strict=True)
            ]
        gather(slot.ticks, containers, rows, start + HOUR_NS <= closed_before, first_part)

    def hour(self, start: int) -> Slot:
        """An hour, from now on kept."""
        slot = self.hours.get(start)
        if slot is None:
            slot = self.hours[start] = Slot()
            self.days.setdefault(start // DAY_NS * DAY_NS, Slot())
            self.due_ns = 0
        return slot

    def begin(self, start: int, slot: Slot, sample: Sample, read_ns: int) -> Kept:
        """The window of a container that had none in the hour; it becomes a member of the day."""
        members = self.days[start // DAY_NS * DAY_NS].members
        if len(members) < MAX_CONTAINERS:
            members.add(sample["container_id"])
        return slot.begin(sample, read_ns)

    def closed_before(self, highest_ns: int, policy: Policy) -> int:
        """Readings before this are for a closed window."""
        return max(self.gone_before_ns, (highest_ns - policy.delay_ns) // HOUR_NS * HOUR_NS)

    def refused_before(self, highest_ns: int, policy: Policy) -> int:
        """Readings before this are past grace."""
        return max(self.gone_before_ns, grace_begins(highest_ns, policy))

    def settle(self, highest_ns: int, policy: Policy) -> None:
        """Lets go of what is past grace and published: an hour merges into its day, a day leaves. Call after `due`."""
        self.gone_before_ns = self.refused_before(highest_ns, policy)
        for start in [start for start in self.hours if start + HOUR_NS <= self.gone_before_ns]:
            self.days[start // DAY_NS * DAY_NS].take_in(self.hours.pop(start))
        for start in [start for start in self.days if start + DAY_NS <= self.gone_before_ns]:
            del self.days[start]

    def due(self, at_ns: int, policy: Policy, *, everything: bool = False) -> list[Due]:
        """Windows whose content or finality changed since they were published, and marks them as published at `at_ns`.

        `everything`: those, too, whose cadence has not come; so are those that are about to leave.
        """
        found: list[Due] = []
        ended, leaving = False, grace_begins(at_ns, policy)
        for start, slot in sorted(self.hours.items()):
            final = slot.published_final or start + HOUR_NS + policy.delay_ns <= at_ns
            if (slot.count, final) != (slot.published_count, slot.published_final):
                found.append(Due("hour", start, final, (slot.ticks,), None, len(slot.members)))
                _published(slot, slot.count, final, at_ns)
            ended |= final and not slot.told_final
            at_once = everything or start + HOUR_NS <= leaving
            if _containers_due(slot, slot.count, final, at_ns, 0 if at_once else policy.container_hour_every_ns):
                for container_id, kept in sorted(slot.containers.items()):
                    if _untold(slot, container_id, kept.sample_count(), final):
                        found.append(Due("hour", start, final, (kept,), container_id, 1))
                _told(slot, slot.count, final, at_ns)
        for start, slot in sorted(self.days.items()):
            self._due_day(found, start, slot, at_ns, policy, everything or start + DAY_NS <= leaving, ended)
        return found

    def _due_day(self, found: list[Due], start: int, slot: Slot, at_ns: int, policy: Policy, at_once: bool, ended: bool) -> None:
        final = slot.published_final or start + DAY_NS + policy.delay_ns <= at_ns
        hours = [hour for begin, hour in self.hours.items() if start <= begin < start + DAY_NS]
        count = slot.count + sum([hour.count for hour in hours])
        soon = final != slot.published_final or at_once
        if (count, final) != (slot.published_count, slot.published_final) and (
            soon or not 0 <= at_ns - slot.published_at_ns < policy.day_every_ns
        ):
            found.append(Due("day", start, final, [each.ticks for each in (slot, *hours)], None, len(slot.members)))
            _published(slot, count, final, at_ns)
        if _containers_due(slot, count, final, at_ns, 0 if at_once or ended else policy.container_day_every_ns):
            for container_id, parts in sorted(of_day(slot, hours).items()):
                if _untold(slot, container_id, sum([kept.sample_count() for kept in parts]), final):
                    found.append(Due("day", start, final, parts, container_id, 1))
            _told(slot, count, final, at_ns)

    def clock_ran_back(self, now_ns: int) -> None:
        """The engine's clock runs from `now_ns` again.

        Hours that have left stay refused, or they would begin again from nothing; but a clock that had been days ahead must not make
        everything late until that future comes: from the next day on all is folded.
        """
        self.due_ns = 0
        if self.gone_before_ns - now_ns > 2 * DAY_NS:
            self.gone_before_ns = (now_ns // DAY_NS + 1) * DAY_NS

    def owed_at(self, highest_ns: int, policy: Policy) -> int | None:
        """Event time in ns at which something is to be published if no further sample comes; None: nothing is owed.

        Not before the engine was silent for the cadence of its hours: else a sample is on its way that publishes by cadence.
        """
        times = [start + HOUR_NS + policy.delay_ns for start, slot in self.hours.items() if not slot.published_final]
        times += [start + DAY_NS + policy.delay_ns for start, slot in self.days.items() if not slot.published_final]
        if any(slot.count != min(slot.published_count, slot.told_count) for slot in self.hours.values()):
            times.append(self.due_ns)
        return max(min(times), highest_ns + policy.hour_every_ns) if times else None


def grace_begins(highest_ns: int, policy: Policy) -> int:
    """Hours that end by then are past grace."""
    return (highest_ns - policy.delay_ns - policy.grace_ns) // HOUR_NS * HOUR_NS


def of_day(day: Slot, hours: Sequence[Slot]) -> dict[str, list[Kept]]:
    """What each container's day is made of: hours that are gone, and those that are not."""
    parts = {container_id: [kept] for container_id, kept in day.containers.items()}
    for hour in hours:
        for container_id, kept in hour.containers.items():
            parts.setdefault(container_id if container_id in day.members else OTHERS, []).append(kept)
    return parts


def _containers_due(slot: Slot, count: int, final: bool, at_ns: int, every_ns: int) -> bool:
    """Whether containers' windows are to be published: some changed, and their cadence has come, or they are final now."""
    if (count, final) == (slot.told_count, slot.told_final):
        return False
    return final != slot.told_final or not 0 <= at_ns - slot.told_at_ns < every_ns


def _untold(slot: Slot, container_id: str, count: int, final: bool) -> bool:
    """Whether the window of a container changed since it was published; it counts as published then."""
    if not count or (count == slot.told.get(container_id) and final == slot.told_final):
        return False
    slot.told[container_id] = count
    return True


def _told(slot: Slot, count: int, final: bool, at_ns: int) -> None:
    slot.told_count, slot.told_final, slot.told_at_ns = count, final, at_ns


def _published(slot: Slot, count: int, final: bool, at_ns: int) -> None:
    slot.published_count, slot.published_final, slot.published_at_ns = count, final, at_ns


def window_record(due: Due) -> dict[str, Any]:
    """A window as the schema `usage` has it."""
    numbers, name, histograms = window_bytes.split(due.whole())
    *plain, _, cpu_last, _, memory_last = numbers
    record: dict[str, Any] = dict(zip(NUMBERS, plain, strict=True))
    if due.container_id is not None:
        record["tick_count"], record["covered_ns"] = record["sample_count"], record["observed_ns"]
    record["grain"] = due.grain
    record["container_id"] = due.container_id
    _, record["container_name"], record["service"] = name if due.container_id != OTHERS else NO_NAME
    record["start_ms"] = due.start_ns // 1_000_000
    record["final"] = due.final
    record["cpu_millipercent_last"] = cpu_last
    record["memory_used_bytes_last"] = memory_last
    record["container_count"] = due.container_count
    record["sketches"] = {}
    record["histograms"] = {metric: packed for metric, packed in zip(METRICS, histograms, strict=True) if packed}
    return record
