"""The agents over hostile records: whatever they are given, they refuse it or fold it, and what follows is fit for who reads it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from schemas import topics
from schemas.codec import codec
from schemas.publish import Record
from schemas.settings import Settings
from streams.agents import StateAgent, Writer
from streams.core.facts import Position
from streams.dead_letters import Cap, DeadLetters
from streams.lane import Input, Table
from streams.query.state_view import StateView
from streams.reconcile_agent import ReconcileAgent
from streams.rules import threshold_rules
from streams.sinks.rows import TOPICS, arrived, blocks
from streams.topology import engines_table, usage_table, workspaces_table
from streams.usage_agent import UsageAgent
from streams.usage_telling import UsageTelling, update_policy
from tests.fuzz.of_log import PREFIX
from tests.fuzz.records import Records
from tests.fuzz.target import Target

#: A flood of refusals is what a fuzzer is.
_NO_CAP: Final = Cap(run=1 << 60, window=1 << 60)
_SETTINGS: Final = Settings()
_NOW_MS: Final = 1_800_000_000_000
#: So many ticks at once are folded by columns.
_TOGETHER: Final = 8
_NEVER: Final = 1 << 60


def targets(log: dict[str, list[bytes]]) -> list[Target]:
    """Of a log by topic."""
    facts, snapshots, ticks = (
        Records(topic.subject, log[topic.name]) for topic in (topics.DOCKER_EVENTS, topics.DOCKER_SNAPSHOTS, topics.DOCKER_STATS)
    )
    return [
        Target("facts through the state agent", partial(_inputs, topics.DOCKER_EVENTS.name, facts, 8), _state, (), 25),
        Target("listings and facts through both agents", partial(_both, snapshots, facts), _reconcile, (), 20),
        Target("ticks through the usage agent", partial(_inputs, topics.DOCKER_STATS.name, ticks, 24), _usage, (), 10),
    ]


def folded_tables(log: dict[str, list[bytes]]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """What workers keep of a log: values of states, of engines and of usage."""
    states, engines, usage = workspaces_table(), engines_table(), usage_table()
    view = StateView()
    writer, refused = _writer([], "state")
    state, reconcile = StateAgent(states, writer, refused, view), ReconcileAgent(engines, writer, refused, view)
    ticks = UsageAgent(usage, writer, refused)
    agents: tuple[tuple[topics.Topic, StateAgent | ReconcileAgent | UsageAgent], ...] = (
        (topics.DOCKER_EVENTS, state),
        (topics.DOCKER_SNAPSHOTS, reconcile),
        (topics.DOCKER_STATS, ticks),
    )
    for topic, agent in agents:
        agent.begin(0)
        for number, value in enumerate(log[topic.name]):
            record = codec(topic.subject).decode(value)
            key = str(record.get("workspace_id") or record["engine_id"]).encode()
            agent.fold(_input(topic.name, number, key, value, _NOW_MS))
        agent.finish()
    kept = [list(_keep(table).values()) for table in (states, engines, usage)]
    return kept[0], kept[1], kept[2]


def _inputs(topic: str, records: Records, most: int, draw: random.Random) -> list[Input]:
    made = []
    for number in range(draw.randrange(1, most)):
        key, value = records.value(draw)
        made.append(_input(topic, number, key, value, _NOW_MS + number * 10_000))
        if draw.random() < 0.1:  # given twice
            made.append(_input(topic, number, made[-1].key, value, made[-1].timestamp_ms))
    return made


def _both(snapshots: Records, facts: Records, draw: random.Random) -> list[Input]:
    made = [*_inputs(topics.DOCKER_EVENTS.name, facts, 4, draw), *_inputs(topics.DOCKER_SNAPSHOTS.name, snapshots, 6, draw)]
    draw.shuffle(made)
    return [one._replace(position=Position(1, 0, number)) for number, one in enumerate(made)]


def _input(topic: str, offset: int, key: bytes | None, value: bytes | None, timestamp_ms: int) -> Input:
    return Input(PREFIX + topic, Position(1, 0, offset), key, value, (), timestamp_ms)


def _state(inputs: Sequence[Input]) -> None:
    sent: list[Record] = []
    table = workspaces_table()
    agent = StateAgent(table, *_writer(sent, "state"), StateView())
    agent.begin(0)
    for one in inputs:
        agent.fold(one)
    agent.finish()
    _read_again(sent)
    _keep(table)


def _reconcile(inputs: Sequence[Input]) -> None:
    """Both agents, and what they send to themselves comes back once."""
    sent: list[Record] = []
    view, states, engines = StateView(), workspaces_table(), engines_table()
    state = StateAgent(states, *_writer(sent, "state"), view)
    reconcile = ReconcileAgent(engines, *_writer(sent, "state"), view)
    state.begin(0)
    reconcile.begin(0)
    agents: dict[str, StateAgent | ReconcileAgent] = {
        PREFIX + topics.DOCKER_EVENTS.name: state,
        PREFIX + topics.DOCKER_SNAPSHOTS.name: reconcile,
    }
    for one in inputs:
        agents[one.topic].fold(one)
        state.finish()
    back = [record for record in sent if record.topic in agents]
    for number, record in enumerate(back, len(inputs)):
        agents[record.topic].fold(
            Input(record.topic, Position(1, 0, number), record.key, record.value, record.headers, record.timestamp_ms)
        )
    state.finish()
    _read_again(sent)
    _keep(states)
    _keep(engines)


def _usage(inputs: Sequence[Input]) -> None:
    """One by one and by columns: the same is sent and kept."""
    found = []
    for few in (_TOGETHER, _NEVER):
        sent: list[Record] = []
        table = usage_table()
        writer, refused = _writer(sent, "usage")
        agent = UsageAgent(table, writer, refused, UsageTelling(writer, update_policy(_SETTINGS), threshold_rules(_SETTINGS)))
        agent.few = few
        agent.begin(0)
        for one in inputs:
            agent.fold(one)
        agent.finish()
        found.append(([_without_time(record) for record in sent], _keep(table)))
    assert found[0] == found[1], "by columns something else comes out than one by one"
    _read_again(sent)


def _writer(sent: list[Record], stage: str) -> tuple[Writer, DeadLetters]:
    refused = DeadLetters(stage, PREFIX, sent.append, _NO_CAP)
    return Writer(PREFIX, sent.append, refused), refused


def _without_time(record: Record) -> tuple[Any, ...]:
    """A dead letter says when it was written."""
    is_letter = record.topic == PREFIX + topics.DEAD_LETTERS.name
    return record.topic, record.key, None if is_letter else record.value, record.headers


def _read_again(sent: Sequence[Record]) -> None:
    """What we send, our own readers take: every one of them has rows."""
    for offset, one in enumerate(sent):
        topic = one.topic.removeprefix(PREFIX)
        if topic in TOPICS:
            blocks(topic, [arrived(topic, Position(1, 0, offset), one.key, one.value, one.headers, one.timestamp_ms)])


def _keep(table: Table[Any]) -> dict[bytes, bytes]:
    """What is kept reads back as it was."""
    kept = {}
    for key in table.dirty(0):
        kept[key] = table.take(0, key)
        assert table._dumps(table._loads(kept[key])) == kept[key], f"{key!r} does not read back as it was"
    return kept
