"""Where a program's states and metrics come from: one protocol over the API of a running `wst`, and over the log in Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from schemas.errors import Refused
from schemas.settings import Settings, load_settings
from streams.client.asks import Asked

Json = dict[str, Any]
State = Mapping[str, Any]
"""A workspace as `wst status --json` shows it."""

Changed = Callable[[str, State | None, State | None], None]
Sampled = Callable[[str], None]

#: What a sync or a new sample changes all the time; alone it is no change of a workspace's state.
_BOOKKEEPING: Final = frozenset({"metrics", "last_sync", "last_updated", "sync_attempts", "seq"})
_CANDIDATES: Final = 20


@dataclass(slots=True)
class Counts:
    """What a source has counted since its start.

    Attributes:
        metrics_taken: readings of workspaces taken.
        failures: records or answers that could not be used, and times the other side was away.
        looked_up: states asked for by the program; found: those that were known.
    """

    metrics_taken: int = 0
    failures: int = 0
    looked_up: int = 0
    found: int = 0


@dataclass(slots=True)
class Listeners:
    """Whom a source tells; nobody is told what was known at its start."""

    changed: list[Changed] = field(default_factory=list)
    sampled: list[Sampled] = field(default_factory=list)


class Source(Protocol):
    """States in memory that follow what happens."""

    @property
    def listeners(self) -> Listeners: ...
    @property
    def counts(self) -> Counts: ...

    async def start(self) -> None:
        """Returns when all states known now are here.

        Raises:
            Unreachable: the other side does not answer.
        """

    def ids(self) -> Sequence[str]:
        """Ids of all workspaces, sorted."""

    def find(self, name: str) -> Sequence[str]:
        """The id of the workspace with that id, else of those with that name."""

    def state(self, workspace_id: str) -> State | None:
        """A workspace's state with its metrics."""

    def lag(self) -> int:
        """Records of the log not taken yet, as far as is known; -1: not known."""

    def interval_seconds(self, name: str) -> float:
        """The interval in force, whoever set it: `sync` or `collect`; the longest, where engines differ."""

    def last_sync(self) -> str | None:
        """When an engine was last listed, RFC 3339 UTC; None: never yet."""

    def engines(self) -> list[Json]:
        """What is known of the engines that have containers: id, name, memory, containers."""

    async def sync(self, workspace_id: str | None, timeout_s: float) -> list[Json]:
        """Lists now; returns the `sync_complete` events that answer.

        Raises:
            Refused: the answer is no, and says why.
            Unreachable: not all answer in time.
        """

    async def set_interval(self, name: str, seconds: float) -> None:
        """Sets `sync` or `collect` for all producers."""

    async def command(self, workspace_id: str, asked: Asked, timeout_s: float) -> State | None:
        """Gives a workspace a command; its state when that was obeyed, None once it is forgotten.

        Raises:
            Refused: the fold refuses it, and says why.
            Unreachable: no worker has folded it in time.
        """

    async def close(self) -> None:
        """Lets go of everything."""


def source_of(settings: Settings | None) -> Source:
    """The log where `brokers` is set (WST_BROKERS), else the API (WST_API)."""
    from streams.client.http import ApiSource
    from streams.client.log import LogSource

    settings = settings or load_settings()
    return LogSource(settings) if "brokers" in settings.model_fields_set else ApiSource(settings)


def the_one(source: Source, name: str) -> str | None:
    """The id meant by an id or a unique name; None: nobody has it.

    Raises:
        Refused: several workspaces have that name.
    """
    found = source.find(name)
    if len(found) > 1:
        shown = ", ".join(found[:_CANDIDATES]) + (" …" if len(found) > _CANDIDATES else "")
        raise Refused(f"{name[:200]!r} is the name of {len(found)} workspaces: {shown}", "say which by its id")
    return found[0] if found else None


def is_change(old: State | None, new: State | None) -> bool:
    """Whether two states of a workspace differ in more than bookkeeping."""
    if old is None or new is None:
        return old is not new
    return any(old[name] != new.get(name) for name in old if name not in _BOOKKEEPING)
