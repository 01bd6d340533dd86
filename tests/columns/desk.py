"""The usage agent over made-up messages of some workspaces: as it is, or folding each tick by itself."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from schemas import topics
from schemas.codec import codec
from schemas.publish import Record
from schemas.settings import Settings
from streams.agents import Writer
from streams.core.facts import Position
from streams.core.usage_bytes import to_bytes
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.rules import threshold_rules
from streams.topology import usage_table
from streams.usage_agent import UsageAgent
from streams.usage_telling import UsageTelling, update_policy
from tests.core_usage.logs import Machine
from tests.core_usage.ticks import HOUR_S, SECOND_NS, tick

BURN_NS = 40 * SECOND_NS
STEPS = (*(10.0,) * 150, 10.5, 60.0, 250.0, 400.0, 1800.0, 2.0 * HOUR_S, -20.0)
HAPPENINGS = (*("",) * 400, "restart", "interfaces", "counter went back", "memory unknown", "absurd", "jump", "same time", "future")


class Desk:
    """The agent, its table, and what it sent."""

    def __init__(self, *, singly: bool = False) -> None:
        self.sent: list[Record] = []
        self.table = usage_table()
        chosen = Settings()
        refused = DeadLetters("usage", "wst.", self.sent.append)
        writer = Writer("wst.", self.sent.append, refused)
        telling = UsageTelling(writer, update_policy(chosen), threshold_rules(chosen))
        self.agent = UsageAgent(self.table, writer, refused, telling)
        self.agent.few = 1 << 40 if singly else 0
        self.agent.begin(0)

    def fold(self, some: Sequence[Input]) -> None:
        """Folds a slice."""
        for record in some:
            self.agent.fold(record)
        self.agent.finish()

    @property
    def ordinary(self) -> int:
        return self.agent.ordinary

    def values(self) -> dict[bytes, bytes]:
        return {key: to_bytes(value) for key, value in self.table.items(0)}

    def commit(self, hot_keys: int) -> None:
        """Makes what changed durable; all but a few values grow cold."""
        self.table._hot_keys = hot_keys
        self.table.confirm(0, {key: self.table.take(0, key) for key in self.table.dirty(0)})

    def said(self) -> list[Any]:
        """Everything that was sent, but for when a dead letter was."""
        return [record if record.topic != topics.DEAD_LETTERS.full("wst.") else record.headers for record in self.sent]


def messages(random: Random, length: int, workspaces: int) -> list[Input]:
    """Ticks of some workspaces, most of them ordinary, with everything in between that happens."""
    encode = codec("stats_tick").encode
    names = [f"shop-{number}@laptop" for number in range(workspaces)]
    machines = {(name, engine): Machine() for name in names for engine in (1, 2)}
    at_s = dict.fromkeys(machines, random.choice([3000.0, 3500.0, 10_700.0]))
    burns = dict.fromkeys(names, 0)
    found: list[Input] = []
    for offset in range(1, length + 1):
        name = random.choice(names)
        engine = 2 if random.random() < 0.1 else 1
        at_s[name, engine] += random.choice(STEPS)
        now_s = at_s[name, engine]
        containers = "acd" if random.random() < 0.97 else random.sample("abcd", random.randint(0, 4))
        burns[name] = max(burns[name] - 1, random.choice([0] * 80 + [12]))
        read: dict[str, bytes] = {}
        for container in containers:
            what, amount = random.choice(HAPPENINGS), random.randrange(10**6)
            machine = machines[name, engine]
            if burns[name] and container == "a" and "a" in machine.values:
                machine.values["a"]["cpu_total_ns"] += BURN_NS
            shift: float = {"same time": -10.0, "future": 500.0}.get(what, ord(container) / 1000)
            read[container] = machine.read(container, now_s + shift, what, amount)
        fields: dict[str, Any] = {"workspace_id": name, "engine_id": f"engine-{engine}", "part": random.choice([0] * 200 + [1])}
        if random.random() < 0.01:
            fields["labels"] = {"workspace.alert.cpu": random.choice(["20", "off", "95"])}
        if random.random() < 0.003:
            fields["generation"] = random.choice([1, -1])
        one = tick(now_s, read, **fields)
        value = encode(one)
        if random.random() < 0.005:
            value = value[: random.randrange(len(value))]
        position = Position(3, 0, offset if random.random() > 0.01 else random.randint(1, offset))
        key = name if random.random() > 0.005 else "another"
        late_ms = random.choice([0] * 200 + [-120_000])
        found.append(Input("wst.docker.stats", position, key.encode(), value, (), one["tick_at_ns"] // 10**6 + late_ms))
    return found
