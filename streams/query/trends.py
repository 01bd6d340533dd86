"""Trends of workspaces, who uses most, and who caused a peak: questions put to the archive, answers as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import linear_regression
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import SettingError
from streams.query.archive import Archive, Record
from streams.query.history import DAY_NS, HOUR_NS
from streams.query.present import time_text

Json = dict[str, Any]

WEEK_NS: Final = 7 * DAY_NS
MOST_DAYS: Final = 396
_BUSIEST: Final = 3
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
    weeks = {"week_ns": now_ns - WEEK_NS, "last_week_ns": now_ns - 2 * WEEK_NS, "tz": zone}
    used, states = await asyncio.gather(archive.ask("trend", asked | weeks), archive.ask("time_in_state", asked))
    by_workspace: dict[str, list[Record]] = {}
    for row in states:
        by_workspace.setdefault(row["workspace_id"], []).append(row)
    shown = {row["workspace_id"]: _trend(row) for row in used}
    for name, rows in by_workspace.items():
        shown.setdefault(name, {"workspace_id": name, "use": None})["time_in_state"] = _time_in_state(rows)
    for trend in shown.values():
        trend.setdefault("time_in_state", None)
    listed = [shown[name] for name in sorted(shown)]
    return {"since": time_text(since_ns), "until": time_text(now_ns), "days": days, "zone": zone, "trends": listed}


def check_zone(zone: str) -> None:
    """Makes sure that there is such a zone.

    Raises:
        SettingError: there is none.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingError(f"zone: there is no time zone {zone[:80]!r}", "write it as Europe/Berlin, or UTC") from error


_WEEKLY: Final = ("cpu_percent", "memory_used_bytes", "network_bytes_per_second")
_USE: Final = (
    "hour_count", "covered_seconds", "cpu_core_seconds", "cpu_percent_mean", "memory_used_bytes_mean", "network_bytes", "disk_bytes",
)  # fmt: skip


def _trend(row: Record) -> Json:
    return {
        "workspace_id": row["workspace_id"],
        "workspace_name": row["workspace_name"],
        "use": {name: row[name] for name in _USE},
        "slope": {f"{name}_per_day": _slope(row, name) for name in _WEEKLY},
        "week_over_week": _week_over_week(row),
        "busiest_hours": _busiest(row),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _slope(row: Record, name: str) -> float | None:
    """Of the line of least squares through the means of the days that were seen; fewer than three say nothing."""
    covered = dict(zip(*row["covered_by_day"], strict=True))
    days = [(-age, total / covered[age]) for age, total in zip(*row[f"{name}_by_day"], strict=True) if covered.get(age)]
    return linear_regression(*zip(*days, strict=True)).slope if len(days) >= _LEAST_DAYS else None


def _week_over_week(row: Record) -> Json:
    """The last seven days beside the seven before; null where one of them was not seen: missing is not zero."""
    told: Json = {name: row[name] for name in ("this_week_covered_seconds", "last_week_covered_seconds")}
    for name in _WEEKLY:
        now, before = _finite(row[f"this_week_{name}"]), _finite(row[f"last_week_{name}"])
        change = (now - before) / before * 100 if now is not None and before else None
        told[name] = {"this_week": now, "last_week": before, "change_percent": change}
    return told


def _busiest(row: Record) -> list[Json]:
    """The hours of the day with the highest mean CPU, the busiest first."""
    covered = dict(zip(*row["covered_by_hour"], strict=True))
    means = {hour: cores / covered[hour] * 100 for hour, cores in zip(*row["cores_by_hour"], strict=True) if covered.get(hour)}
    ranked = sorted(means.items(), key=lambda one: (-one[1], one[0]))[:_BUSIEST]
    return [{"hour": hour, "cpu_percent_mean": mean} for hour, mean in ranked]


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
        rows = await archive.ask("top_windows", asked, peak=measure.peak_hour, order=measure.order)
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
    "covered_seconds", "cpu_core_seconds", "cpu_percent_mean", "cpu_percent_max", "memory_used_bytes_mean", "memory_used_bytes_max",
    "network_bytes", "disk_bytes",
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
