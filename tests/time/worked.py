"""A journal that workers have read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from schemas import topics
from schemas.journal import Journal
from streams.agents import StateAgent, Writer
from streams.core.facts import Position
from streams.core.workspace import canonical
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.replay.refold import RawFact
from streams.topology import usage_table, workspaces_table
from streams.usage_agent import UsageAgent

PREFIX: Final = "wst."
PARTITIONS: Final = 4


def work(path: Path) -> dict[str, bytes]:
    """What workers and their journal do: each agent over what it reads, in slices, its outputs appended.

    Returns:
        The states in canonical encoding, by workspace.
    """
    journal = Journal(path, PARTITIONS)
    sent: list[Any] = []
    workspaces = workspaces_table()
    for kind, topic in (("state", topics.DOCKER_EVENTS), ("usage", topics.DOCKER_STATS)):
        refused = DeadLetters(kind, PREFIX, sent.append)
        writer = Writer(PREFIX, sent.append, refused)
        agent: StateAgent | UsageAgent = (
            StateAgent(workspaces, writer, refused) if kind == "state" else UsageAgent(usage_table(), writer, refused)
        )
        name = topic.full(PREFIX)
        for partition in range(PARTITIONS):
            agent.begin(partition)
            entries = journal.read_partition(name, partition, 0, 1_000_000)
            for number, entry in enumerate(entries, 1):
                position = Position(journal.epoch, partition, entry.seq)
                record = entry.record
                agent.fold(Input(name, position, record.key, record.value, record.headers, record.timestamp_ms))
                if number % 7 == 0 or number == len(entries):
                    agent.finish()
    journal.append(sent)
    journal.close()
    return {state.workspace_id: canonical(state) for partition in range(PARTITIONS) for _, state in workspaces.items(partition)}


def facts_of(path: Path) -> list[RawFact]:
    """The facts of a journal."""
    journal = Journal(path, PARTITIONS)
    name = topics.DOCKER_EVENTS.full(PREFIX)
    found = [
        RawFact(entry.record.value, Position(journal.epoch, partition, entry.seq))
        for partition in range(PARTITIONS)
        for entry in journal.read_partition(name, partition, 0, 1_000_000)
    ]
    journal.close()
    return found
