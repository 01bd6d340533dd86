"""One engine's windows inside a workspace's value: which are open, closed, gone, and what of them is to be published.

Lateness is judged by the engine's own highest time, so one host with a fast clock never makes another's samples late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from streams.core.samples import READ_NS, Row
from streams.core.windows import DAY_NS, HOUR_NS, NUMBERS, Window, merged

SECOND_NS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient and how talkative windows are. All in ns of event time."""

    delay_ns: int = 30 * SECOND_NS
    """Disorder tolerated before a window is called closed."""
    grace_ns: int = HOUR_NS
    """How long a closed window stays in the value, so that a late sample still corrects it; a container unseen for longer is dropped."""
    hour_every_ns: int = 60 * SECOND_NS
    """A running hour is published at most this often, beside once when it begins."""
    day_every_ns: int = 300 * SECOND_NS
    """A running day likewise."""
    gap_ns: int = 300 * SECOND_NS
    """Readings further apart, and further than three collect intervals, belong to no window."""
    ahead_ns: int = 60 * SECOND_NS
    """A reading further ahead of its record's timestamp is of the future."""


DEFAULT: Final = Policy()


@dataclass(slots=True)
class Slot:
    """A window kept, and what of it was published last. A day's window holds only the hours that are gone."""

    window: Window
    published_count: int = 0
    published_final: bool = False
    published_at_ns: int = 0


class Due(NamedTuple):
    """A window to publish."""

    grain: str
    start_ns: int
    final: bool
    window: Window


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

    def add(self, rows: Sequence[Row], containers: Sequence[str], closed_before: int, *, first_part: bool) -> None:
        """Adds one tick's folded rows and the containers they are of, each to the hour of its reading.

        `closed_before`: as of before the tick. Lateness is the hour's, so all that one tick brings to an hour is late, or nothing.
        """
        start = rows[0][READ_NS] // HOUR_NS * HOUR_NS
        end = start + HOUR_NS
        for row in rows:
            if not start <= row[READ_NS] < end:
                break
        else:
            self._hour(start).add(rows, containers, len(rows) if end <= closed_before else 0, first_part)
            return
        by_hour: dict[int, tuple[list[Row], list[str]]] = {}
        for row, container_id in zip(rows, containers, strict=True):
            part = by_hour.setdefault(row[READ_NS] // HOUR_NS * HOUR_NS, ([], []))
            part[0].append(row)
            part[1].append(container_id)
        for start, (some, ids) in by_hour.items():
            self._hour(start).add(some, ids, len(some) if start + HOUR_NS <= closed_before else 0, first_part)

    def _hour(self, start: int) -> Window:
        slot = self.hours.get(start)
        if slot is None:
            slot = self.hours[start] = Slot(Window())
            self.days.setdefault(start // DAY_NS * DAY_NS, Slot(Window()))
            self.due_ns = 0
        return slot.window

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
            self.days[start // DAY_NS * DAY_NS].window.merge(self.hours.pop(start).window)
        for start in [start for start in self.days if start + DAY_NS <= self.gone_before_ns]:
            del self.days[start]

    def due(self, at_ns: int, policy: Policy, *, all_days: bool = False) -> Iterator[Due]:
        """Windows whose content or finality changed since they were published, and marks them as published at `at_ns`."""
        for start, slot in sorted(self.hours.items()):
            final = slot.published_final or start + HOUR_NS + policy.delay_ns <= at_ns
            if (slot.window.sample_count, final) != (slot.published_count, slot.published_final):
                yield _publish(slot, Due("hour", start, final, slot.window), at_ns)
        for start, slot in sorted(self.days.items()):
            final = slot.published_final or start + DAY_NS + policy.delay_ns <= at_ns
            if final == slot.published_final and not all_days and 0 <= at_ns - slot.published_at_ns < policy.day_every_ns:
                continue
            count = slot.window.sample_count + sum(hour.window.sample_count for _, hour in self._hours_of(start))
            if (count, final) != (slot.published_count, slot.published_final):
                day = merged([slot.window, *(hour.window for _, hour in self._hours_of(start))])
                yield _publish(slot, Due("day", start, final, day), at_ns)

    def clock_ran_back(self, now_ns: int) -> None:
        """The engine's clock runs from `now_ns` again.

        Hours that have left stay refused, or they would begin again from nothing; but a clock that had been days ahead must not make
        everything late until that future comes: from the next day on all is folded.
        """
        self.due_ns = 0
        if self.gone_before_ns - now_ns > 2 * DAY_NS:
            self.gone_before_ns = (now_ns // DAY_NS + 1) * DAY_NS

    def owed_at(self, policy: Policy) -> int | None:
        """Event time in ns at which something is to be published even if no further sample comes; None: nothing is owed."""
        times = [start + HOUR_NS + policy.delay_ns for start, slot in self.hours.items() if not slot.published_final]
        times += [start + DAY_NS + policy.delay_ns for start, slot in self.days.items() if not slot.published_final]
        if any(slot.window.sample_count != slot.published_count for slot in self.hours.values()):
            times.append(self.due_ns)
        return min(times, default=None)

    def _hours_of(self, day: int) -> Iterator[tuple[int, Slot]]:
        return ((start, slot) for start, slot in self.hours.items() if day <= start < day + DAY_NS)


def grace_begins(highest_ns: int, policy: Policy) -> int:
    """Hours that end by then are past grace."""
    return (highest_ns - policy.delay_ns - policy.grace_ns) // HOUR_NS * HOUR_NS


def _publish(slot: Slot, due: Due, at_ns: int) -> Due:
    slot.published_count, slot.published_final, slot.published_at_ns = due.window.sample_count, due.final, at_ns
    return due


def window_record(due: Due) -> dict[str, Any]:
    """A window as the schema `usage` has it."""
    window = due.window
    record: dict[str, Any] = dict(zip(NUMBERS, window.numbers(), strict=True))
    record["grain"] = due.grain
    record["container_id"] = None
    record["start_ms"] = due.start_ns // 1_000_000
    record["final"] = due.final
    record["cpu_millipercent_last"] = window.cpu_last[1]
    record["memory_used_bytes_last"] = window.memory_last[1]
    record["container_count"] = len(window.containers)
    record["sketches"] = {}
    return record
