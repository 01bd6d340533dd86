"""Trends of workspaces, who uses most, and who caused a peak: questions put to the archive, answers as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import SettingError
from streams.core.windows import DAY_NS, HOUR_NS
from streams.query.archive import Archive, Record
from streams.query.present import time_text
from streams.sketches import STATES

Json = dict[str, Any]

MOST_DAYS: Final = 396
_BUSIEST: Final = 3
_WEEK_DAYS: Final = 7
_LEAST_DAYS: Final = 3
#: Up to so long a range is answered from samples, to the second; a longer one by whole hours.
_BY_SAMPLES_NS: Final = 6 * HOUR_NS


@dataclass(frozen=True, slots=True)
class Measure:
    """What "most" means.

    Attributes:
        order: the column that ranks.
        peak: what is highest at the peak: of an hourly window, of a tick.
        part: of one container at one instant.
        unit: of a peak.
    """

    order: str
    peak_hour: str
    peak_tick: str
    part: str
    unit: str


_RATE: Final = "if({rx} < 0 AND {tx} < 0, -1, (greatest({rx}, 0) + greatest({tx}, 0)) * 1e9 / interval_ns)"
MEASURES: Final[Mapping[str, Measure]] = {
    "cpu": Measure("cpu_core_seconds", "hours.cpu_most", "cpu_then", "cpu_millipercent / 1e3", "percent"),
    "memory": Measure("memory_used_bytes_mean", "hours.memory_most", "used_then", "toFloat64(memory_used_bytes)", "bytes"),
    "network": Measure(
        "network_bytes", "hours.network", "network_then",
        _RATE.format(rx="network_rx_counted_bytes", tx="network_tx_counted_bytes"), "bytes_per_second",
    ),
    "disk": Measure(
        "disk_bytes", "hours.disk", "disk_then", _RATE.format(rx="block_read_bytes", tx="block_write_bytes"), "bytes_per_second"
    ),
}  # fmt: skip


async def trends(archive: Archive, workspace_id: str | None, days: int, zone: str, now_ns: int) -> Json:
    """How the use of each workspace, or of one, develops.

    Args:
        zone: IANA name of the zone in which hours of the day are counted.

    Raises:
        SettingError: there is no such zone.
    """
    check_zone(zone)
    since_ns = now_ns - days * DAY_NS
    asked = {"workspace_id": workspace_id or "", "since_ns": since_ns, "until_ns": now_ns}
    weeks = asked | {"since_ns": now_ns - max(days, 2 * _WEEK_DAYS) * DAY_NS}
    by_day, by_hour, states = await asyncio.gather(
        archive.ask("trend_days", weeks), archive.ask("trend_hours", asked | {"tz": zone}), archive.ask("time_in_state", asked)
    )
    used, hours, told = (_by_workspace(rows) for rows in (by_day, by_hour, states))
    listed = [_trend(name, used.get(name, []), hours.get(name, []), told.get(name, []), days) for name in sorted({*hours, *told})]
    return {"since": time_text(since_ns), "until": time_text(now_ns), "days": days, "zone": zone, "trends": listed}


def _by_workspace(rows: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row["workspace_id"], []).append(row)
    return found


def check_zone(zone: str) -> None:
    """Makes sure that there is such a zone.

    Raises:
        SettingError: there is none.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingError(f"zone: there is no time zone {zone[:80]!r}", "write it as Europe/Berlin, or UTC") from error


#: What slopes and weeks are of: sums per second seen.
_RATES: Final[Mapping[str, tuple[str, float]]] = {
    "cpu_percent": ("cpu_core_seconds", 100.0),
    "memory_used_bytes": ("memory_byte_seconds", 1.0),
    "network_bytes_per_second": ("network_bytes", 1.0),
}


def _trend(name: str, rows: Sequence[Record], hours: Sequence[Record], states: Sequence[Record], days: int) -> Json:
    shown = [row for row in rows if row["day"] < days]
    return {
        "workspace_id": name,
        "workspace_name": shown[0]["workspace_name"] if shown else None,
        "use": _use(shown) if shown else None,
        "slope": {f"{rate}_per_day": _slope(shown, rate) for rate in _RATES},
        "week_over_week": _week_over_week(rows),
        "busiest_hours": _busiest(hours),
        "time_in_state": _time_in_state(states) if states else None,
    }


def _mean(rows: Sequence[Record], rate: str) -> float | None:
    """Per second seen; a workspace on two engines uses what it uses on both. None: nobody saw it."""
    column, factor = _RATES[rate]
    sums: dict[str, list[float]] = {}
    for row in rows:
        engine = sums.setdefault(row["engine_id"], [0.0, 0.0])
        engine[0] += row[column]
        engine[1] += row["covered_seconds"]
    return sum(total / covered for total, covered in sums.values()) * factor if sums else None


def _covered_seconds(rows: Sequence[Record], name: str = "covered_seconds") -> float:
    """Time seen, by one engine or by more at once."""
    longest: dict[int, float] = {}
    for row in rows:
        longest[row["day"]] = max(longest.get(row["day"], 0), row[name])
    return sum(longest.values())


def _use(rows: Sequence[Record]) -> Json:
    sums = {name: sum(row[name] for row in rows) for name in ("cpu_core_seconds", "network_bytes", "disk_bytes")}
    means = {"cpu_percent_mean": _mean(rows, "cpu_percent"), "memory_used_bytes_mean": _mean(rows, "memory_used_bytes")}
    return {"hour_count": _covered_seconds(rows, "hour_count"), "covered_seconds": _covered_seconds(rows)} | sums | means


