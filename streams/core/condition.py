"""How well a workspace is, which container matters most, and why: derived from its state when read, never stored."""

from __future__ import annotations

from streams.core.problems import BY_CODE, SEVERITY
from streams.core.state import ARCHIVED, EXITED, REMOVED, RUNNING, Container, WorkspaceState
from streams.core.words import status_reason


def silent_engines(state: WorkspaceState) -> list[str]:
    """Ids of its engines that are silent, also of those that no longer have anything of it."""
    return sorted(engine_id for engine_id, engine in state.engines.items() if engine.silent_since_ns)


def is_stale(state: WorkspaceState) -> bool:
    """An engine of its containers is silent: the state is what was last known."""
    silent = silent_engines(state)
    return bool(silent) and any(c.engine_id in silent and c.state != REMOVED for c in state.containers.values())


def sync_attempts(state: WorkspaceState) -> int:
    """Failed syncs since the last good one, of the engine that fails most."""
    return max((engine.sync_attempts for engine in state.engines.values()), default=0)


def meant_to_run(container: Container) -> bool:
    """A restart policy or a service is meant to stay up; a task that finished with code 0 is done."""
    if container.state == REMOVED:
        return False
    if container.restart_policy in ("always", "unless-stopped"):
        return True
    if container.state == EXITED and container.exit_code == 0 and not container.stop_requested:
        return False
    return container.service is not None if container.long_running is None else container.long_running


def condition(state: WorkspaceState) -> str:
    """ok, degraded, failing or unknown.

    failing: a problem of `problems.py` is not over; degraded: only some of the containers that are meant to stay up run.
    An archived workspace is expected to be down.
    """
    if is_stale(state):
        return "unknown"
    if state.status == ARCHIVED:
        return "ok"
    if state.problems:
        return "failing"
    meant = [container.state == RUNNING for container in state.containers.values() if meant_to_run(container)]
    return "degraded" if any(meant) and not all(meant) else "ok"


def main_container(state: WorkspaceState) -> Container | None:
    """The container that matters most: the worst problem, else what runs and is meant to, else the latest; None: none is left."""
    return min((c for c in state.containers.values() if c.state != REMOVED), key=_matters, default=None)


def _matters(container: Container) -> tuple[int, bool, bool, int, str]:
    return (
        SEVERITY[container.problem] if container.problem else len(SEVERITY),
        container.state != RUNNING,
        not meant_to_run(container),
        -container.run_ns,
        container.id,
    )


def reason(state: WorkspaceState, how: str) -> str:
    """Why it has its status and condition, in words."""
    if how == "unknown":
        silent = sorted(engine.name for engine in state.engines.values() if engine.silent_since_ns)
        return f"{', '.join(silent)} is silent; last known: {state.status_reason}"
    main = main_container(state)
    if how == "failing" and main is not None and main.problem:
        return BY_CODE[main.problem].words(main)
    if how == "degraded":
        down = sorted(c.name for c in state.containers.values() if meant_to_run(c) and c.state != RUNNING)
        more = f" and {len(down) - 3} more" if len(down) > 3 else ""
        return f"{', '.join(down[:3])}{more} should run; {_what_made_it_so(state)}"
    made_so = _what_made_it_so(state)
    return f"{made_so}, but nobody uses it" if state.idle_since_ns else made_so


def _what_made_it_so(state: WorkspaceState) -> str:
    """The reason of its status, as long as it holds: of an active workspace the container that began may have ended before the others."""
    running = [container.name for container in state.containers.values() if container.state == RUNNING]
    reasons = (status_reason(name, RUNNING, None, archived=archived, left=1) for name in running for archived in (False, True))
    if not running or state.status_reason in reasons:
        return state.status_reason
    main = main_container(state)
    name = main.name if main is not None and main.state == RUNNING else min(running)
    return status_reason(name, RUNNING, None, archived=False, left=len(running))
