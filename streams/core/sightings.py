"""What an observation does to one container: the state a listing shows, and the details of an inspect.

A listing is absolute: it decides the state, whatever event was missed. An inspect may lie ahead of the events and decides nothing
but details. Only `apply_observation.py` calls what is here.
"""

from __future__ import annotations

from typing import Final

from streams.core.containers import START_FAILED, STARTING, began, ended, judge_end
from streams.core.facts import Inspect
from streams.core.state import CREATED, DEAD, ENDED, EXITED, REMOVED, REMOVING, RESTARTING, RUNNING, UP, Container, Order
from streams.core.words import SECOND_NS

LISTING_LAGS_NS: Final = 3 * SECOND_NS
"""An engine says `die`, `pause` and `unpause` before its listing knows: network and mounts are taken down in between."""


def take_state(container: Container, to: str, health: str | None, inspect: Inspect | None, order: Order, *, watched: bool) -> None:
    """The container was found in a state.

    Args:
        to: the state.
        health: as listed; None: none, or not said.
        inspect: its details, where there are any.
        order: of the observation.
        watched: the container or its engine was watched before; else what went wrong is history and no incident.
    """
    before, time_ns = container.state, order[1]
    started_ns = (inspect.started_at_ns if inspect is not None else None) or 0
    container.state = to
    if to in UP:
        if before not in UP or started_ns > container.run_ns:  # or it was restarted, unseen
            began(container, time_ns)
            container.started_at_ns = started_ns
        if health is not None:
            container.health, container.has_healthcheck = health, True
    elif to in ENDED and before not in ENDED:
        container.started_at_ns = container.started_at_ns or started_ns
        _ended_unseen(container, inspect, time_ns)
    else:
        container.health = None
        if to == CREATED:
            container.exit_reason = None  # it had left by a rename and is back: no run has ended
    if inspect is not None:
        take_details(container, inspect, order)
    if not watched:
        container.incident, container.crashes = None, 0


def _ended_unseen(container: Container, inspect: Inspect | None, time_ns: int) -> None:
    code = None
    if inspect is not None:
        code = inspect.exit_code
        container.oom_killed = container.oom_killed or inspect.oom_killed
        if inspect.finished_at_ns:
            ended(container, code, inspect.finished_at_ns, ran_ns=None, watched=False)
            container.run_ns = time_ns
            return
    ended(container, code, time_ns, ran_ns=None, watched=False)


def happened_ns(state: str | None, inspect: Inspect | None) -> int:
    """When a container got into the state it was found in, as far as its runs tell; else 0."""
    if inspect is None or state is None:
        return 0
    return (inspect.started_at_ns if state in UP else inspect.finished_at_ns) or 0


def take_details(container: Container, inspect: Inspect, order: Order) -> None:
    """Takes what an inspect says beyond states; what it says of a run only if that is the run that was folded."""
    container.details_generation, container.details_ns = order
    container.restart_count = inspect.restart_count
    container.restart_policy = inspect.restart_policy
    container.stop_signal = inspect.stop_signal
    container.has_healthcheck = inspect.has_healthcheck
    if inspect.long_running is not None:
        container.long_running = inspect.long_running
    if inspect.created_at_ns:
        container.created_at_ns = inspect.created_at_ns
    if _same_run(container, inspect, order):
        _take_run(container, inspect)
    if container.state == RUNNING and container.health is None and inspect.has_healthcheck:
        container.health = STARTING  # its first result comes as an event


def take_run_found(container: Container, health: str | None, inspect: Inspect, order: Order) -> None:
    """Takes since when a container runs, and how well, of which only an event in the middle of the run was told.

    What the events have told of the run stands: a stop asked for, a health.
    """
    if container.state not in UP or not inspect.started_at_ns or not _same_run(container, inspect, order):
        return
    container.run_ns = min(inspect.started_at_ns, order[1])
    if container.health is None:
        container.health = health


def _same_run(container: Container, inspect: Inspect, order: Order) -> bool:
    """Made after the run last began or ended, and not ahead of it."""
    if order[1] < container.run_ns or container.state == REMOVED:
        return False
    if container.state in UP and (inspect.finished_at_ns or 0) > (inspect.started_at_ns or 0):
        return False  # it has ended by now, the event is on its way
    return not container.run_ns or (inspect.started_at_ns or 0) <= container.run_ns


def _take_run(container: Container, inspect: Inspect) -> None:
    if inspect.started_at_ns:
        container.started_at_ns = inspect.started_at_ns
    if container.state in UP:
        container.oom_killed = container.oom_killed or inspect.oom_killed
    elif container.state in ENDED:
        _take_end(container, inspect)
    if inspect.error is not None and inspect.error != container.error:
        container.incident = START_FAILED
    container.error = inspect.error


def _take_end(container: Container, inspect: Inspect) -> None:
    if inspect.finished_at_ns and inspect.finished_at_ns >= container.started_at_ns:
        container.finished_at_ns = inspect.finished_at_ns
    code = container.exit_code if inspect.exit_code is None else inspect.exit_code
    if code == container.exit_code and (container.oom_killed or not inspect.oom_killed):
        return
    container.oom_killed = container.oom_killed or inspect.oom_killed
    # The end that was folded is known better now: the same end, so it is not counted again, and history opens no incident.
    was_incident = container.incident is not None
    judge_end(container, code, crashes=max(container.crashes, 1), ran_ns=None, watched=was_incident)
    if not was_incident:
        container.incident, container.crashes = None, 0


def run_state(inspect: Inspect) -> str:
    """State of a container of which only its runs are known."""
    if not inspect.started_at_ns:
        return CREATED
    return RUNNING if (inspect.finished_at_ns or 0) < inspect.started_at_ns else EXITED


def may_lag(state: str, told: Order, to: str, listed: Order) -> bool:
    """Whether a listing may show what was before something that was just told: it lags, or an event was missed. The next one says.

    Args:
        state, told: what was folded, and the order of what told it.
        to, listed: what was listed, and the order of the listing.
    """
    just_now = told[0] == listed[0] and 0 <= listed[1] - told[1] < LISTING_LAGS_NS
    return just_now and to in UP and state != to and (state in ENDED or state in UP)


def is_correction(old: str, new: str) -> bool:
    """Whether a listing that shows another state than the one folded found a missed event.

    Not where no event could have told: `removing`, `dead`, and exited against restarting.
    """
    return new not in (old, REMOVING, DEAD) and {old, new} != {EXITED, RESTARTING}
