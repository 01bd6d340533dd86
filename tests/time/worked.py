"""A journal that workers have read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from schemas import topics
from schemas.journal import Journal
from streams.agents import StateAgent, Writer
from streams.core.facts import Position
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.topology import usage_table, workspaces_table
from streams.usage_agent import UsageAgent

PREFIX: Final = "wst."
PARTITIONS: Final = 4


def work(path: Path) -> None:
    """What workers and their journal do: each agent over what it reads, in slices, its outputs appended."""
    journal = Journal(path, PARTITIONS)
    sent: list[Any] = []
    for kind, topic in (("state", topics.DOCKER_EVENTS), ("usage", topics.DOCKER_STATS)):
        refused = DeadLetters(kind, PREFIX, sent.append)
        writer = Writer(PREFIX, sent.append, refused)
        agent: StateAgent | UsageAgent = (
            StateAgent(workspaces_table(), writer, refused) if kind == "state" else UsageAgent(usage_table(), writer, refused)
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
