"""What can be wrong with a container, as one table: when it is so, and in which words.

A container has one problem at a time, the first row that holds. So an episode is one `error` (and one more when it turns
into another problem) and one `recovery` when no row holds any more; a crash loop is not an error per crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streams.core.containers import HEALTHY, OOM, START_FAILED, STEADY_NS, UNEXPECTED_EXIT, UNHEALTHY
from streams.core.state import CREATED, ENDED, EXITED, REMOVED, UP, Container
from streams.core.words import duration

CRASH_LOOP: Final = "crash_loop"
LOOP_CRASHES: Final = 3
"""Unexpected exits in a row that make a crash loop."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row: the code for programs, what a container recovers from, whether it holds at an instant, and what it is in words."""

    code: str
    noun: str
    holds: Callable[[Container, int], bool]
    words: Callable[[Container], str]


def _loops(container: Container, now_ns: int) -> bool:
    if container.crashes < LOOP_CRASHES:
        return False
    return container.state in ENDED or (container.state in UP and now_ns - container.started_at_ns < STEADY_NS)


def _loop_words(container: Container) -> str:
    if container.state in UP:
        return f"{container.name} is in a crash loop, up again after {container.crashes} unexpected exits in a row"
    return f"{container.name} is in a crash loop, last {container.exit_reason or 'ended'}"


def _suffers_oom(container: Container, now_ns: int) -> bool:
    if container.state in UP:
        return container.oom_at_ns > 0 and now_ns - container.oom_at_ns < STEADY_NS
    return container.state in ENDED and container.incident == OOM


def _ended_badly(container: Container, now_ns: int) -> bool:
    return container.state in ENDED and container.incident == UNEXPECTED_EXIT


def _cannot_start(container: Container, now_ns: int) -> bool:
    return container.incident == START_FAILED and container.state in (CREATED, EXITED)


def _is_unhealthy(container: Container, now_ns: int) -> bool:
    return container.state in UP and container.health == UNHEALTHY


PROBLEMS: Final = (
    Problem(CRASH_LOOP, "a crash loop", _loops, _loop_words),
    Problem(OOM, "lack of memory", _suffers_oom, lambda c: f"{c.name} ran {c.exit_reason if c.incident else 'out of memory'}"),
    Problem(UNEXPECTED_EXIT, "an unexpected exit", _ended_badly, lambda c: f"{c.name} ended unexpectedly: {c.exit_reason}"),
    Problem(START_FAILED, "a failed start", _cannot_start, lambda c: f"{c.name} could not be started: {c.error}"),
    Problem(UNHEALTHY, "being unhealthy", _is_unhealthy, lambda c: f"{c.name} is unhealthy"),
)
BY_CODE: Final = {problem.code: problem for problem in PROBLEMS}
SEVERITY: Final = {problem.code: rank for rank, problem in enumerate(PROBLEMS)}

ENDS_BY_TIME: Final = frozenset((CRASH_LOOP, OOM))
"""Problems of a running container that are over when nothing more happened for a while."""


def problem_of(container: Container, now_ns: int) -> str | None:
    """Code of what is wrong with a container now; None: nothing."""
    # Of a container that never went wrong no row can hold, and most never do.
    if not (container.crashes or container.oom_at_ns or container.incident or container.health == UNHEALTHY):
        return None
    for problem in PROBLEMS:
        if problem.holds(container, now_ns):
            return problem.code
    return None


def recovery_method(container: Container, resolved: str) -> str:
    """How a problem ended, from what the container is now."""
    if container.state == REMOVED:
        return "removed"
    if container.state in UP:
        survived = resolved == CRASH_LOOP or (resolved == OOM and container.oom_killed)
        if survived:
            return f"ran on for {duration(STEADY_NS)}"
        return "healthy again" if resolved == UNHEALTHY and container.health == HEALTHY else "started again"
    return "stopped on request" if container.stop_requested else "ended as expected"
