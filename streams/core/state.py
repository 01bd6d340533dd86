"""The folded values: a workspace, its containers and its engines. Only the fold (`workspace.py`) changes a workspace.

They are mutable: the fold owns a value and changes it in place (a copy per fact would double the fold's cost).
Every field has a default that is left out of the encoding, so that a new field reads as its default in an old value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

ACTIVE: Final = "active"
INACTIVE: Final = "inactive"
ARCHIVED: Final = "archived"
UNSEEN: Final = "unknown"
"""Status of a workspace nothing has been told about yet, or that was forgotten."""

CREATED: Final = "created"
RUNNING: Final = "running"
PAUSED: Final = "paused"
RESTARTING: Final = "restarting"
REMOVING: Final = "removing"
EXITED: Final = "exited"
DEAD: Final = "dead"
REMOVED: Final = "removed"

UP: Final = frozenset((RUNNING, PAUSED))
ENDED: Final = frozenset((EXITED, RESTARTING, DEAD, REMOVING))
STATES: Final = frozenset((CREATED, RUNNING, PAUSED, RESTARTING, REMOVING, EXITED, DEAD))
"""What an engine can list; anything else a listing says is not judged."""

Order = tuple[int, int]
"""(clock generation, engine time in ns): facts of one engine are ordered by it."""

IDENTITY_BYTES: Final = 5
"""Of a fact's 8: a fact is taken for one of 16 others once in 10^10, and a table value is an eighth smaller."""
REMEMBERED: Final = 16
"""Identities kept per container and per workspace (commands)."""


@dataclass(slots=True)
class Container:
    """One container as folded. Times are the engine's clock, ns since the Unix epoch; 0: unknown."""

    id: str
    engine_id: str
    name: str = ""
    service: str | None = None
    image: str = ""
    state: str = ""
    health: str | None = None
    has_healthcheck: bool = False
    exit_code: int | None = None
    exit_reason: str | None = None
    error: str | None = None
    oom_killed: bool = False
    oom_at_ns: int = 0
    stop_requested: bool = False
    restart_count: int = 0
    restart_policy: str = ""
    stop_signal: str | None = None
    long_running: bool | None = None
    created_at_ns: int = 0
    started_at_ns: int = 0
    finished_at_ns: int = 0
    incident: str | None = None
    """How the last run ended badly (a code of `problems.py`); None: well, or nobody watched."""
    crashes: int = 0
    """Unexpected exits in a row, each at most `STEADY_NS` after the one before."""
    problem: str | None = None
    problem_since_ns: int = 0
    alert: str | None = None
    """Code of the problem an alert is raised for."""
    alert_since_ns: int = 0
    generation: int = 0
    time_ns: int = 0
    run_ns: int = 0
    """When it last began or ended a run: an inspect made before describes another run."""
    details_generation: int = 0
    details_ns: int = 0
    recent: bytes = b""
    """Identities of the last facts applied, `IDENTITY_BYTES` each, oldest first."""


@dataclass(slots=True)
class Engine:
    """What a workspace knows of one engine. A container without a value of its own is compared with (generation, time)."""

    name: str = ""
    generation: int = 0
    time_ns: int = 0
    """Highest engine time of the containers no longer kept: anything not newer is late, not a new container."""
    silent_since_ns: int = 0
    sync_attempts: int = 0
    """Failed syncs since the last good one."""
    gap_since_ns: int = 0
    gap_until_ns: int = 0
    """The last stretch in which nobody watched it."""


@dataclass(slots=True)
class WorkspaceState:
    """One workspace as folded from its facts."""

    workspace_id: str
    name: str = ""
    named: bool = False
    """Its name was given by a command; facts no longer change it."""
    ephemeral: bool = False
    status: str = UNSEEN
    status_since_ns: int = 0
    status_reason: str = ""
    seq: int = 0
    running: int = 0
    last_updated_ns: int = 0
    last_sync_ns: int = 0
    last_error: str | None = None
    last_error_at_ns: int = 0
    error_count: int = 0
    last_activity_ns: int = 0
    muted_until_ns: int = 0
    """Until then nobody is told of its alerts; 0: everyone is."""
    idle_since_ns: int = 0
    """It runs, and by the idle policy nobody has used it since; 0: it is used."""
    labels: dict[str, str] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    engines: dict[str, Engine] = field(default_factory=dict)
    commands: bytes = b""
    """Identities of the last commands and notices, `IDENTITY_BYTES` each, oldest first."""
    refused: bytes = b""
    """The same of the last commands that were refused."""
    problems: int = 0
    """Containers with a problem: derived, kept so that the common fact need not look."""
    epoch: int = -1
    partition: int = -1
    offset: int = -1


def remembers(recent: bytes, identity: bytes) -> bool:
    """Whether an identity is among those remembered."""
    short = identity[:IDENTITY_BYTES]
    at = recent.find(short)
    while at > 0 and at % IDENTITY_BYTES:
        at = recent.find(short, at + 1)
    return at >= 0


def remember(recent: bytes, identity: bytes) -> bytes:
    """The identities with one more, without the oldest beyond `REMEMBERED`."""
    return (recent + identity[:IDENTITY_BYTES])[-REMEMBERED * IDENTITY_BYTES :]
