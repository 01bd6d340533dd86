"""What a clock or another stream decided, and what that does to a workspace. The records of it are made in `notices.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from streams.core.apply_command import forget
from streams.core.facts import Notice
from streams.core.idle import gone_since_ns, last_use_ns
from streams.core.state import ACTIVE, ARCHIVED, INACTIVE, UNSEEN, remember, remembers
from streams.core.step import APPLIED, NOT_KNOWN, REPEATED, Step, set_status


def apply_notice(step: Step, notice: Notice) -> str:
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
        forget(step, notice)


_NOTICES: Final[Mapping[str, Callable[[Step, Notice], None]]] = {
    "engine_silent": _engine_silent,
    "engine_back": _engine_back,
    "sync_failed": _sync_failed,
    "gap": _gap,
    "activity": _activity,
    "idle_due": _idle_due,
    "forget_due": _forget_due,
}
