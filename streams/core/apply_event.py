"""What an engine's event does to a workspace. What an action does to one container is the table of `containers.py`."""

from __future__ import annotations

from streams.core.containers import OTHER, REVIVING, TRANSITIONS
from streams.core.facts import EPHEMERAL, EngineEvent, Fact
from streams.core.state import REMOVED
from streams.core.step import APPLIED, LATE, UNPLACED, Step, advance, below_floor, join, not_in_order, remove, settle
from streams.core.words import renamed


def apply_event(step: Step, event: EngineEvent) -> str:
    state, fact = step.state, step.fact
    ref = fact.container
    container = state.containers.get(ref.id)
    transition = TRANSITIONS.get(event.action, OTHER)
    if container is None:
        if transition.implies is None:
            return UNPLACED
        if below_floor(state, fact):
            return LATE
        container = join(step, ref)
        before: str | None = None
        health = None
        container.state = transition.implies
    else:
        refusal = not_in_order(container, fact)
        if refusal is not None:
            return refusal
        before, health = container.state, container.health
        if before == REMOVED and event.action not in REVIVING:
            return APPLIED
        if _leaves(fact, event):
            advance(state, container, fact)
            remove(step, container, renamed(ref.name))
            return APPLIED
        if container.name != ref.name:
            container.name = ref.name
    advance(state, container, fact)
    if transition.activity and fact.time_ns > state.last_activity_ns:
        state.last_activity_ns = fact.time_ns
    if transition.to is not None:
        container.state = transition.to
    if transition.effect is not None:
        transition.effect(container, event, fact.time_ns)
    elif before == container.state:
        return APPLIED  # the common case: a sign of activity, nothing to tell
    settle(step, container, before, health)
    return APPLIED


def _leaves(fact: Fact, event: EngineEvent) -> bool:
    """An ephemeral workspace is its container's name: told under the old id, a rename is a leave."""
    return event.action == "rename" and fact.container.grouped_by == EPHEMERAL and event.old_name == fact.workspace_name
