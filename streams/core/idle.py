"""When a workspace is idle by a policy: pure, over states as they are now or were at any time. Status stays what runs.

A workspace that runs and that nobody used for `inactive_after` is marked idle since its last use; one that does not run is
archived after `archive_after`. Use is an exec (health checks apart), an attach, CPU or network above a floor, and any change of status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from streams.core.condition import is_stale
from streams.core.state import ACTIVE, INACTIVE, REMOVED, UNSEEN, WorkspaceState
from streams.core.words import duration

IDLE: Final = "idle"
ARCHIVE: Final = "archive"


class IdlePolicy(NamedTuple):
    """How long without use, ns; None: never."""

    inactive_after_ns: int | None = None
    archive_after_ns: int | None = None

    @property
    def is_off(self) -> bool:
        """Nothing is ever due."""
        return self.inactive_after_ns is None and self.archive_after_ns is None


class IdleDue(NamedTuple):
    """What is due for a workspace: `verdict` idle or archive; `since_ns` is its last use, `due_ns` when it became due."""

    workspace_id: str
    workspace_name: str
    verdict: str
    since_ns: int
    due_ns: int
    reason: str


def last_use_ns(status_since_ns: int, last_activity_ns: int | None) -> int:
    """The last sign of use: something was done with it, or it began or ceased to run."""
    return max(status_since_ns, last_activity_ns or 0)


def as_record(state: WorkspaceState) -> dict[str, Any]:
    """As much of a State record as `idle_due` looks at."""
    return {
        "workspace_id": state.workspace_id,
        "workspace_name": state.name,
        "status": state.status,
        "stale": is_stale(state),
        "status_since_ns": state.status_since_ns,
        "last_activity_ns": state.last_activity_ns,
        "idle_since_ns": state.idle_since_ns or None,
    }


def gone_since_ns(state: WorkspaceState) -> int | None:
    """Since when an ephemeral workspace has nothing left, engine's clock; None: it has, or a group keeps it."""
    if not state.ephemeral or state.named or state.status == UNSEEN:
        return None
    if any(container.state != REMOVED for container in state.containers.values()):
        return None
    return max((container.run_ns for container in state.containers.values()), default=state.last_updated_ns)


def idle_due(states: Iterable[Mapping[str, Any]], policy: IdlePolicy, now_ns: int) -> Iterator[IdleDue]:
    """What the policy does to workspaces at an instant.

    Args:
        states: State records (schemas/avro/state), as they were at that instant.
        now_ns: the instant, ns since the Unix epoch.
    """
    for state in states:
        due = _due(state, policy, now_ns)
        if due is not None:
            yield due


def _due(state: Mapping[str, Any], policy: IdlePolicy, now_ns: int) -> IdleDue | None:
    status = state["status"]
    if state["stale"]:
        return None  # nobody knows
    since_ns = last_use_ns(state["status_since_ns"], state["last_activity_ns"])
    if status == ACTIVE and policy.inactive_after_ns is not None and state["idle_since_ns"] is None:
        after_ns, verdict, said = policy.inactive_after_ns, IDLE, "idle: it runs, and nobody used it for"
    elif status == INACTIVE and policy.archive_after_ns is not None:
        after_ns, verdict, said = policy.archive_after_ns, ARCHIVE, "archived by the idle policy: nobody used it for"
    else:
        return None
    if now_ns - since_ns < after_ns:
        return None
    reason = f"{said} {duration(after_ns)}"
    return IdleDue(state["workspace_id"], state["workspace_name"], verdict, since_ns, since_ns + after_ns, reason)
