"""What is known of one engine, folded from its listings and from what stands in their place. Pure.

An engine has one problem at a time. An episode is one `error`, one more when it turns into something worse, and one
`recovery` when a listing comes again. What its workspaces must know of it is said as notices, one for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from streams.core.changes import Alert, ErrorDetail, Recovery
from streams.core.facts import EARLIEST_NS, LATEST_NS, MAX_NAME, MAX_TEXT
from streams.core.invalid import InvalidMessage
from streams.core.words import duration

Record = Mapping[str, Any]

SYNC_FAILED: Final = "sync_failed"
UNREACHABLE: Final = "engine_unreachable"
SILENT: Final = "engine_silent"
REFUSED: Final = "refused"
"""No problem of the engine: the answer to a sync that was asked for and failed like those before it."""
_SEVERITY: Final = {"": 0, SYNC_FAILED: 1, UNREACHABLE: 2, SILENT: 3}
_METHODS: Final = {SYNC_FAILED: "a sync succeeded", UNREACHABLE: "the engine answers again", SILENT: "the engine is heard again"}

RESTARTED: Final = "engine_restarted"
ALERTS: Final = frozenset((UNREACHABLE, SILENT))
"""Problems that are an alert, too, under the first one's name for as long as the episode lasts."""

SILENT_INTERVALS: Final = 3
"""Sync intervals without a sign of life that make an engine silent."""
SILENT_AT_LEAST_MS: Final = 3_000
"""No silence is shorter: with a sync every second a hiccup is none yet."""
_TOLD_FAILURES: Final = 3
"""Failed syncs in a row that workspaces are told of one by one; by then the engine is silent, or events still come."""
_REFUSED_AGAIN_NS: Final = 3_600 * 10**9
"""A supervisor starts a refused producer again and again: one error an hour."""
_MAX_REFUSED: Final = 16
_SHORTEST_GAP_NS: Final = 1_000_000
"""Said of a gap where no clock tells how long it was."""


@dataclass(slots=True)
class EngineState:
    """One engine.

    Attributes:
        name: for people.
        interval_ms: its sync interval.
        heard_ns: last sign of life, its producer's clock, ns since the Unix epoch; 0: none yet.
        generation: clock generation of the last listing.
        listed_at_ns: engine's time of the last listing, ns since the Unix epoch.
        watched_since_ns: since when its events were heard without a gap, as that listing said; engine's clock.
        problem: code of what is wrong with it; empty: nothing.
        problem_since_ns: since when, the producer's clock.
        attempts: failed syncs since the last good one.
        failed: id of the record of the last failed sync.
        alert: rule of the alert that is raised for it; empty: none.
        alert_since_ns: begin of that episode.
        restarted_since_ns: begin of the gap in which containers of it ended, until the next listing without one; 0: none.
        judged_generation: clock generation of the last such gap.
        judged_ns: its end, engine's clock: a verdict on it, or on one before, is known.
        refused: producers that were refused here, with when that was told last, ns since the Unix epoch.
    """

    name: str = ""
    interval_ms: int = 0
    heard_ns: int = 0
    generation: int = 0
    listed_at_ns: int = 0
    watched_since_ns: int = 0
    problem: str = ""
    problem_since_ns: int = 0
    attempts: int = 0
    failed: str = ""
    alert: str = ""
    alert_since_ns: int = 0
    restarted_since_ns: int = 0
    judged_generation: int = -1
    judged_ns: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def silent_after_ms(self) -> int:
        """How long without a sign of life makes it silent."""
        return max(self.interval_ms * SILENT_INTERVALS, SILENT_AT_LEAST_MS)


class Note(NamedTuple):
    """A notice for each of the engine's workspaces; `time_ns` is when it became so.

    `lacking`: only for workspaces that do not know it yet.
    """

    name: str
    reason: str
    time_ns: int
    since_ns: int | None = None
    value: int | None = None
    lacking: bool = False


class Told(NamedTuple):
    """An event of the engine: its sentence, and its section."""

    message: str
    at_ns: int
    detail: ErrorDetail | Recovery | Alert


class News(NamedTuple):
    """What a record comes to: events, and notices that workspaces get before and after what a listing showed of them."""

    told: list[Told]
    before: list[Note]
    after: list[Note]


def is_sign_of_life(record: Record) -> bool:
    """The engine said something: a listing, or whatever came while its syncs failed."""
    return bool(record["outcome"] == "listed" or (record["outcome"] == "failed" and record["answered"]))


