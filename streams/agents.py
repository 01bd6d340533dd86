"""The agents: decode, fold, publish. What a record means is the core's to say; when it is durable, the lane's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from schemas import topics
from schemas.codec import Undecodable
from schemas.event_encoder import encode_metrics_update
from schemas.publish import Record, RecordMaker
from schemas.requests import COMMANDS_HEADER, ERASE_HEADER, REFUSED_HEADER
from schemas.topics import MAX_RECORD_BYTES, Topic
from schemas.usage_encoder import encode_samples, encode_windows
from streams.core import changes
from streams.core import workspace as state_fold
from streams.core.changes import ErrorDetail, StatusChanged
from streams.core.commands import erased_by
from streams.core.facts import COMMAND, Fact, Position
from streams.core.invalid import InvalidMessage
from streams.core.state import UNSEEN, remembers
from streams.core.workspace import WorkspaceState
from streams.dead_letters import DeadLetters
from streams.keys import check_key
from streams.lane import Input, Table
from streams.log_facts import read_fact
from streams.query.state_view import StateView

#: What is written so often that it has an encoder of its own.
_FASTER: Final = {
    (topics.WORKSPACE_USAGE.name, "samples"): encode_samples,
    (topics.WORKSPACE_USAGE.name, "windows"): encode_windows,
    (topics.WORKSPACE_CHANGES.name, "metrics_update"): encode_metrics_update,
}

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
        self.held: list[Record] | None = None
        """Where what is sent is kept until whoever keeps it sends it; None: it is sent."""

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
        record = self.maker(topic, kind).make(key, value, record_id, cause.timestamp_ms)
        if more:
            record = record._replace(headers=record.headers + more)
        self.send(record, cause)

    def maker(self, topic: Topic, kind: str) -> RecordMaker:
        """What makes the records of a topic and kind."""
        maker = self._makers.get((topic.name, kind))
        if maker is None:  # kinds are symbols of our own schemas: few
            maker = RecordMaker(topic, self.prefix, kind, _FASTER.get((topic.name, kind)))
            self._makers[topic.name, kind] = maker
        return maker

    def send(self, record: Record, cause: Input) -> None:
        """Sends an output that is made already."""
        if self.held is not None:
            self.held.append(record)
        elif len(record.value or b"") + len(record.key or b"") > MAX_RECORD_BYTES:
            name = record.topic.removeprefix(self.prefix)
            self._refused.refuse(cause, "too_large", f"what follows for {name} has {record.size:,} bytes, more than {MAX_RECORD_BYTES:,}")
        else:
            self._send(record)

    def send_each(self, said: Sequence[Sequence[Record]], causes: Sequence[Input]) -> None:
        """Sends what was kept of some inputs."""
        send = self._send
        for records, cause in zip(said, causes, strict=True):
            for record in records:
                if len(record.value or b"") + len(record.key or b"") > MAX_RECORD_BYTES:
                    self.send(record, cause)
                else:
                    send(record)

    def forget(self, key: str, cause: Input, more: tuple[tuple[str, bytes], ...] = ()) -> None:
        """Sends the tombstone of a forgotten workspace."""
        where = b"%d.%d.%d" % cause.position
        headers = (("wst-type", b"forgotten"), ("wst-cause", where), ("wst-id", b"state." + where), *more)
        topic = topics.WORKSPACE_STATE.full(self.prefix)
        self._send(Record(topic, key.encode("utf-8", "surrogateescape"), None, headers, cause.timestamp_ms))


class StateAgent:
    """docker.events → workspace.changes (each one) and workspace.state: the last of a slice per workspace, and each with another status.

    A status that comes and goes within a slice has a condition that no later state tells: history would show it with that of before.

    Args:
        view: told of every state; None where something else follows workspace.state.
    """

    def __init__(self, table: Table[WorkspaceState], writer: Writer, refused: DeadLetters, view: StateView | None = None) -> None:
        self._table = table
        self._writer = writer
        self._refused = refused
        self._view = view
        self._touched: dict[str, tuple[WorkspaceState, bool, Input]] = {}
        self._answered: dict[str, list[tuple[str, Fact]]] = {}
        """Commands of this slice by the header that tells of them."""
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
            fact = read_fact(record.value)
            check_key(record.key, fact.workspace_id)
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
            header = REFUSED_HEADER if remembers(state.refused, fact.id) else COMMANDS_HEADER
            self._answered.setdefault(fact.workspace_id, []).append((header, fact))
            if erased_by(state, fact):
                self._erased[fact.workspace_id] = record, state_fold.to_bytes(state)
        for change in told:
            event = changes.to_record(change, record.topic)
            self._writer.write(topics.WORKSPACE_CHANGES, change.workspace_id, event, change.type, change.id, record)
        if any(isinstance(change.detail, StatusChanged) for change in told):
            self._publish(*self._touched.pop(fact.workspace_id))

    def finish(self) -> None:
        """Publishes the states of the workspaces this slice touched."""
        for touched in self._touched.values():
            self._publish(*touched)
        self._touched.clear()

    def _publish(self, state: WorkspaceState, known: bool, cause: Input) -> None:
        workspace_id = state.workspace_id
        record = state_fold.to_record(state)
        answered = self._answered.pop(workspace_id, ())
        more = _answers(answered) if answered else ()
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
        elif known or answered:
            self._writer.forget(workspace_id, cause, more)
        if self._view is not None:
            self._view.apply(workspace_id, record, _position(state))


def _answers(answered: Sequence[tuple[str, Fact]]) -> tuple[tuple[str, bytes], ...]:
    """Tells who waits what became of their commands: of a first refusal tells an event. They are in no state, as nobody asks later."""
    by_header = {header: b",".join(fact.id.hex().encode() for told, fact in answered if told == header) for header, _ in answered}
    return tuple(by_header.items())


def _position(state: WorkspaceState) -> Position:
    return Position(state.epoch, state.partition, state.offset)
