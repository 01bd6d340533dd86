"""What the two apps read and keep: input topics, tables, the topics behind them, each once and by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.topics import DOCKER_EVENTS, DOCKER_SNAPSHOTS, DOCKER_STATS, Topic
from streams.core import usage_bytes
from streams.core import workspace as state_fold
from streams.core.usage import UsageState
from streams.core.workspace import WorkspaceState
from streams.engine_rows import EngineRow
from streams.lane import Table
from streams.lane.kafka import MAX_VALUE_BYTES


@dataclass(frozen=True, slots=True)
class AppPlan:
    """One app.

    Attributes:
        name: command-line name, consumer group without the prefix, reader of the journal.
        inputs: topics it folds.
        tables: names of its tables.
        commit_interval_s: between two commits. The state app's is how much is folded again after a death; the usage
            app writes whole values, so a longer one writes each of them once for more ticks.
    """

    name: str
    inputs: tuple[Topic, ...]
    tables: tuple[str, ...]
    commit_interval_s: float

    def app_id(self, prefix: str) -> str:
        """Consumer group, and begin of its changelogs' names: one prefixed ACL is enough for all."""
        return f"{prefix}{self.name}"

    def changelogs(self, prefix: str) -> tuple[str, ...]:
        """Full names of the topics that keep its tables in a cluster, as Faust makes them."""
        return tuple(f"{self.app_id(prefix)}-{table}-changelog" for table in self.tables)


WORKSPACES: Final = "workspaces"
ENGINES: Final = "engines"
USAGE: Final = "usage"

STATE_APP: Final = AppPlan("state", (DOCKER_EVENTS, DOCKER_SNAPSHOTS), (WORKSPACES, ENGINES), 1.0)
USAGE_APP: Final = AppPlan("usage", (DOCKER_STATS,), (USAGE,), 3.0)
APPS: Final = {plan.name: plan for plan in (STATE_APP, USAGE_APP)}

#: Decoded usage values kept a partition. A tick of one that is cold costs six times as much, and of what a container takes in all, the
#: decoded value is a half: more than these are for a worker with more partitions.
USAGE_HOT_KEYS: Final = 1 << 16

#: Settings of a changelog topic: compacted, and open to a value of any size a table may hold.
CHANGELOG_CONFIG: Final = {"cleanup.policy": "compact", "max.message.bytes": str(MAX_VALUE_BYTES + 65_536)}


def workspaces_table() -> Table[WorkspaceState]:
    """A workspace's folded state, by workspace id."""
    return Table(WORKSPACES, state_fold.to_bytes, state_fold.from_bytes)


def engines_table() -> Table[EngineRow]:
    """Numbering and unfinished listing of an engine, by engine id."""
    return Table(ENGINES, EngineRow.to_bytes, EngineRow.from_bytes)


def usage_table() -> Table[UsageState]:
    """A workspace's counters and open windows, in one value, by workspace id."""
    return Table(USAGE, usage_bytes.to_bytes, usage_bytes.from_bytes, USAGE_HOT_KEYS)
