"""The agents: decode, fold, publish. What a record means is the core's to say; when it is durable, the lane's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.publish import Record, RecordMaker
from schemas.requests import COMMANDS_HEADER, ERASE_HEADER
from schemas.tick_decoder import decode_tick
from schemas.topics import MAX_RECORD_BYTES, Topic
from schemas.usage_encoder import encode_samples
from streams.core import changes, usage
from streams.core import workspace as state_fold
from streams.core.changes import ErrorDetail
from streams.core.commands import erased_by
from streams.core.facts import COMMAND, Fact, Position, parse_fact
from streams.core.invalid import InvalidMessage
from streams.core.state import UNSEEN
from streams.core.usage import UsageState, fold_tick, owed_at_ms, publish_owed
from streams.core.workspace import WorkspaceState
from streams.dead_letters import DeadLetters
from streams.keys import check_key
from streams.lane import Input, Table
from streams.owed import Owed
from streams.query.state_view import StateView

_FACT: Final = codec(topics.DOCKER_EVENTS.subject)

#: What is written so often that it has an encoder of its own.
_FASTER: Final = {(topics.WORKSPACE_USAGE.name, "samples"): encode_samples}

Send = Callable[[Record], None]


def decode_keyed(decode: Callable[[bytes | None], dict[str, Any]], record: Input, field: str) -> dict[str, Any]:
    """Decodes a record and insists that its key is what it says it is about.

    Raises:
        Undecodable, InvalidMessage: the input's fault.
    """
    found = decode(record.value)
    check_key(record.key, found[field])
    return found


class Writer:
    """Sends an agent's outputs; what no topic would take becomes a dead letter of the record that caused it."""

    def __init__(self, prefix: str, send: Send, refused: DeadLetters) -> None:
        self.prefix = prefix
        self._send = send
        self._refused = refused
        self._makers: dict[tuple[str, str], RecordMaker] = {}

    def write(
        self,
        topic: Topic,
        key: str,
        value: Mapping[str, Any],
        kind: str,
        record_id: str,
        cause: Input,
        more: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        """Encodes and sends one output.

        Args:
            more: further headers.
        """
        maker = self._makers.get((topic.name, kind))
        if maker is None:  # kinds are symbols of our own schemas: few
            maker = RecordMaker(topic, self.prefix, kind, _FASTER.get((topic.name, kind)))
            self._makers[topic.name, kind] = maker
        record = maker.make(key, value, record_id, cause.timestamp_ms)
        if more:
            record = record._replace(headers=record.headers + more)
        if record.size > MAX_RECORD_BYTES:
            self._refused.refuse(
                cause, "too_large", f"what follows for {topic.name} has {record.size:,} bytes, more than {MAX_RECORD_BYTES:,}"
            )
        else:
            self._send(record)

    def forget(self, key: str, cause: Input, more: tuple[tuple[str, bytes], ...] = ()) -> None:
        """Sends the tombstone of a forgotten workspace."""
        where = b"%d.%d.%d" % cause.position
        headers = (("wst-type", b"forgotten"), ("wst-cause", where), ("wst-id", b"state." + where), *more)
        topic = topics.WORKSPACE_STATE.full(self.prefix)
        self._send(Record(topic, key.encode("utf-8", "surrogateescape"), None, headers, cause.timestamp_ms))


class StateAgent:
    """docker.events → workspace.state (the last of a slice per workspace) and workspace.changes (each one).

    Args:
        view: told of every state; None where something else follows workspace.state.
    """

    def __init__(self, table: Table[WorkspaceState], writer: Writer, refused: DeadLetters, view: StateView | None = None) -> None:
        self._table = table
        self._writer = writer
        self._refused = refused
        self._view = view
        self._touched: dict[str, tuple[WorkspaceState, bool, Input]] = {}
        self._obeyed: dict[str, list[Fact]] = {}
        self._erased: dict[str, tuple[Input, bytes]] = {}
        self.outcomes: dict[str, int] = {}
        """Facts by what became of them, since the worker's start."""

    def begin(self, partition: int) -> None:
        """Shows the view what was durable."""
        if self._view is not None:
            for _, state in self._table.items(partition):
                self._view.apply(state.workspace_id, state_fold.to_record(state), _position(state))

    def fold(self, record: Input) -> None:
        """Folds one fact."""
        try:
            fact = parse_fact(decode_keyed(_FACT.decode, record, "workspace_id"))
        except (Undecodable, InvalidMessage) as error:
            self._refused.refuse(record, error.code, error.reason)
            return
        self._refused.accept()
        key, partition = record.key or b"", record.position.partition
        state = self._table.get(partition, key) or state_fold.initial(fact.workspace_id)
        known = self._touched[fact.workspace_id][1] if fact.workspace_id in self._touched else state.status != UNSEEN
        before = state.epoch, state.offset
        state, told = state_fold.fold(state, fact, record.position, self.outcomes)
        if before == (state.epoch, state.offset):
            return
        self._table.put(partition, key, state)
        self._touched[fact.workspace_id] = (state, known, record)
        if fact.kind == COMMAND and not any(isinstance(change.detail, ErrorDetail) for change in told):
            self._obeyed.setdefault(fact.workspace_id, []).append(fact)
            if erased_by(state, fact, told):
                self._erased[fact.workspace_id] = record, state_fold.to_bytes(state)
        for change in told:
            event = changes.to_record(change, record.topic)
            self._writer.write(topics.WORKSPACE_CHANGES, change.workspace_id, event, change.type, change.id, record)

    def finish(self) -> None:
        """Publishes the states of the workspaces this slice touched."""
        for workspace_id, (state, known, cause) in self._touched.items():
            record = state_fold.to_record(state)
            obeyed = self._obeyed.pop(workspace_id, ())
            more = _answers(obeyed) if obeyed else ()
            if workspace_id in self._erased:
                erasing, rest = self._erased.pop(workspace_id)
                erased = ((ERASE_HEADER, rest),)
                if record is None and erasing is cause:
                    more += erased
                else:  # under its own cause, before what the same slice says of a later life
                    self._writer.forget(workspace_id, erasing, erased)
            if record is not None:
                record_id = f"state.{state.epoch}.{state.offset}.{workspace_id}"
                self._writer.write(topics.WORKSPACE_STATE, workspace_id, record, "state", record_id, cause, more)
            elif known or obeyed:
                self._writer.forget(workspace_id, cause, more)
            if self._view is not None:
                self._view.apply(workspace_id, record, _position(state))
        self._touched.clear()


def _answers(obeyed: Sequence[Fact]) -> tuple[tuple[str, bytes], ...]:
    """Tells who waits that their commands were obeyed: of a refusal tells an event. They are in no state, as nobody asks later."""
    return ((COMMANDS_HEADER, b",".join(fact.id.hex().encode() for fact in obeyed)),)


def _position(state: WorkspaceState) -> Position:
    return Position(state.epoch, state.partition, state.offset)


class Telling(Protocol):
    """Tells more of a tick than samples and windows (`usage_telling.py`)."""

    def tell(self, state: UsageState, outputs: Sequence[Mapping[str, Any]], tick: Mapping[str, Any], record: Input) -> None:
        """Takes a tick that was folded just now, with what the fold made of it."""


class UsageAgent:
    """docker.stats → workspace.usage: derived samples of each tick, and windows when they are due.

    Args:
        telling: tells what else follows; None: nothing does.
    """

    def __init__(self, table: Table[UsageState], writer: Writer, refused: DeadLetters, telling: Telling | None = None) -> None:
        self._table = table
        self._writer = writer
        self._refused = refused
        self._telling = telling
        self._owed: dict[int, Owed] = {}

    def begin(self, partition: int) -> None:
        """What the partition's windows owe is found out anew."""
        self._owed[partition] = Owed(self._table.keys(partition))

    def fold(self, record: Input) -> None:
        """Folds one tick."""
        partition, key = record.position.partition, record.key or b""
        try:
            tick = decode_keyed(decode_tick, record, "workspace_id")
            state = self._table.get(partition, key) or usage.initial(tick["workspace_id"])
            state, outputs = fold_tick(state, tick, record.position, record.timestamp_ms)
        except (Undecodable, InvalidMessage) as error:
            self._refused.refuse(record, error.code, error.reason)
            return
        self._refused.accept()
        self._table.put(partition, key, state)
        self._publish(state, outputs, record)
        if self._telling is not None:
            self._telling.tell(state, outputs, tick, record)
        owed = self._owed[partition]
        if key not in owed and (at_ms := owed_at_ms(state)) is not None:
            owed.remember(key, at_ms)
        self._publish_owed(owed, record)

    def finish(self) -> None:
        """Everything was said in `fold`."""

    def _publish(self, state: UsageState, outputs: Sequence[Mapping[str, Any]], record: Input) -> None:
        epoch, _, offset = record.position
        for number, output in enumerate(outputs):
            record_id = f"usage.{epoch}.{offset}.{number}.{state.workspace_id}"
            self._writer.write(topics.WORKSPACE_USAGE, state.workspace_id, output, output["kind"], record_id, record)

    def _publish_owed(self, owed: Owed, record: Input) -> None:
        """Publishes what windows of any workspace owe although no sample of theirs comes any more."""
        partition = record.position.partition
        for key in owed.due(record.timestamp_ms):
            state = self._table.get(partition, key)
            if state is None:
                continue
            outputs = publish_owed(state, record.timestamp_ms)
            if outputs:
                self._table.put(partition, key, state)
                self._publish(state, outputs, record)
            at_ms = owed_at_ms(state)
            if at_ms is not None:
                owed.remember(key, at_ms)
