"""The engines as they are now: from their listings, what stands in a listing's place, and their producers' signs of life."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.core.engine import SILENT_AT_LEAST_MS, SILENT_INTERVALS
from streams.query.present import time_text

Record = Mapping[str, Any]

_MS: Final = 1_000_000
_NO_WORD_OF_IT: Final = ("refused", "restarted")
"""Outcomes that say nothing of how the engine is now."""


@dataclass(slots=True)
class EngineNow:
    """What is known of one engine; times in ns since the Unix epoch, its producer's clock; 0: not known."""

    engine_id: str
    name: str = ""
    producer_id: str = ""
    host: str = ""
    alive_until_ns: int = 0
    listed_ns: int = 0
    heard_ns: int = 0
    interval_ms: int = 0
    duration_ms: int = 0
    engine_version: str = ""
    api_version: str = ""
    problem: str = ""
    error: str = ""
    silent_since_ns: int = 0


class EngineView:
    """Engine id → what is known of it. What is applied may repeat; the newest counts."""

    def __init__(self) -> None:
        self._engines: dict[str, EngineNow] = {}
        self._intervals: dict[tuple[str, str], tuple[int, float]] = {}
        """(engine id or `*`, name of the interval) → when it was set, ns, and to what, s."""

    def apply_snapshot(self, part: Record) -> None:
        """Takes a listing, or a part of it, or what stands in its place."""
        engine = self._engine(part["engine_id"], part["engine_name"])
        at_ns = part["recorded_at_ns"]
        if at_ns < engine.heard_ns or part["outcome"] in _NO_WORD_OF_IT:
            return
        if part["outcome"] == "silent":
            engine.problem, engine.error = part["error_code"] or "engine_silent", part["error"]
            engine.silent_since_ns = engine.silent_since_ns or engine.heard_ns or at_ns
            return
        engine.interval_ms, engine.producer_id = part["sync_interval_ms"], part["producer_id"] or engine.producer_id
        if part["outcome"] == "listed":
            engine.listed_ns, engine.heard_ns, engine.silent_since_ns = at_ns, at_ns, 0
            engine.problem = engine.error = ""
            engine.duration_ms = part["duration_ms"]
            engine.engine_version, engine.api_version = part["engine_version"], part["api_version"]
        else:
            engine.problem, engine.error = part["error_code"], part["error"]
            engine.heard_ns = at_ns if part["answered"] else engine.heard_ns

    def apply_control(self, record: Record) -> None:
        """Takes a control record; a producer's sign of life and an interval that was set say something of an engine."""
        if record["kind"] == "interval" and (interval := record["interval"]) is not None:
            key, said = (record["target"], interval["name"]), (record["written_at_ns"], interval["interval_ms"] / 1000)
            self._intervals[key] = max(said, self._intervals.get(key, said))
        section = record["producer"]
        if record["kind"] != "producer" or section is None:
            return
        engine = self._engine(record["target"], section["engine_name"])
        until_ns = record["written_at_ns"] + 3 * section["interval_ms"] * _MS
        if section["interval_ms"] == 0:
            if engine.producer_id in ("", section["producer_id"]):
                engine.alive_until_ns = 0
        elif until_ns >= engine.alive_until_ns:
            engine.producer_id, engine.host, engine.alive_until_ns = section["producer_id"], section["host"], until_ns

    def _engine(self, engine_id: str, name: str) -> EngineNow:
        engine = self._engines.setdefault(engine_id, EngineNow(engine_id))
        engine.name = name or engine.name
        return engine

    def names(self) -> dict[str, str]:
        """Name by id of all engines."""
        return {engine_id: engine.name for engine_id, engine in sorted(self._engines.items())}

    def watched(self, now_ns: int) -> set[str]:
        """Ids of the engines that have a living producer, or were heard lately."""
        return {each.engine_id for each in self._engines.values() if each.alive_until_ns >= now_ns or not _silent_since(each, now_ns)}

    def interval_s(self, name: str, default_s: float) -> float:
        """The interval in force, `sync` or `collect`, s; the longest, where engines differ.

        Args:
            default_s: of a producer that says none and was given none.
        """
        return max(
            (self._interval_s(each, name, default_s) for each in self._engines.values()), default=self._set_s("*", name) or default_s
        )

    def _interval_s(self, engine: EngineNow, name: str, default_s: float) -> float:
        # The last word counts, as it does for the producer; what an engine's own listing says is its producer's setting.
        said = [self._intervals[key] for key in ((engine.engine_id, name), ("*", name)) if key in self._intervals]
        own_s = engine.interval_ms / 1000 if name == "sync" else 0.0
        return max(said)[1] if said else own_s or default_s

    def _set_s(self, target: str, name: str) -> float | None:
        said = self._intervals.get((target, name))
        return None if said is None else said[1]

    def last_listed(self) -> str | None:
        """When an engine was last listed, RFC 3339 UTC, its producer's clock; None: none was yet."""
        return time_text(max((each.listed_ns for each in self._engines.values()), default=0))

    def listed_s(self) -> dict[str, float]:
        """When each was last listed, by id, seconds since the Unix epoch; 0: never."""
        return {each.engine_id: each.listed_ns / 1e9 for each in self._engines.values()}

    def listed(self, now_ns: int, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """All engines as users see them, by name.

        Args:
            rows: what each has, by `id`; engines that have nothing are listed too.
        """
        nothing = {"workspaces": 0, "containers": 0, "running": 0, "stale": False, "last_sync": None}
        found: dict[str, dict[str, Any]] = {
            each.engine_id: {"id": each.engine_id, "name": each.name, **nothing} for each in self._engines.values()
        }
        found |= {row["id"]: dict(row) for row in rows}
        known = [row | _engine_json(self._engines.get(row["id"]) or EngineNow(row["id"]), now_ns) for row in found.values()]
        return sorted(known, key=lambda row: (row["name"], row["id"]))


def _silent_since(engine: EngineNow, now_ns: int) -> int:
    """Since when nothing was heard, for so long that it counts as silence; 0: it does not."""
    if engine.silent_since_ns:
        return engine.silent_since_ns
    allowed_ns = max(SILENT_INTERVALS * engine.interval_ms, SILENT_AT_LEAST_MS) * _MS
    return engine.heard_ns if engine.heard_ns + allowed_ns < now_ns else 0


def _engine_json(engine: EngineNow, now_ns: int) -> dict[str, Any]:
    silent_ns = _silent_since(engine, now_ns)
    return {
        "state": "silent" if silent_ns or not engine.heard_ns else "failing" if engine.problem else "ok",
        "last_listing": time_text(engine.listed_ns),
        "lag_seconds": round(max(0, now_ns - engine.listed_ns) / 1e9, 3) if engine.listed_ns else None,
        "silent_since": time_text(silent_ns),
        "sync_interval_seconds": engine.interval_ms / 1000 if engine.interval_ms else None,
        "listing_seconds": engine.duration_ms / 1000 if engine.listed_ns else None,
        "problem": engine.problem or ("engine_silent" if silent_ns else None),
        "error": engine.error or None,
        "engine_version": engine.engine_version or None,
        "api_version": engine.api_version or None,
        "producer_id": engine.producer_id or None,
        "producer_host": engine.host or None,
        "producer_alive": engine.alive_until_ns >= now_ns,
    }
