"""Folding again and comparing: pure. The loop is the hot path of a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas import topics
from schemas.codec import Undecodable, codec
from streams.core import workspace
from streams.core.changes import Change
from streams.core.commands import erased_by
from streams.core.facts import COMMAND, Position
from streams.core.invalid import InvalidMessage
from streams.core.state import UNSEEN, WorkspaceState
from streams.log_facts import read_fact

_STATE: Final = codec(topics.WORKSPACE_STATE.subject)
#: Where a state's last fact lay: another copy of the same fact may lie elsewhere.
_POSITION: Final = frozenset(("epoch", "partition", "offset"))

Record = Mapping[str, Any]


class RawFact(NamedTuple):
    """A fact as it lies in the log or the archive."""

    value: bytes | None
    position: Position


class Live(NamedTuple):
    """What the running system says of a workspace; `state` None: forgotten. `until` is the last fact it has folded."""

    state: Record | None
    until: Position


class Difference(NamedTuple):
    """One thing that the replay sees otherwise."""

    workspace_id: str
    what: str
    live: Any
    replayed: Any


@dataclass(slots=True)
class Refold:
    """States as folded again.

    Attributes:
        live: what to compare with: of each workspace no fact beyond its own is folded; None: everything is.
        states: what the facts follow, where that is not nothing; then what they made of it.
        erased: by workspace, what was left of it and when, as its last `forget --erase` was folded.
        facts: how many were folded; refused: how many no fold takes; newer: how many lie beyond what is compared.
    """

    live: Mapping[str, Live] | None = None
    states: dict[str, WorkspaceState] = field(default_factory=dict)
    event_ids: dict[str, list[str]] = field(default_factory=dict)
    erased: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    facts: int = 0
    refused: int = 0
    newer: int = 0

    def take(self, raw: Iterable[RawFact]) -> Iterator[tuple[WorkspaceState, list[Change]]]:
        """Folds facts, each workspace's in the order of the log; yields each state that told something, and what."""
        fold, states, live = workspace.fold, self.states, self.live
        for value, position in raw:
            try:
                fact = read_fact(value)
            except (Undecodable, InvalidMessage):
                self.refused += 1
                continue
            name = fact.workspace_id
            if live is not None and (known := live.get(name)) is not None:
                epoch, _, offset = known.until
                if (position.epoch, position.offset) > (epoch, offset):
                    self.newer += 1
                    continue
            state = states.get(name)
            if state is None:
                state = states[name] = workspace.initial(name)
            self.facts += 1
            _, changes = fold(state, fact, position)
            if fact.kind == COMMAND and erased_by(state, fact):
                self.erased[name] = workspace.to_bytes(state), fact.time_ns
            if changes:
                self.event_ids.setdefault(name, []).extend([change.id for change in changes])
                yield state, changes

    def run(self, raw: Iterable[RawFact]) -> None:
        """Folds facts to the end."""
        for _ in self.take(raw):
            pass

    def differences(self, event_ids: Mapping[str, Iterable[str]], since_ns: int = 0) -> Iterator[Difference]:
        """What the running system says otherwise, field by field, by workspace.

        Args:
            event_ids: ids of the events the system told of each workspace, as far as it still has them.
            since_ns: leaves out workspaces that nothing happened to since then.
        """
        live = self.live or {}
        for name in sorted(live.keys() | self.states.keys()):
            state = self.states.get(name)
            known = live.get(name)
            if known is None and (state is None or state.status == UNSEEN):
                continue
            if state is not None and state.last_updated_ns < since_ns:
                continue
            said = None if state is None else workspace.to_record(state)
            yield from _unlike(name, None if known is None else known.state, said)
            told, again = set(event_ids.get(name, ())), set(self.event_ids.get(name, ()))
            for event_id in sorted(told - again):
                yield Difference(name, "event", event_id, None)
            if name in event_ids:
                yield from (Difference(name, "event", None, event_id) for event_id in sorted(again - told))


def _unlike(name: str, live: Record | None, replayed: Record | None) -> Iterator[Difference]:
    if live is None or replayed is None:
        if (live is None) != (replayed is None):
            shown = [None if one is None else one["status"] for one in (live, replayed)]
            yield Difference(name, "status", *shown)
        return
    # Through the codec, so that both have the fields of this version, absent ones as their defaults.
    one, other = (_STATE.decode(_STATE.encode(record)) for record in (live, replayed))
    for key in one:
        if key not in _POSITION and one[key] != other[key]:
            yield from _inside(name, one[key], other[key]) if key == "containers" else [Difference(name, key, one[key], other[key])]


def _inside(name: str, live: list[Record], replayed: list[Record]) -> Iterator[Difference]:
    ours, theirs = ({container["id"]: container for container in some} for some in (live, replayed))
    for container_id in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(container_id), theirs.get(container_id)
        if one is None or other is None:
            shown = [None if found is None else found["state"] for found in (one, other)]
            yield Difference(name, f"container {container_id}", *shown)
            continue
        for key in one:
            if one[key] != other[key]:
                yield Difference(name, f"container {container_id} {key}", one[key], other[key])
