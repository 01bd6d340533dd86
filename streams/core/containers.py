"""The container state machine: what each of the engine's actions does to one container, as a table.

The engine's own facts behind it: events carry no state, so it is derived from the action; `die` cannot tell exited from
restarting; `removing` and `dead` have no event at all. Only the fold calls what is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streams.core.facts import EngineEvent
from streams.core.state import (
    CREATED,
    ENDED,
    EXITED,
    PAUSED,
    REMOVED,
    RESTARTING,
    RUNNING,
    UP,
    Container,
)
from streams.core.words import KILLED_CODES, SECOND_NS, exit_reason

STEADY_NS: Final = 10 * 60 * SECOND_NS
"""Unexpected exits further apart are no loop; an OOM or a loop survived for so long is over."""

# Codes of problems (problems.py) that an end or a failed start leaves behind.
UNEXPECTED_EXIT: Final = "unexpected_exit"
OOM: Final = "oom"
START_FAILED: Final = "start_failed"

STARTING: Final = "starting"
UNHEALTHY: Final = "unhealthy"
HEALTHY: Final = "healthy"

Effect = Callable[[Container, EngineEvent, int], None]


@dataclass(frozen=True, slots=True)
class Transition:
    """What an action does.

    Attributes:
        to: state after it; None: the state stays.
        implies: state of a container first heard of by it; None: it says nothing, a sync will.
        effect: what it changes besides the state, given the event and its time.
        activity: it is a sign that someone uses the container.
    """

    to: str | None = None
    implies: str | None = None
    effect: Effect | None = None
    activity: bool = False


def _create(container: Container, event: EngineEvent, time_ns: int) -> None:
    container.created_at_ns = container.created_at_ns or time_ns


def _start(container: Container, event: EngineEvent, time_ns: int) -> None:
    began(container, time_ns)


def _kill(container: Container, event: EngineEvent, time_ns: int) -> None:
    asks = (SIGTERM, SIGKILL, signal_number(container.stop_signal))
    if event.signal is None or event.signal in asks:
        container.stop_requested = True


def _oom(container: Container, event: EngineEvent, time_ns: int) -> None:
    container.oom_killed = True  # the first process may survive it
    container.oom_at_ns = time_ns
    if container.state in ENDED and container.incident is not None:  # it can come after the die it explains
        judge_end(container, container.exit_code, crashes=container.crashes, ran_ns=None, watched=True)


def _die(container: Container, event: EngineEvent, time_ns: int) -> None:
    ran_ns = None if event.exec_duration_s is None else event.exec_duration_s * SECOND_NS
    ended(container, event.exit_code, time_ns, ran_ns=ran_ns, watched=True)
    if will_restart(container):
        container.state = RESTARTING


def _stop(container: Container, event: EngineEvent, time_ns: int) -> None:
    if container.state == RESTARTING:  # between two runs there is no process: no die will come
        container.state = EXITED
        container.stop_requested = True
        container.incident, container.crashes = None, 0


def _health(container: Container, event: EngineEvent, time_ns: int) -> None:
    container.has_healthcheck = True
    if container.state in UP:
        container.health = event.health


def _destroy(container: Container, event: EngineEvent, time_ns: int) -> None:
    container.health = None
    container.run_ns = time_ns


_ACTIVITY: Final = Transition(activity=True)
_EXEC: Final = Transition(implies=RUNNING, activity=True)

TRANSITIONS: Final[dict[str, Transition]] = {
    #                          state after    a new one is    besides
    "create": Transition(to=CREATED, implies=CREATED, effect=_create),
    "start": Transition(to=RUNNING, implies=RUNNING, effect=_start),
    "kill": Transition(implies=RUNNING, effect=_kill),
    "oom": Transition(implies=RUNNING, effect=_oom),
    "die": Transition(to=EXITED, implies=RUNNING, effect=_die),  # or restarting: see will_restart
    "stop": Transition(implies=EXITED, effect=_stop),  # can precede die, so it ends no run
    "restart": Transition(implies=RUNNING),  # comes last: kill, die, stop, start, restart
    "pause": Transition(to=PAUSED, implies=RUNNING),
    "unpause": Transition(to=RUNNING, implies=PAUSED),
    "health_status": Transition(implies=RUNNING, effect=_health),
    "destroy": Transition(to=REMOVED, effect=_destroy),
    "rename": Transition(),
    "update": Transition(),
    "exec_create": _EXEC,
    "exec_start": _EXEC,
    "exec_die": _EXEC,
    "exec_detach": _EXEC,
    "attach": _ACTIVITY,  # docker run attaches before it starts
    "detach": _ACTIVITY,
    "resize": _ACTIVITY,
    "top": _EXEC,
    "commit": _ACTIVITY,
    "copy": _ACTIVITY,
    "export": _ACTIVITY,
    "archive-path": _ACTIVITY,
    "extract-to-dir": _ACTIVITY,
}
OTHER: Final = Transition()
"""An action of a newer engine: it says nothing we know."""

REVIVING: Final = frozenset(("create", "start"))
"""Actions that a removed container can only do when it is back: it had left this workspace, it was not destroyed."""

SIGTERM: Final = 15
SIGKILL: Final = 9
# Linux numbers, whatever the fold runs on: the containers are Linux.
_SIGNAL_NAMES: Final = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU "
    "URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)
_SIGNALS: Final[dict[str, int]] = {name: number for number, name in enumerate(_SIGNAL_NAMES.split(), start=1)}
_SIGRTMIN: Final = 34
_SIGRTMAX: Final = 64


def signal_number(text: str | None) -> int:
    """Number of a stop signal as images write it (SIGQUIT, quit, 3, SIGRTMIN+3); SIGTERM for none or nonsense."""
    name = (text or "TERM").upper().removeprefix("SIG")
    if name.isascii() and name.isdigit():
        return int(name[:3])
    for base, number in (("RTMIN+", _SIGRTMIN), ("RTMAX-", _SIGRTMAX)):
        steps = name.removeprefix(base)
        if steps != name and steps.isascii() and steps.isdigit():
            return number + int(steps[:3]) * (1 if base == "RTMIN+" else -1)
    return _SIGNALS.get(name, SIGTERM)


def began(container: Container, time_ns: int) -> None:
    """A run began: nothing of the last one counts any more but when it ended, and how often it went wrong."""
    container.health = STARTING if container.has_healthcheck else None
    container.exit_code = None
    container.exit_reason = None
    container.error = None
    container.oom_killed = False
    container.oom_at_ns = 0
    container.stop_requested = False
    container.incident = None
    container.started_at_ns = time_ns
    container.run_ns = time_ns


def ended(container: Container, code: int | None, time_ns: int, *, ran_ns: int | None, watched: bool) -> None:
    """A run ended; `ran_ns` is how long it ran by the engine's own count of seconds, if it said so."""
    previous_end_ns, crashes = container.finished_at_ns, container.crashes
    container.health = None
    container.finished_at_ns = time_ns
    container.run_ns = time_ns
    in_a_row = crashes > 0 and time_ns - previous_end_ns <= STEADY_NS
    judge_end(container, code, crashes=crashes + 1 if in_a_row else 1, ran_ns=ran_ns, watched=watched)


