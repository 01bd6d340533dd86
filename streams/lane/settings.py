"""How an app of the lane runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from schemas.publish import Publisher
from streams.lane.durability import Copy, Durability


@dataclass(frozen=True, slots=True)
class Wire:
    """An embedded tree: the broker is only a wire, the log is a journal, tables survive in a checkpoint.

    Attributes:
        publisher: appends outputs to the journal.
        durability: the checkpoint.
        last_position: number of the last record the journal holds.
        remember: told of each copy once it is durable: sets the reader's cursor.
    """

    publisher: Publisher
    durability: Durability
    last_position: Callable[[], Awaitable[int]]
    remember: Callable[[Copy], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """How an app of the lane runs.

    Attributes:
        app_id: consumer group, and begin of its changelogs' names.
        brokers: bootstrap servers.
        partitions: partition count of every topic.
        epoch: of the log.
        commit_interval_s: between two commits.
        session_s: the group's session timeout, 6–10 s: half of it is the lease.
        fetch_wait_ms: longest wait of a fetch on the broker.
        instance_id: static membership: a restart within the session keeps its partitions; unset: none.
        alive: called between commits: the worker comes round with its work.
        wire: set in an embedded tree.
        client: further arguments of aiokafka's clients (security).
        options: the same as Faust wants it.
    """

    app_id: str
    brokers: str
    partitions: int
    epoch: int
    commit_interval_s: float = 1.0
    session_s: float = 10.0
    fetch_wait_ms: int = 100
    instance_id: str | None = None
    alive: Callable[[], None] = lambda: None
    wire: Wire | None = None
    client: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
