"""Everything that changes a workspace is in this file: its facts are folded here, one at a time, and nowhere else.

What an action does to one container is the table of `containers.py`, what an observation does is in `sightings.py`, what is wrong
with it is the table of `problems.py`; here is what they mean for the workspace: which fact counts, what it becomes, what is told.
Pure: no I/O, no clock; only facts move time. A workspace is changed in place, the caller keeps the returned value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from streams.core.changes import Change, ErrorDetail
from streams.core.commands import COMMANDS, mute_seconds
from streams.core.containers import OTHER, REVIVING, TRANSITIONS
from streams.core.encoding import canonical, from_bytes, to_bytes, to_record
from streams.core.facts import (
    COMMAND,
    ENGINE_EVENT,
    EPHEMERAL,
    MAX_NAME,
    NOTICE,
    OBSERVATION,
    Command,
    EngineEvent,
    Fact,
    Inspect,
    Notice,
    Observation,
    Position,
)
from streams.core.idle import gone_since_ns, last_use_ns
from streams.core.sightings import happened_ns, is_correction, run_state, take_details, take_run_found, take_state
from streams.core.state import (
    ACTIVE,
    ARCHIVED,
    INACTIVE,
    REMOVED,
    STATES,
    UNSEEN,
    Container,
    Engine,
    WorkspaceState,
    remember,
    remembers,
)
from streams.core.step import (
    LATE,
    REPEATED,
    Step,
    advance,
    below_floor,
    details_order,
    end_by_time,
    join,
    judge_alert,
    not_in_order,
    only_implied,
    raise_floor,
    remove,
    set_status,
    settle,
)
from streams.core.words import SECOND_NS, renamed

__all__ = ["WorkspaceState", "canonical", "evolve", "fold", "from_bytes", "initial", "to_bytes", "to_record"]

# What became of a fact: counted, never silent.
APPLIED: Final = "applied"
FOLDED_BEFORE: Final = "folded_before"
"""The position is not after the last one folded."""
UNPLACED: Final = "unplaced"
"""It says nothing about a container nobody knows; the next sync will."""
NOT_KNOWN: Final = "unknown"
"""Of a kind or a name this version does not know."""
REFUSED: Final = "refused"
"""A command that makes no sense; an `error` change says why."""
OUTCOMES: Final = (APPLIED, FOLDED_BEFORE, REPEATED, LATE, UNPLACED, NOT_KNOWN, REFUSED)

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


# ── engine events ────────────────────────────────────────────────────────────────────────────────


def _event(step: Step, event: EngineEvent) -> str:
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


# ── observations ─────────────────────────────────────────────────────────────────────────────────


def _observation(step: Step, seen: Observation) -> str:
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
        refusal = not_in_order(container, fact)
        if refusal == LATE and seen.present and seen.inspect is not None and only_implied(container):
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


# ── commands and notices ─────────────────────────────────────────────────────────────────────────


def _command(step: Step, command: Command) -> str:
    state, fact = step.state, step.fact
    if remembers(state.commands, fact.id):
        return REPEATED
    state.commands = remember(state.commands, fact.id)
    obey = _OBEY.get(command.name)
    refuse = COMMANDS.get(command.name)
    reason = f"there is no command {command.name[:40]}" if obey is None or refuse is None else refuse(state, command)
    if reason is None and obey is not None:
        obey(step, command)
        return APPLIED
    context = {"command": command.name[:MAX_NAME], "by": command.by, "command_id": fact.id.hex()}
    detail = ErrorDetail(reason or "", "refused", 0, fact.time_ns, context)
    step.tell(f"{command.name[:40]} refused: {reason}", detail)
    return REFUSED


def _said(command: Command, what: str) -> str:
    by = f" by {command.by}" if command.by else ""
    return f"{what}{by}: {command.why}" if command.why else f"{what}{by}"


def _archive(step: Step, command: Command) -> None:
    set_status(step, ARCHIVED, _said(command, "archived"), None)


def _unarchive(step: Step, command: Command) -> None:
    set_status(step, INACTIVE, _said(command, "restored"), None)


def _register(step: Step, command: Command) -> None:
    step.state.name = command.arguments.get("name", "")[:MAX_NAME].strip() or step.state.workspace_id
    step.state.named = True
    set_status(step, INACTIVE, _said(command, "registered"), None)


def _rename_workspace(step: Step, command: Command) -> None:
    step.state.name = command.arguments["name"][:MAX_NAME].strip()
    step.state.named = True


def _forget(step: Step, command: Command | Notice) -> None:
    """Leaves what numbers events and what keeps old facts from bringing it back."""
    state = step.state
    for container in state.containers.values():
        raise_floor(state, container)
        container.problem = None
        judge_alert(step, container)
    blank = WorkspaceState(
        state.workspace_id,
        seq=state.seq,
        engines={engine_id: Engine(e.name, e.generation, e.time_ns) for engine_id, e in state.engines.items()},
        commands=state.commands,
        epoch=state.epoch,
        partition=state.partition,
        offset=state.offset,
    )
    for name in WorkspaceState.__slots__:
        setattr(state, name, getattr(blank, name))


def _mute(step: Step, command: Command) -> None:
    """Alerts are raised and resolved all the same: what is muted is their delivery."""
    step.state.muted_until_ns = step.fact.time_ns + round((mute_seconds(command) or 0) * SECOND_NS)


def _unmute(step: Step, command: Command) -> None:
    step.state.muted_until_ns = 0


_OBEY: Final[Mapping[str, Callable[[Step, Command], None]]] = {
    "archive": _archive,
    "unarchive": _unarchive,
    "register": _register,
    "rename": _rename_workspace,
    "forget": _forget,
    "mute": _mute,
    "unmute": _unmute,
}


def _notice(step: Step, notice: Notice) -> str:
    state, fact = step.state, step.fact
    if remembers(state.commands, fact.id):
        return REPEATED
    notes = _NOTICES.get(notice.name)
    if notes is None or state.status == UNSEEN:
        return NOT_KNOWN
    state.commands = remember(state.commands, fact.id)
    notes(step, notice)
    return APPLIED


def _engine_silent(step: Step, notice: Notice) -> None:
    engine = step.state.engines.get(step.fact.engine_id)
    if engine is not None:
        engine.silent_since_ns = notice.since_ns or step.fact.time_ns
        engine.sync_attempts = max(engine.sync_attempts, notice.value or 0)


def _engine_back(step: Step, notice: Notice) -> None:
    engine = step.state.engines.get(step.fact.engine_id)
    if engine is not None:
        engine.silent_since_ns = 0
        engine.sync_attempts = 0


def _sync_failed(step: Step, notice: Notice) -> None:
    engine = step.state.engines.get(step.fact.engine_id)
    if engine is not None:
        engine.sync_attempts = max(engine.sync_attempts, notice.value or 1)


def _gap(step: Step, notice: Notice) -> None:
    """Nobody watched: what a listing found after it comes as corrections; history keeps the gap by this fact."""
    engine = step.state.engines.get(step.fact.engine_id)
    if engine is not None and notice.since_ns is not None:
        engine.gap_since_ns, engine.gap_until_ns = notice.since_ns, step.fact.time_ns


def _activity(step: Step, notice: Notice) -> None:
    step.state.last_activity_ns = max(step.state.last_activity_ns, step.fact.time_ns)


def _idle_due(step: Step, notice: Notice) -> None:
    """Acts on the use that was known when it was decided: what was used meanwhile is not idle."""
    state = step.state
    used_ns = last_use_ns(state.status_since_ns, state.last_activity_ns)
    if notice.since_ns is not None and notice.since_ns < used_ns:
        return
    if state.status == INACTIVE:
        set_status(step, ARCHIVED, notice.reason or "archived: nobody used it", None)
    elif state.status == ACTIVE:
        state.idle_since_ns = used_ns


def _forget_due(step: Step, notice: Notice) -> None:
    """An ephemeral workspace is forgotten, unless its container came back meanwhile."""
    gone_ns = gone_since_ns(step.state)
    if gone_ns is not None and gone_ns == notice.since_ns:
        _forget(step, notice)


_NOTICES: Final[Mapping[str, Callable[[Step, Notice], None]]] = {
    "engine_silent": _engine_silent,
    "engine_back": _engine_back,
    "sync_failed": _sync_failed,
    "gap": _gap,
    "activity": _activity,
    "idle_due": _idle_due,
    "forget_due": _forget_due,
}

_KINDS: Final[Mapping[str, Callable[[Step, Any], str]]] = {
    ENGINE_EVENT: _event,
    OBSERVATION: _observation,
    COMMAND: _command,
    NOTICE: _notice,
}