def judge_end(container: Container, code: int | None, *, crashes: int, ran_ns: int | None, watched: bool) -> None:
    """An end is expected with code 0 or when a stop was asked for; else it is the how-manieth crash in a row.

    An end that a sync found is no incident if a stop would look the same: its `kill` event was missed with it.
    """
    expected = code == 0 or container.stop_requested
    unsure = not watched and (code is None or code in KILLED_CODES) and not container.oom_killed
    container.exit_code = code
    container.incident = None if expected or unsure else (OOM if container.oom_killed else UNEXPECTED_EXIT)
    container.crashes = 0 if expected else crashes if container.incident else container.crashes
    container.exit_reason = exit_reason(
        code,
        oom=container.oom_killed,
        stop_requested=container.stop_requested,
        ran_ns=_ran_ns(container, ran_ns),
        times=container.crashes if container.incident else 0,
        watched=watched,
    )


def _ran_ns(container: Container, said_ns: int | None) -> int | None:
    """How long the run was: from its start if that was seen, which is finer than the engine's whole seconds."""
    seen_ns = container.finished_at_ns - container.started_at_ns if container.started_at_ns else -1
    if seen_ns >= 0 and (said_ns is None or abs(seen_ns - said_ns) < 2 * SECOND_NS):
        return seen_ns
    return said_ns


def will_restart(container: Container) -> bool:
    """Whether the engine will start an ended container again, as far as its restart policy is known.

    A limit of attempts is not known here: where it is reached, the next listing says exited.
    """
    if container.stop_requested:
        return False
    policy = container.restart_policy
    return policy in ("always", "unless-stopped") or (policy == "on-failure" and container.exit_code != 0)
