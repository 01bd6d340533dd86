"""Alerts of what is wrong with containers and engines: what they say, and which of them an engine's own end explains. Pure.

Thresholds of what containers use are in `thresholds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from streams.core.changes import Alert
from streams.core.containers import OOM, START_FAILED, UNEXPECTED_EXIT, UNHEALTHY
from streams.core.problems import CRASH_LOOP, LOOP_CRASHES
from streams.core.state import Container, Engine, WorkspaceState
from streams.core.words import SECOND_NS

CONFIRM_NS: Final = 20 * SECOND_NS
"""So long after an end that its engine's own end would look like, the engine must still be watched for the end to be an alert."""
_WITH_ITS_ENGINE: Final = frozenset((137, 143, 255))
"""Exit codes of containers whose engine or host went down: killed, asked to end, found dead afterwards."""

_MEASURES: Final[Mapping[str, tuple[str, Callable[[Container], float], float]]] = {
    # problem           metric                value                                threshold
    CRASH_LOOP: ("crashes", lambda c: float(c.crashes), float(LOOP_CRASHES)),
    OOM: ("oom_killed", lambda c: 1.0, 1.0),
    UNEXPECTED_EXIT: ("exit_code", lambda c: float(-1 if c.exit_code is None else c.exit_code), 0.0),
    START_FAILED: ("start_failed", lambda c: 1.0, 1.0),
    UNHEALTHY: ("unhealthy", lambda c: 1.0, 1.0),
}


def problem_alert(state: WorkspaceState, container: Container, code: str, *, raised: bool) -> Alert:
    """The alert of a container's problem; its rule is the problem's code."""
    metric, value, threshold = _MEASURES[code]
    since_ns = container.alert_since_ns
    key = f"{state.workspace_id}/{container.id}/{code}/{since_ns}"
    return Alert(code, metric, value(container), threshold, since_ns, container.id, dict(state.labels), key, raised)


def may_be_its_engines_end(container: Container, engine: Engine, now_ns: int) -> bool:
    """Whether a container may have ended because its engine or host did: then the engine's alert speaks for all of them."""
    if container.problem != UNEXPECTED_EXIT or container.exit_code not in _WITH_ITS_ENGINE:
        return False
    ended_ns = container.finished_at_ns
    if engine.gap_since_ns - CONFIRM_NS <= ended_ns <= engine.gap_until_ns:
        return True
    return now_ns - ended_ns < CONFIRM_NS


def awaits_confirmation(code: int | None, finished_at_ns: int | None, known_ns: int, listed_ns: int) -> bool:
    """Whether a listing should say again that a container has ended, since nothing was heard of it after the end.

    Args:
        code: its exit code.
        finished_at_ns: when it ended.
        known_ns: time of the last fact of it.
        listed_ns: time of the listing.
    """
    return code in _WITH_ITS_ENGINE and finished_at_ns is not None and known_ns < finished_at_ns + CONFIRM_NS <= listed_ns
