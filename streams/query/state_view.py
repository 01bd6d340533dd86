"""The latest state of every workspace, in memory; the same component for API, Tracker and the reconcile agent.

What is applied may repeat and may come in any order: of each workspace the highest position of its facts wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from schemas import topics
from schemas.codec import codec
from streams.core.facts import Position
from streams.sinks.rows import arrived

StateRecord = Mapping[str, Any]

_STATE = codec(topics.WORKSPACE_STATE.subject)


class StateView:
    """Workspace id → State record, with an index by engine. Records are shared: treat them as read-only."""

    def __init__(self) -> None:
        self._states: dict[str, StateRecord] = {}
        self._positions: dict[str, Position] = {}
        self._engines: dict[str, set[str]] = {}
        self.listeners: list[Callable[[str, StateRecord | None, StateRecord | None], None]] = []
        """Told of each record that changed something: workspace id, state before, state after."""
        self._ids: list[str] | None = None
        self.changes = 0
        """Counts the records that changed something: a cheap look for news, and an ETag."""

    def apply(self, workspace_id: str, record: StateRecord | None, position: Position) -> bool:
        """Takes a state, or None for a forgotten workspace; False: it knew that or better.

        Args:
            position: of the last fact folded into the state, or of the fact that forgot the workspace.
        """
        known = self._positions.get(workspace_id)
        if known is not None and (position.epoch, position.offset) <= (known.epoch, known.offset):
            return False
        self._positions[workspace_id] = position
        before = self._states.pop(workspace_id, None)
        self._index(workspace_id, before, record)
        if (before is None) is not (record is None):
            self._ids = None
        if record is not None:
            self._states[workspace_id] = record
        self.changes += 1
        for listener in self.listeners:
            listener(workspace_id, before, record)
        return True

    def apply_message(self, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> bool:
        """Takes a record of `workspace.state` as it came.

        Raises:
            Undecodable, InvalidMessage: it is none; the view is as before.
        """
        one = arrived(topics.WORKSPACE_STATE.name, Position(0, 0, 0), key, value, headers, 0)
        return self.apply((key or b"").decode("utf-8", "replace"), one.record, one.folded)

    def _index(self, workspace_id: str, before: StateRecord | None, after: StateRecord | None) -> None:
        for engine_id in _engines(before) - _engines(after):
            self._engines[engine_id].discard(workspace_id)
        for engine_id in _engines(after):
            self._engines.setdefault(engine_id, set()).add(workspace_id)

    def get(self, workspace_id: str) -> StateRecord | None:
        """A workspace's state; None: unknown or forgotten."""
        return self._states.get(workspace_id)

    def all(self) -> list[StateRecord]:
        """All states, by workspace id."""
        if self._ids is None:
            self._ids = sorted(self._states)
        return [self._states[workspace_id] for workspace_id in self._ids]

    def find(self, name: str) -> list[StateRecord]:
        """The workspace with that id, else those with that name, by workspace id."""
        exact = self._states.get(name)
        return [exact] if exact is not None else [state for state in self.all() if state["workspace_name"] == name]

    def states_of(self, engine_id: str) -> list[StateRecord]:
        """States of the workspaces with a container on an engine: what its listing is compared with."""
        return [self._states[workspace_id] for workspace_id in sorted(self._engines.get(engine_id, ()))]

    def engine_ids(self) -> set[str]:
        """Engines that have containers here."""
        return {engine_id for engine_id, workspaces in self._engines.items() if workspaces}

    def position(self, workspace_id: str) -> Position | None:
        """Position of the last fact known of a workspace, also of a forgotten one."""
        return self._positions.get(workspace_id)

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[StateRecord]:
        return iter(self.all())


def position_of(record: StateRecord) -> Position:
    """Position of the last fact folded into a state."""
    return Position(record["epoch"], record["partition"], record["offset"])


def _engines(record: StateRecord | None) -> set[str]:
    return {container["engine_id"] for container in record["containers"]} if record else set()
