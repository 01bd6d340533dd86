"""Who reads which topic with a cursor, and how long the journal keeps what all of them have read.

A reader that is missing here is not waited for and may miss records on the wire; one that is here and never
sets a cursor holds its topics back.
"""

from __future__ import annotations

from typing import Final

from schemas import topics

HOUR_MS: Final = 3_600_000

#: Consumer → topics. The names are those with which the workers and the sink set their cursors.
READERS: Final = {
    "state": (topics.DOCKER_EVENTS, topics.DOCKER_SNAPSHOTS),
    "usage": (topics.DOCKER_STATS,),
    "sink": (
        topics.DOCKER_EVENTS,
        topics.WORKSPACE_STATE,
        topics.WORKSPACE_CHANGES,
        topics.WORKSPACE_USAGE,
        topics.DEAD_LETTERS,
    ),
}

#: Consumer → what it keeps in the data directory; when that is gone, the consumer has nothing, whatever its cursors say.
STORES: Final = {"state": "state.sqlite", "usage": "usage.sqlite", "sink": "archive"}


def readers_by_topic(prefix: str) -> dict[str, frozenset[str]]:
    """Full topic name → consumers that set cursors on it; empty for topics read without one."""
    return {topic.full(prefix): frozenset(name for name, read in READERS.items() if topic in read) for topic in topics.ALL}


#: Handlers read events from the journal, and the wire does not wait for them: so long may one be behind.
HANDLERS_MS: Final = 72 * HOUR_MS


def keep_ms(prefix: str, handlers: bool = False) -> dict[str, int]:
    """Full topic name → how long the journal keeps what all readers have.

    Facts are the history that state is folded from; the rest is in the archive, the journal only carries it over.

    Args:
        handlers: whether any are configured.
    """
    kept = {topic.full(prefix): HOUR_MS for topic in topics.ALL}
    events = topics.DOCKER_EVENTS
    if handlers:
        kept[topics.WORKSPACE_CHANGES.full(prefix)] = HANDLERS_MS
    return kept | {events.full(prefix): events.retention_ms or HOUR_MS}


def compacted(prefix: str) -> frozenset[str]:
    """Full names of the topics that say how things are: the last word on each key stays."""
    return frozenset(topic.full(prefix) for topic in topics.ALL if topic.cleanup == "compact")
