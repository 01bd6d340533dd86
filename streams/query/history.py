"""Use over time: which step and which source a range is shown with, and points without the gaps closed. Pure but for `ask`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import SettingError
from streams.core.windows import DAY_NS, HOUR_NS
from streams.query.archive import GRAINS, Archive
from streams.query.present import time_text
from streams.sketches import STATES

Json = dict[str, Any]

SAMPLES: Final = "samples"
#: Steps chosen from where none is asked for: the first that needs no more points than a wide terminal has columns.
_STEPS_S: Final = (10, 30, 60, 300, 900, 3_600, 6 * 3_600, 86_400)
_POINTS: Final = 200
MOST_POINTS: Final = 5_000
#: Samples are kept so long unless set otherwise: older ranges are shown by the hour.
_SAMPLES_KEPT_NS: Final = 30 * DAY_NS
#: No range reaches beyond what is counted in ns since 1970 in 64 bits.
_END_OF_TIME_NS: Final = (1 << 63) - 2 * DAY_NS


def _percentiles(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_p{part}" for part in (50, 95, 99))


#: Metric → the fields of a point that belong to it.
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "cpu": ("cpu_percent_mean", "cpu_percent_max", *_percentiles("cpu_percent"), "cpu_core_seconds", "throttled_seconds"),
    "memory": ("memory_used_bytes_mean", "memory_used_bytes_max", *_percentiles("memory_used_bytes")),
    "network": ("network_rx_bytes", "network_tx_bytes", "network_rx_bytes_per_second", "network_tx_bytes_per_second"),
    "disk": ("block_read_bytes", "block_write_bytes", "block_read_bytes_per_second", "block_write_bytes_per_second"),
}
_BYTES: Final = ("network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes")


@dataclass(frozen=True, slots=True)
class Range:
    """A range in whole steps, half-open, ns since the Unix epoch, aligned to UTC.

    Attributes:
        source: samples, hour or day: what the points are made of.
    """

    since_ns: int
    until_ns: int
    step_ns: int
    source: str

    @property
    def points(self) -> int:
        """Number of steps."""
        return (self.until_ns - self.since_ns) // self.step_ns


def plan(since_ns: int, until_ns: int, step_s: float | None, now_ns: int) -> Range:
    """The range that is shown for a question: steps that meet it, and what they are made of.

    Raises:
        SettingError: there is no such range, or it has too many steps.
    """
    if since_ns >= until_ns:
        raise SettingError("since: the range ends before it begins", "set since to a time before until")
    if since_ns < 0 or until_ns > _END_OF_TIME_NS:
        raise SettingError("since, until: outside the years 1970 to 2261")
    step_ns = _step_ns(until_ns - since_ns, step_s, since_ns < now_ns - _SAMPLES_KEPT_NS)
    source = "day" if step_ns % DAY_NS == 0 else "hour" if step_ns % HOUR_NS == 0 else SAMPLES
    begin, end = since_ns // step_ns * step_ns, -(-until_ns // step_ns) * step_ns
    found = Range(begin, end, step_ns, source)
    if found.points > MOST_POINTS:
        raise SettingError(f"step: {found.points} points are more than {MOST_POINTS}", "choose a longer step or a shorter range")
    return found


def _step_ns(span_ns: int, step_s: float | None, old: bool) -> int:
    if step_s is None:
        fine = next((step for step in _STEPS_S if span_ns <= step * 10**9 * _POINTS), _STEPS_S[-1])
        return max(fine, 3_600 if old else 0) * 10**9
    # The smallest clock of a reading is a second; a step of a year is beyond any use.
    if not 1 <= step_s <= 366 * 86_400:
        raise SettingError("step: not between a second and a year")
    step_ns = round(step_s) * 10**9
    if step_ns > HOUR_NS and step_ns % HOUR_NS:
        raise SettingError("step: beyond an hour it is a whole number of hours", "write 2h or 1d")
    return step_ns


def points(rows: Sequence[Mapping[str, Any]], span: Range) -> list[Json]:
    """One point per step of the range; a step that nobody saw has nulls and a coverage of 0: missing is not zero.

    Args:
        rows: of `history_*.sql`, any order.
    """
    found = {row["begin_ns"]: row for row in rows}
    names = [name for name in (rows[0] if rows else _NOTHING) if name != "begin_ns"]
    shown = []
    for number in range(span.points):
        begin_ns = span.since_ns + number * span.step_ns
        row = found.get(begin_ns)
        point: Json = {"start": time_text(begin_ns), "seconds": span.step_ns / 1e9}
        point |= dict.fromkeys(names) if row is None else {name: row[name] for name in names}
        covered = point["covered_seconds"] or 0.0
        point |= {"covered_seconds": covered, "coverage": round(min(1.0, covered * 1e9 / span.step_ns), 6)}
        for name in _BYTES:
            moved = point[name]
            point[f"{name}_per_second"] = None if moved is None or not covered else moved / covered
        shown.append(point)
    return shown


_NOTHING: Final = ("covered_seconds", "observed_seconds", "container_count", *(n for m in METRICS.values() for n in m))


#: A container is meant by its name, which its successors share, or by its id, of which twelve digits are enough.
_NAMED: Final = "(container_name = {container:String} OR length({container:String}) >= 12 AND startsWith(container_id, {container:String}))"


async def history(archive: Archive, workspace_id: str, container: str | None, span: Range) -> Json:
    """What a workspace, or one container of it, used, step by step, as the API shows it.

    Args:
        container: name, or id or its beginning; None: the whole workspace.
    """
    parameters = {"workspace_id": workspace_id, "since_ns": span.since_ns, "until_ns": span.until_ns, "step_ns": span.step_ns}
    parameters |= {} if container is None else {"container": container}
    if span.source == SAMPLES:
        rows = await archive.ask("history_samples", parameters, of_container="true" if container is None else _NAMED)
    else:
        of_container = "container_id = ''" if container is None else f"container_id != '' AND {_NAMED}"
        rows = await archive.ask("history_windows", parameters, windows=GRAINS[span.source], of_container=of_container, **STATES)
    return {
        "workspace_id": workspace_id,
        "container": container,
        "since": time_text(span.since_ns),
        "until": time_text(span.until_ns),
        "step_seconds": span.step_ns / 1e9,
        "source": span.source,
        "points": points(rows, span),
    }
