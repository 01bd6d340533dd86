"""The reconcile agent: listings against what was folded, and how the engines are.

Its one table row an engine and its one input, keyed by engine, are the order of everything that is said of that engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.identity import fact_id, notice_fact_id, observation_fact_id
from streams.agents import Writer, decode_keyed
from streams.core.changes import section_of, type_of
from streams.core.engine import RESTARTED, Note, Told, is_sign_of_life, take
from streams.core.invalid import InvalidMessage
from streams.core.notices import notice_fact
from streams.core.reconcile import ended_between, reconcile
from streams.core.words import duration
from streams.dead_letters import DeadLetters
from streams.engine_rows import EngineRow
from streams.lane import Input, Table
from streams.query.state_view import StateView
from streams.silence import Silence

_SNAPSHOT: Final = codec(topics.DOCKER_SNAPSHOTS.subject)

Record = Mapping[str, Any]


class ReconcileAgent:
    """docker.snapshots → observations and notices into docker.events, and the engine's events, numbered per engine.

    Args:
        silence: told of every sign of life; None where no clock runs.
    """

    def __init__(
        self, table: Table[EngineRow], writer: Writer, refused: DeadLetters, view: StateView, silence: Silence | None = None
    ) -> None:
        self._table = table
        self._writer = writer
        self._refused = refused
        self._view = view
        self._silence = silence

    def begin(self, partition: int) -> None:
        """Nothing was heard yet: silence is counted from here."""
        if self._silence is not None:
            self._silence.begin(partition)

    def fold(self, record: Input) -> None:
        """Takes one part of a listing, of which the last one that was missing makes it whole, or what stands in its place."""
        try:
            part = decode_keyed(_SNAPSHOT.decode, record, "engine_id")
            self._take(record, part)
        except (Undecodable, InvalidMessage) as error:
            self._refused.refuse(record, error.code, error.reason)
            return
        self._refused.accept()

    def finish(self) -> None:
        """Everything was said in `fold`."""

    def _take(self, record: Input, part: Record) -> None:
        epoch, partition, offset = record.position
        key = record.key or b""
        row = self._table.get(partition, key) or EngineRow()
        if (epoch, offset) <= (row.epoch, row.offset):
            return
        row.epoch, row.offset = epoch, offset
        self._table.put(partition, key, row)
        if self._silence is not None and is_sign_of_life(part):
            self._silence.heard(partition, key)
        if part["outcome"] != "listed":
            news = take(row.health, part)
            self._say(row, news.told, part, record)
            self._notify(news.after, part, record)
            return
        if part["snapshot_id"] == row.listing and row.whole:
            return  # published twice
        if part["snapshot_id"] != row.listing:
            row.listing, row.whole, row.parts = part["snapshot_id"], False, {}
            section = _sync(part)
            self._tell(row, "sync_start", part, record, part["listed_at_ns"], f"The sync of {part['engine_name']} began.", "sync", section)
        row.parts[part["part"]] = record.value or b""
        if len(row.parts) >= part["parts"]:
            self._reconcile(row, part, record)

    def _reconcile(self, row: EngineRow, part: Record, record: Input) -> None:
        parts = [part] if len(row.parts) == 1 else [_SNAPSHOT.decode(raw) for raw in row.parts.values()]
        row.whole, row.parts = True, {}
        states = list(self._view.states_of(part["engine_id"]))
        found = reconcile(parts, states, observation_fact_id)
        news = take(row.health, part)
        self._say(row, news.told, part, record)
        for gap in news.before:
            ended = ended_between(gap.since_ns or gap.time_ns, gap.time_ns, part["engine_id"], states, found.corrections)
            self._judge(gap, ended, part, record)
        self._notify(news.before, part, record)
        for fact in found.facts:
            self._writer.write(topics.DOCKER_EVENTS, fact["workspace_id"], fact, fact["kind"], fact["id"], record)
        self._notify(news.after, part, record)
        failures = sum(each["failures"] for each in parts)
        counts = {
            "workspace_count": found.workspaces, "container_count": found.containers, "success_count": found.workspaces,
            "error_count": failures, "duration_ms": max(each["duration_ms"] for each in parts), "corrections": found.corrections,
        }  # fmt: skip
        said = f"The sync of {part['engine_name']} saw {found.containers} containers in {found.workspaces} workspaces"
        said += f" and repaired {found.corrections}" if found.corrections else ""
        said += "".join(f"; before it nobody watched for {duration((note.value or 0) * 1_000_000)}" for note in news.before) + "."
        self._tell(row, "sync_complete", part, record, part["recorded_at_ns"], said, "sync", _sync(part, counts))

    def _judge(self, gap: Note, ended: int, part: Record, record: Input) -> None:
        """Says into the order of the listings that a restart ended containers: folded again, this listing finds them repaired."""
        if not ended:
            return
        engine_id, name, generation = part["engine_id"], part["engine_name"], part["generation"]
        said = f"{name} or its host went down: {ended} of its containers ended or changed, {gap.reason}"
        verdict = {
            "snapshot_id": fact_id("restarted", engine_id, generation, gap.time_ns), "engine_id": engine_id, "engine_name": name,
            "generation": generation, "listed_at_ns": gap.since_ns, "watched_since_ns": gap.time_ns,
            "recorded_at_ns": part["recorded_at_ns"], "part": 0, "parts": 2, "sync_interval_ms": part["sync_interval_ms"],
            "containers": [], "outcome": "restarted", "error": said, "error_code": RESTARTED, "ended": ended,
        }  # fmt: skip
        self._writer.write(topics.DOCKER_SNAPSHOTS, engine_id, verdict, "snapshot", str(verdict["snapshot_id"]), record)

    def _notify(self, notes: Iterable[Note], part: Record, record: Input) -> None:
        """Tells each of the engine's workspaces; of the ones that know already, or never had to, nobody."""
        engine_id: str = part["engine_id"]
        for note in notes:
            to_be_silent = note.name == "engine_silent"
            for state in self._view.states_of(engine_id):
                if note.lacking and (engine_id in state["silent_engines"]) is to_be_silent:
                    continue
                fact = notice_fact(
                    note.name,
                    (state["workspace_id"], state["workspace_name"]),
                    note.time_ns,
                    notice_fact_id,
                    recorded_at_ns=part["recorded_at_ns"],
                    about=f"{engine_id}\n{part['generation']}",
                    engine=(engine_id, part["engine_name"], part["generation"]),
                    reason=note.reason,
                    since_ns=note.since_ns,
                    value=note.value,
                )
                self._writer.write(topics.DOCKER_EVENTS, state["workspace_id"], fact, "notice", fact["id"], record)

    def _say(self, row: EngineRow, told: Iterable[Told], part: Record, record: Input) -> None:
        for one in told:
            section, content = section_of(one.detail)
            self._tell(row, type_of(one.detail), part, record, one.at_ns, one.message, section, content)

    def _tell(self, row: EngineRow, kind: str, part: Record, record: Input, at_ns: int, said: str, section: str, content: Record) -> None:
        row.seq += 1
        engine_id: str = part["engine_id"]
        epoch, partition, offset = record.position
        event = {
            "type": kind,
            "id": f"engine.{epoch}.{row.seq}.{engine_id}",
            "stream": "engine",
            "seq": row.seq,
            "workspace_id": None,
            "engine_id": engine_id,
            "timestamp_ns": at_ns,
            "message": said,
            "cause": {"topic": record.topic, "epoch": epoch, "partition": partition, "offset": offset},
            section: content,
        }
        self._writer.write(topics.WORKSPACE_CHANGES, engine_id, event, kind, str(event["id"]), record)


def _sync(part: Record, counts: Mapping[str, int] | None = None) -> Record:
    return {"sync_id": part["snapshot_id"], "engine": part["engine_name"], "request_id": part["request_id"], **(counts or {})}
