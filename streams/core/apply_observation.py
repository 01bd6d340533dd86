"""What an observation does to a workspace: a listing decides states, an inspect alone only details.

What it does to one container is in `sightings.py`.
"""

from __future__ import annotations

from streams.core.facts import Fact, Inspect, Observation
from streams.core.sightings import happened_ns, is_correction, may_lag, run_state, take_details, take_run_found, take_state
from streams.core.state import REMOVED, STATES, Container, remember, remembers
from streams.core.step import (
    APPLIED,
    LATE,
    REPEATED,
    UNPLACED,
    Step,
    advance,
    below_floor,
    details_order,
    join,
    not_in_order,
    only_implied,
    remove,
    settle,
)
from streams.core.words import renamed


def apply_observation(step: Step, seen: Observation) -> str:
    state, fact = step.state, step.fact
    ref = fact.container
    container = state.containers.get(ref.id)
    to = seen.state if seen.state in STATES else None
    if seen.present and to is None:
        return UNPLACED if seen.inspect is None else _details(step, container, seen, seen.inspect)
    if container is None:
        if not seen.present:
            return UNPLACED
        if below_floor(state, fact):
            return LATE
        _judge_first_sight(step, seen)
        container = join(step, ref)
        before: str | None = None
        health = None
    else:
        if not seen.present and container.engine_id != fact.engine_id:
            return LATE  # another engine's listing says nothing of it
        known_until_ns = container.time_ns
        lags = _lags(container, seen, fact)
        refusal = not_in_order(container, fact) or (LATE if lags else None)
        if refusal == LATE and seen.present and seen.inspect is not None and (lags or only_implied(container)):
            return _details(step, container, seen, seen.inspect)
        if refusal is not None:
            return refusal
        before, health = container.state, container.health
        _keep_run(container, seen.inspect)
        told_otherwise = is_correction(before, to or REMOVED) or (seen.health is not None and health not in (None, seen.health))
        if seen.by_sync and told_otherwise:
            step.corrects(max(known_until_ns, happened_ns(to, seen.inspect)))
    advance(state, container, fact)
    if seen.by_sync:
        state.last_sync_ns = max(state.last_sync_ns, fact.time_ns)
    if to is None or not seen.present:
        if before != REMOVED:
            # Of what left by a rename, the leave tells the new name.
            new_name = None if ref.name == container.name else ref.name
            remove(step, container, container.exit_reason if seen.by_sync else renamed(new_name))
        return APPLIED
    container.name, container.service = ref.name, ref.service
    container.image = container.image or ref.image  # a listing shows a bare id once the tag has moved on
    take_state(container, to, seen.health, seen.inspect, (fact.generation, fact.time_ns), watched=before is not None or step.correction)
    settle(step, container, before, health)
    return APPLIED


def _lags(container: Container, seen: Observation, fact: Fact) -> bool:
    """Asked here again: who compared the listing may not have seen yet what the events before it came to."""
    if not (seen.by_sync and seen.present) or seen.state is None or container.engine_id != fact.engine_id:
        return False
    return may_lag(container.state, (container.generation, container.time_ns), seen.state, (fact.generation, fact.time_ns))


def _keep_run(container: Container, inspect: Inspect | None) -> None:
    """A run that began before the event that implied its container is the one it was told of: a stop asked for stands."""
    if inspect is not None and only_implied(container):
        take_run_found(container, None, inspect, (container.generation, container.time_ns))


def _judge_first_sight(step: Step, seen: Observation) -> None:
    """A container first seen is no correction, unless it was created while its engine was already being watched."""
    state, fact = step.state, step.fact
    known_ns = [c.time_ns for c in state.containers.values() if c.engine_id == fact.engine_id]
    created_ns = seen.inspect.created_at_ns if seen.inspect is not None else None
    if seen.by_sync and known_ns and created_ns is not None and created_ns > max(known_ns):
        step.corrects(created_ns)


def _details(step: Step, container: Container | None, seen: Observation, inspect: Inspect) -> str:
    """Details come at their own pace: they are ordered among themselves, and never change a known container's state."""
    state, fact = step.state, step.fact
    order = (fact.generation, fact.time_ns)
    if container is None:
        if below_floor(state, fact):
            return LATE
        container = join(step, fact.container)
        advance(state, container, fact)
        # A rename brought it, or the events before were missed: its runs tell its state.
        take_state(container, run_state(inspect), seen.health or inspect.health, inspect, order, watched=False)
        settle(step, container, None, None)
        return APPLIED
    if remembers(container.recent, fact.id):
        return REPEATED
    if container.state == REMOVED or container.engine_id != fact.engine_id or order < details_order(container):
        return LATE
    health = container.health
    container.recent = remember(container.recent, fact.id)
    if only_implied(container):
        take_run_found(container, seen.health or inspect.health, inspect, order)
    take_details(container, inspect, order)
    settle(step, container, container.state, health)
    return APPLIED