def _slope(rows: Sequence[Record], rate: str) -> float | None:
    """Of the line of least squares through the means of the days that were seen; fewer than three say nothing.

    Whole days back from the end of the range: hours would take the time of day for a slope.
    """
    by_day: dict[int, list[Record]] = {}
    for row in rows:
        by_day.setdefault(row["day"], []).append(row)
    if len(by_day) < _LEAST_DAYS:
        return None
    return linear_regression([-day for day in by_day], [_mean(found, rate) or 0.0 for found in by_day.values()]).slope


def _week_over_week(rows: Sequence[Record]) -> Json:
    """The last seven days beside the seven before; null where one of them was not seen: missing is not zero."""
    this = [row for row in rows if row["day"] < _WEEK_DAYS]
    last = [row for row in rows if _WEEK_DAYS <= row["day"] < 2 * _WEEK_DAYS]
    told: Json = {"this_week_covered_seconds": _covered_seconds(this), "last_week_covered_seconds": _covered_seconds(last)}
    for rate in _RATES:
        now, before = _mean(this, rate), _mean(last, rate)
        change = (now - before) / before * 100 if now is not None and before else None
        told[rate] = {"this_week": now, "last_week": before, "change_percent": change}
    return told


def _busiest(rows: Sequence[Record]) -> list[Json]:
    """The hours of the day with the highest mean CPU, the busiest first."""
    by_hour: dict[int, list[Record]] = {}
    for row in rows:
        by_hour.setdefault(row["hour"], []).append(row)
    means = [(_mean(found, "cpu_percent") or 0.0, hour) for hour, found in by_hour.items()]
    ranked = sorted(means, key=lambda one: (-one[0], one[1]))[:_BUSIEST]
    return [{"hour": hour, "cpu_percent_mean": mean} for mean, hour in ranked]


def _time_in_state(rows: Sequence[Record]) -> Json:
    """Seconds by status and by condition, and the part of the known time in which it was active."""
    statuses: dict[str, float] = {}
    conditions: dict[str, float] = {}
    for row in rows:
        statuses[row["status"]] = statuses.get(row["status"], 0.0) + row["seconds"]
        conditions[row["condition"]] = conditions.get(row["condition"], 0.0) + row["seconds"]
    known = sum(seconds for status, seconds in statuses.items() if status != "unknown")
    return {"status": statuses, "condition": conditions, "active_ratio": statuses.get("active", 0.0) / known if known else None}


async def top(archive: Archive, workspace_id: str | None, by: str, since_ns: int, until_ns: int, limit: int) -> Json:
    """Who used most in a range: workspaces, or the containers of one; each workspace with its peak and who caused it.

    Args:
        by: cpu, memory, network or disk.
    """
    measure = MEASURES[by]
    fine = until_ns - since_ns <= _BY_SAMPLES_NS or workspace_id is not None
    if not fine:
        since_ns = since_ns // HOUR_NS * HOUR_NS
    asked = {"workspace_id": workspace_id or "", "since_ns": since_ns, "until_ns": until_ns, "limit": limit}
    if fine:
        who = "container_id" if workspace_id is not None else "workspace_id"
        rows = await archive.ask("top_samples", asked, who=who, peak=measure.peak_tick, order=measure.order)
    else:
        rows = await archive.ask("top_windows", asked, peak=measure.peak_hour, order=measure.order, **STATES)
    if workspace_id is None:
        peaks = await asyncio.gather(*(_culprit(archive, by, row["workspace_id"], *_around(row, since_ns, until_ns)) for row in rows))
    else:
        peaks = [await _culprit(archive, by, workspace_id, since_ns, until_ns)]
    shown = [_ranked(row, workspace_id) for row in rows]
    said: Json = {"since": time_text(since_ns), "until": time_text(until_ns), "by": by, "source": "sample" if fine else "hour"}
    if workspace_id is None:
        return said | {"workspaces": [one | {"peak": peak} for one, peak in zip(shown, peaks, strict=True)]}
    return said | {"workspace_id": workspace_id, "containers": shown, "peak": peaks[0]}


_FIGURES: Final = (
    "covered_seconds", "cpu_core_seconds", "cpu_percent_mean", "cpu_percent_max", "cpu_percent_p95", "memory_used_bytes_mean",
    "memory_used_bytes_max", "memory_used_bytes_p95", "network_bytes", "disk_bytes",
)  # fmt: skip


def _ranked(row: Record, workspace_id: str | None) -> Json:
    names = ("workspace_id", "workspace_name") if workspace_id is None else ("container_id", "container_name")
    return {name: row[name] for name in (*names, *_FIGURES)}


def _around(row: Record, since_ns: int, until_ns: int) -> tuple[int, int]:
    """Where a workspace's peak lies: its hour, or the minutes around its tick."""
    if "peak_hour_ns" in row:
        return max(since_ns, row["peak_hour_ns"]), min(until_ns, row["peak_hour_ns"] + HOUR_NS)
    return max(since_ns, row["peak_ns"] - HOUR_NS // 60), min(until_ns, row["peak_ns"] + HOUR_NS // 60)


async def _culprit(archive: Archive, by: str, workspace_id: str, since_ns: int, until_ns: int) -> Json | None:
    """The peak and who caused it; None where no samples are left of it."""
    measure = MEASURES[by]
    asked = {"workspace_id": workspace_id, "since_ns": since_ns, "until_ns": until_ns}
    rows = await archive.ask("culprit", asked, part=measure.part)
    if not rows:
        return None
    (row,) = rows
    return {
        "at": time_text(row["at_ns"]),
        "value": row["total"],
        "unit": measure.unit,
        "container_id": row["culprit_id"],
        "container_name": row["culprit_name"],
        "container_value": row["culprit_part"],
        "share": row["culprit_part"] / row["total"] if row["total"] else None,
    }
