"""The topics: names, what they hold, how long; the table users rely on is in `docs/topics.md`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DAY_MS: Final = 86_400_000
#: Largest record a topic takes, bytes: a value is split or refused above it.
MAX_RECORD_BYTES: Final = 1_048_576
#: Header of a record on the embedded wire: its number in the journal, ASCII digits.
POSITION_HEADER: Final = "wst-position"
#: Kafka refuses records more than an hour ahead of its clock unless told otherwise: hours are ordinary for a wrong clock. But a
#: record of years ahead would keep all that is written after it from its retention: a producer sends that with an earlier time.
_AHEAD_MS: Final = 2 * DAY_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: name without the prefix.
        subject: subject of its values in `schemas/avro`.
        cleanup: Kafka's `cleanup.policy`.
        retention_ms: how long records stay; None: for ever (compacted).
        config: further Kafka settings by name.
    """

    name: str
    subject: str
    cleanup: str
    retention_ms: int | None = None
    config: dict[str, str] = field(default_factory=dict)

    def full(self, prefix: str) -> str:
        """The name on the broker."""
        return prefix + self.name

    def kafka_config(self) -> dict[str, str]:
        """All settings the topic is created with."""
        retention = {} if self.retention_ms is None else {"retention.ms": str(self.retention_ms)}
        common = {"cleanup.policy": self.cleanup, "max.message.bytes": str(2 * MAX_RECORD_BYTES)}
        common["message.timestamp.after.max.ms"] = str(_AHEAD_MS)
        return {**common, **retention, **self.config}


DOCKER_EVENTS = Topic("docker.events", "fact", "delete", 400 * DAY_MS)
DOCKER_SNAPSHOTS = Topic("docker.snapshots", "snapshot", "compact")
DOCKER_STATS = Topic("docker.stats", "stats_tick", "delete", 7 * DAY_MS)
WORKSPACE_STATE = Topic("workspace.state", "state", "compact", None, {"min.compaction.lag.ms": str(7 * DAY_MS)})
WORKSPACE_CHANGES = Topic("workspace.changes", "event", "delete", 30 * DAY_MS)
WORKSPACE_USAGE = Topic("workspace.usage", "usage", "delete", 7 * DAY_MS)
WORKSPACE_CONTROL = Topic("workspace.control", "control", "compact")
DEAD_LETTERS = Topic("dead.letters", "dead_letter", "delete", 30 * DAY_MS)

ALL: Final = (
    DOCKER_EVENTS,
    DOCKER_SNAPSHOTS,
    DOCKER_STATS,
    WORKSPACE_STATE,
    WORKSPACE_CHANGES,
    WORKSPACE_USAGE,
    WORKSPACE_CONTROL,
    DEAD_LETTERS,
)
BY_NAME: Final = {topic.name: topic for topic in ALL}
