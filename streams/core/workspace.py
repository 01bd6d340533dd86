"""Everything that changes a workspace begins here: its facts are folded one at a time, and nowhere else.

What each kind of fact does is in a file of its own (`apply_event.py`, `apply_observation.py`, `apply_command.py`, `apply_notice.py`),
what they share is in `step.py`; nobody else calls those. Pure: no I/O, no clock; only facts move time. A workspace is changed in place,
the caller keeps the returned value.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Final

from streams.core.apply_command import apply_command
from streams.core.apply_event import apply_event
from streams.core.apply_notice import apply_notice
from streams.core.apply_observation import apply_observation
from streams.core.changes import Change
from streams.core.encoding import canonical, from_bytes, to_bytes, to_record
from streams.core.facts import COMMAND, ENGINE_EVENT, NOTICE, OBSERVATION, Fact, Position
from streams.core.idle import last_use_ns
from streams.core.state import WorkspaceState
from streams.core.step import APPLIED, FOLDED_BEFORE, LATE, NOT_KNOWN, REFUSED, REPEATED, UNPLACED, Step, end_by_time

__all__ = ["APPLIED", "WorkspaceState", "canonical", "evolve", "fold", "from_bytes", "initial", "to_bytes", "to_record"]

OUTCOMES: Final = (APPLIED, FOLDED_BEFORE, REPEATED, LATE, UNPLACED, NOT_KNOWN, REFUSED)

_KINDS: Final[dict[str, Callable[[Step, Any], str]]] = {
    ENGINE_EVENT: apply_event,
    OBSERVATION: apply_observation,
    COMMAND: apply_command,
    NOTICE: apply_notice,
}

Tally = MutableMapping[str, int]
"""Facts by outcome, for the worker's metrics; no part of the state, as a redelivery changes it."""


def initial(workspace_id: str) -> WorkspaceState:
    """A workspace nothing is known of."""
    return WorkspaceState(workspace_id)


def evolve(state: WorkspaceState, fact: Fact) -> WorkspaceState:
    """One step of the fold, whatever the position, telling nobody."""
    _apply(Step(state, fact, Position(max(state.epoch, 0), 0, 0)))
    return state


def fold(state: WorkspaceState, fact: Fact, position: Position, tally: Tally | None = None) -> tuple[WorkspaceState, list[Change]]:
    """Folds one fact into its workspace.

    Args:
        state: the workspace; it is changed and returned.
        fact: a fact of this workspace.
        position: where the fact lies in the log; one not after the last folded changes nothing.
        tally: counts the fact by its outcome.

    Returns:
        The workspace and what changed, in order.
    """
    step = Step(state, fact, position)
    if position.epoch < state.epoch or (position.epoch == state.epoch and position.offset <= state.offset):
        outcome = FOLDED_BEFORE
    else:
        state.epoch, state.partition, state.offset = position
        outcome = _apply(step)
    if tally is not None:
        tally[outcome] = tally.get(outcome, 0) + 1
    return state, step.changes


def _apply(step: Step) -> str:
    apply = _KINDS.get(step.fact.kind)
    if apply is None:
        return NOT_KNOWN
    outcome = apply(step, step.fact.section)
    if outcome == APPLIED:
        state = step.state
        state.last_updated_ns = max(state.last_updated_ns, step.fact.time_ns)
        if state.problems:
            end_by_time(step)
        if state.idle_since_ns and last_use_ns(state.status_since_ns, state.last_activity_ns) > state.idle_since_ns:
            state.idle_since_ns = 0
    return outcome
