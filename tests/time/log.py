"""A log folded as a worker folds it, slice by slice, and everything the sink would make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas import topics
from streams.core import workspace
from streams.core.changes import Change, to_record
from streams.core.facts import Position, parse_fact
from streams.core.state import UNSEEN, WorkspaceState
from streams.sinks.rows import Block
from tests.core_state.makers import TOPIC, Record
from tests.sinks.records import arrive, forgotten_by, rows_of

POSITION_FIELDS = ("epoch", "partition", "offset")


@dataclass
class Log:
    """Facts of any workspaces in one partition, from offset 1 of epoch 1."""

    states: dict[str, WorkspaceState] = field(default_factory=dict)
    facts: list[tuple[Record, Position]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    published: list[tuple[str, Record | None, Position]] = field(default_factory=list)

    def slice(self, records: Sequence[Record]) -> None:
        """Folds a slice: each change is published, and the last state of each workspace it touches."""
        touched: dict[str, bool] = {}
        for record in records:
            at = Position(1, 0, len(self.facts) + 1)
            self.facts.append((record, at))
            name = record["workspace_id"]
            state = self.states.setdefault(name, workspace.initial(name))
            touched.setdefault(name, state.status != UNSEEN)
            self.changes += workspace.fold(state, parse_fact(record), at)[1]
        for name, known in touched.items():
            state = self.states[name]
            said = workspace.to_record(state)
            if said is not None or known:
                self.published.append((name, said, Position(state.epoch, state.partition, state.offset)))

    def rows(self) -> Iterator[Block]:
        """What the sink inserts."""
        yield from rows_of(topics.DOCKER_EVENTS, *(arrive(topics.DOCKER_EVENTS, record, at) for record, at in self.facts))
        events = [to_record(change, TOPIC) for change in self.changes]
        yield from rows_of(
            topics.WORKSPACE_CHANGES,
            *(arrive(topics.WORKSPACE_CHANGES, event, Position(1, 0, number)) for number, event in enumerate(events, 1)),
        )
        states = [
            arrive(topics.WORKSPACE_STATE, said, at, name, () if said is not None else forgotten_by(at))
            for name, said, at in self.published
        ]
        yield from rows_of(topics.WORKSPACE_STATE, *states)

    def until(self, workspace_id: str, at_ns: int) -> dict[str, Any] | None:
        """What folding the facts up to an instant says, without where they lay; None: unknown or forgotten then."""
        state = workspace.initial(workspace_id)
        for record, at in self.facts:
            if record["workspace_id"] == workspace_id and record["time_ns"] <= at_ns:
                workspace.fold(state, parse_fact(record), at)
        said = workspace.to_record(state)
        return None if said is None else placeless(said)


def placeless(record: Record) -> dict[str, Any]:
    """A State record without positions."""
    return {name: value for name, value in record.items() if name not in POSITION_FIELDS}


def of(workspace_id: str, records: Sequence[Record]) -> list[Record]:
    """Facts as if they were another workspace's."""
    return [record | {"workspace_id": workspace_id, "workspace_name": workspace_id.partition("@")[0]} for record in records]


def slices(records: Sequence[Record], sizes: Sequence[int]) -> Iterator[Sequence[Record]]:
    """A log cut into slices of these sizes, over and over."""
    begin, turn = 0, 0
    while begin < len(records):
        size = sizes[turn % len(sizes)]
        yield records[begin : begin + size]
        begin, turn = begin + size, turn + 1