def take(engine: EngineState, record: Record) -> News:
    """Folds one record of `docker.snapshots` into its engine: a whole listing by its first part, or what stands in the place of one.

    Raises:
        InvalidMessage: the record's time is absurd.
    """
    news = News([], [], [])
    outcome = record["outcome"]
    if outcome == "listed":
        _listed(engine, record, news)
        return news
    if not EARLIEST_NS <= record["recorded_at_ns"] < LATEST_NS:
        raise InvalidMessage("bad_time", f"recorded_at_ns {record['recorded_at_ns']} lies outside of the years 2000 to 2199")
    if outcome == "failed":
        _failed(engine, record, news)
    elif outcome == "silent":
        _silent(engine, record, news)
    elif outcome == "refused":
        _refused(engine, record, news)
    elif outcome == "restarted":
        _restarted(engine, record, news)
    return news


def _introduce(engine: EngineState, record: Record) -> None:
    engine.name = record["engine_name"][:MAX_NAME]
    engine.interval_ms = max(record["sync_interval_ms"], 0)


def _listed(engine: EngineState, record: Record, news: News) -> None:
    _introduce(engine, record)
    gap = _unwatched(engine, record)
    if gap is not None:
        news.before.append(gap)
    lasted_ns = max(record["recorded_at_ns"] - engine.problem_since_ns, 0)
    if engine.problem:
        method = _METHODS.get(engine.problem, "a sync succeeded")
        recovery = Recovery(engine.problem, method, record["recorded_at_ns"], lasted_ns // 1_000_000)
        message = f"{engine.name}: {method}, after {duration(lasted_ns)}"
        news.told.append(Told(message, record["recorded_at_ns"], recovery))
        if engine.alert:
            news.told.append(Told(message, record["recorded_at_ns"], _alert(engine, record, raised=False)))
            engine.alert = ""
    listed_at_ns = record["listed_at_ns"]
    news.after.append(Note("engine_back", f"{engine.name} is heard", listed_at_ns, lacking=not (engine.problem or engine.attempts)))
    engine.heard_ns, engine.listed_at_ns, engine.generation = record["recorded_at_ns"], listed_at_ns, record["generation"]
    engine.watched_since_ns = record["watched_since_ns"] or 0
    engine.problem, engine.problem_since_ns, engine.attempts, engine.failed = "", 0, 0, ""
    if gap is None and engine.restarted_since_ns:
        news.told.append(Told(f"{engine.name} is watched again", engine.heard_ns, _restart_alert(engine, record, 0, raised=False)))
        engine.restarted_since_ns = 0


def _unwatched(engine: EngineState, record: Record) -> Note | None:
    """What nobody watched between the last listing and this one, in the engine's clock of now."""
    watched_ns = record["watched_since_ns"] or 0
    if not engine.watched_since_ns or watched_ns in (0, engine.watched_since_ns):
        return None
    lasted_ns = watched_ns - engine.listed_at_ns
    if record["generation"] != engine.generation:
        # The engine's clock ran back: its times from before say nothing now, the producer's clock may. A gap there was.
        heard_ns = record["recorded_at_ns"] - (record["listed_at_ns"] - watched_ns)
        lasted_ns = max(heard_ns - engine.heard_ns, _SHORTEST_GAP_NS)
    if lasted_ns <= 0:
        return None
    reason = f"nobody watched {engine.name} for {duration(lasted_ns)}"
    return Note("gap", reason, watched_ns, watched_ns - lasted_ns, lasted_ns // 1_000_000)


def _failed(engine: EngineState, record: Record, news: News) -> None:
    if record["snapshot_id"] == engine.failed:
        return  # published twice
    _introduce(engine, record)
    at_ns = record["recorded_at_ns"]
    engine.failed = record["snapshot_id"]
    engine.attempts += 1
    # A worker's clock counts from here, too: an engine that was dead before anyone heard of it is one.
    if record["answered"] or not engine.heard_ns:
        engine.heard_ns = at_ns
    error = record["error"][:MAX_TEXT]
    code = record["error_code"] if record["error_code"] in _SEVERITY else SYNC_FAILED
    said = f"a sync of {engine.name} failed: {error}" if code == SYNC_FAILED else f"{engine.name} does not answer: {error}"
    context = {"engine": engine.name, "cause": record["cause"], "request_id": record["request_id"]}
    if _turns(engine, code, at_ns):
        news.told.append(Told(said, at_ns, ErrorDetail(said, code, record["retry_count"], at_ns, context)))
        _raise_alert(engine, record, said, news)
    elif record["request_id"]:  # who asked is told each time, though the episode began before
        news.told.append(Told(said, at_ns, ErrorDetail(said, REFUSED, record["retry_count"], at_ns, context)))
    if engine.attempts <= _TOLD_FAILURES and engine.problem != SILENT:
        news.after.append(Note("sync_failed", error, at_ns, None, engine.attempts))


def _silent(engine: EngineState, record: Record, news: News) -> None:
    if record["listed_at_ns"] != engine.heard_ns or not engine.heard_ns:
        return  # it was heard while a worker's clock ran out
    at_ns = record["recorded_at_ns"]
    since_ns = engine.listed_at_ns or engine.heard_ns
    known = engine.problem == SILENT
    reason = f"nothing was heard of {engine.name} for {SILENT_INTERVALS} sync intervals"
    if _turns(engine, SILENT, engine.heard_ns):
        said = f"{reason}: its workspaces are stale"
        context = {"engine": engine.name, "sync_interval_seconds": f"{engine.interval_ms / 1000:g}", "heard_at_ns": str(engine.heard_ns)}
        news.told.append(Told(said, at_ns, ErrorDetail(said, SILENT, engine.attempts, at_ns, context)))
        _raise_alert(engine, record, said, news)
    news.after.append(Note("engine_silent", reason, at_ns, since_ns, engine.attempts, lacking=known))


def _refused(engine: EngineState, record: Record, news: News) -> None:
    producer, at_ns = record["producer_id"], record["recorded_at_ns"]
    told_ns = engine.refused.get(producer)
    if told_ns is not None and at_ns - told_ns < _REFUSED_AGAIN_NS:
        return
    engine.refused.pop(producer, None)
    engine.refused[producer] = at_ns
    while len(engine.refused) > _MAX_REFUSED:
        del engine.refused[next(iter(engine.refused))]
    error = record["error"][:MAX_TEXT]
    context = {"engine": record["engine_name"][:MAX_NAME], "producer_id": producer}
    news.told.append(Told(error, at_ns, ErrorDetail(error, record["error_code"], 0, at_ns, context)))


def _turns(engine: EngineState, code: str, since_ns: int) -> bool:
    """Whether the engine's problem became this one, which is worse than the one before."""
    if _SEVERITY[code] <= _SEVERITY.get(engine.problem, 0):
        return False
    engine.problem_since_ns = min(engine.problem_since_ns, since_ns) if engine.problem else since_ns
    engine.problem = code
    return True


def _raise_alert(engine: EngineState, record: Record, said: str, news: News) -> None:
    if engine.problem in ALERTS and not engine.alert:
        engine.alert, engine.alert_since_ns = engine.problem, engine.problem_since_ns
        news.told.append(Told(said, record["recorded_at_ns"], _alert(engine, record, raised=True)))


def _alert(engine: EngineState, record: Record, *, raised: bool) -> Alert:
    """The alert that an engine cannot be seen; its value is how long, s."""
    lasted_s = max(record["recorded_at_ns"] - engine.alert_since_ns, 0) / 1e9
    key = f"{record['engine_id']}/{engine.alert}/{engine.alert_since_ns}"
    threshold_s = engine.silent_after_ms / 1000
    return Alert(engine.alert, "silent_seconds", lasted_s, threshold_s, engine.alert_since_ns, None, {}, key, raised)


def _restarted(engine: EngineState, record: Record, news: News) -> None:
    """One alert for all containers that a restart ended; the first verdict counts, as later ones saw what came of it."""
    gap = record["generation"], record["watched_since_ns"] or 0
    if gap <= (engine.judged_generation, engine.judged_ns):
        return
    engine.judged_generation, engine.judged_ns = gap
    if not engine.restarted_since_ns:
        engine.restarted_since_ns = record["listed_at_ns"]
        alert = _restart_alert(engine, record, record["ended"], raised=True)
        news.told.append(Told(record["error"], record["recorded_at_ns"], alert))


def _restart_alert(engine: EngineState, record: Record, ended: int, *, raised: bool) -> Alert:
    since_ns = engine.restarted_since_ns
    key = f"{record['engine_id']}/{RESTARTED}/{since_ns}"
    return Alert(RESTARTED, "containers_ended", float(ended), 0.0, since_ns, None, {}, key, raised)
