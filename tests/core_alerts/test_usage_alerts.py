"""Alerts of what containers use, from ticks to events: told once, numbered with the other usage events, through any death."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import codec
from schemas.publish import Record
from schemas.settings import Settings
from streams.agents import Writer
from streams.core.facts import Position
from streams.core.usage_bytes import from_bytes, to_bytes
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.rules import threshold_rules
from streams.topology import usage_table
from streams.usage_agent import UsageAgent
from streams.usage_telling import UsageTelling, update_policy
from tests.core_usage.ticks import STEADY, counters, tick

Json = dict[str, Any]
SECOND_NS = 10**9


class Worker:
    """The usage agent over ticks; `restart` is a death without a last commit."""

    def __init__(self, **more: Any) -> None:
        chosen = Settings(metrics_update_every=None, activity_every=None, **more)
        self.rules, self.policy = threshold_rules(chosen), update_policy(chosen)
        self.ticks: list[Json] = []
        self.events: dict[str, Json] = {}
        self.folded = 0
        self._durable: tuple[int, dict[bytes, bytes]] = 0, {}
        self._begin()

    def _begin(self) -> None:
        self.table = usage_table()
        self.table.restore(0, self._durable[1].items())
        refused = DeadLetters("usage", "wst.", self._take)
        writer = Writer("wst.", self._take, refused)
        self.agent = UsageAgent(self.table, writer, refused, UsageTelling(writer, self.policy, self.rules))
        self.agent.begin(0)

    def _take(self, record: Record) -> None:
        if record.topic == topics.WORKSPACE_CHANGES.full("wst."):
            event = codec("event").decode(record.value or b"")
            assert self.events.setdefault(event["id"], event) == event, "an id always means the same"

    def commit(self) -> None:
        taken = {key: self.table.take(0, key) for key in self.table.dirty(0)}
        self.table.confirm(0, taken)
        self._durable = self.folded, self._durable[1] | taken

    def restart(self) -> None:
        self.folded = self._durable[0]
        self._begin()
        self.run()

    def say(self, one: Json) -> None:
        self.ticks.append(one)
        self.run()

    def run(self) -> None:
        while self.folded < len(self.ticks):
            one = self.ticks[self.folded]
            self.folded += 1
            value = codec("stats_tick").encode(one)
            self.agent.fold(Input("wst.docker.stats", Position(3, 0, self.folded), b"shop@laptop", value, (), one["tick_at_ns"] // 10**6))
            self.agent.finish()

    @property
    def told(self) -> list[str]:
        return [f"{event['type'][6:]} {event['alert']['rule']}" for event in self.events.values()]


class Fleet:
    """Containers that burn as told, on a host of four CPUs; a tick every 10 s."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.at_s = 0
        self.cpu_ns = dict.fromkeys(("web", "db"), SECOND_NS)

    def tick(self, web: float = 0.1, db: float = 0.1, **fields: Any) -> None:
        """One tick; figures are shares of all CPUs."""
        self.at_s += 10
        for name, share in (("web", web), ("db", db)):
            self.cpu_ns[name] += round(share * 4 * 10 * SECOND_NS)
        read = {name: counters(self.at_s, cpu_total_ns=self.cpu_ns[name]) for name in self.cpu_ns}
        self.worker.say(tick(self.at_s, read, **fields))

    def stop(self) -> None:
        self.at_s += 10
        self.worker.say(tick(self.at_s, []))


def test_a_burn_is_raised_once_and_resolved_once_and_names_the_culprit() -> None:
    worker = Worker()
    fleet = Fleet(worker)
    for share in (0.1, *[0.95] * 12, *[0.1] * 25):
        fleet.tick(web=share, labels={"workspace.team": "shop"})
    raised, resolved = worker.events.values()
    assert worker.told == ["raised cpu", "resolved cpu"]
    assert (raised["seq"], raised["stream"], resolved["seq"]) == (1, "usage", 2)
    assert raised["alert"]["container_id"] == "web"
    assert (raised["alert"]["value"], raised["alert"]["threshold"]) == (95.0, 80.0)
    assert raised["alert"]["labels"] == {"workspace.team": "shop"}
    assert raised["alert"]["dedup_key"] == resolved["alert"]["dedup_key"]


def test_the_containers_of_one_workspace_have_an_episode_each() -> None:
    worker = Worker()
    fleet = Fleet(worker)
    for _ in range(6):
        fleet.tick(web=0.9, db=0.9)
    assert sorted(event["alert"]["container_id"] for event in worker.events.values()) == ["db", "web"]


def test_memory_is_judged_without_the_page_cache() -> None:
    worker = Worker()
    for at_s in range(0, 100, 10):
        full = {"memory_usage_bytes": 1 << 30, "memory_limit_bytes": 1 << 30, "memory_inactive_file_bytes": 100 << 20}
        cached = {"memory_usage_bytes": 1 << 30, "memory_limit_bytes": 1 << 30, "memory_inactive_file_bytes": 600 << 20}
        worker.say(tick(at_s, {"web": counters(at_s, **full), "db": counters(at_s, **cached)}))
    (event,) = worker.events.values()
    assert (event["alert"]["rule"], event["alert"]["container_id"]) == ("memory", "web")
    assert event["alert"]["value"] == pytest.approx(90.2, abs=0.1)


def test_what_stops_burning_by_stopping_is_resolved_by_the_empty_tick() -> None:
    worker = Worker()
    fleet = Fleet(worker)
    for _ in range(6):
        fleet.tick(web=0.9)
    fleet.stop()
    assert worker.told == ["raised cpu", "resolved cpu"]


def test_a_label_of_the_workspace_sets_its_own_threshold() -> None:
    worker = Worker()
    fleet = Fleet(worker)
    for _ in range(8):
        fleet.tick(web=0.9, labels={"workspace.alert.cpu": "95"})
    assert worker.told == []
    for _ in range(8):
        fleet.tick(web=0.3, labels={"workspace.alert.cpu": "25"})
    assert worker.told == ["raised cpu"]


def test_any_other_metric_is_judged_by_a_rule() -> None:
    worker = Worker(alert_rules=[{"name": "crowd", "metric": "pids", "above": 6, "points": 3, "in_a_row": 2, "in_all": 3}])
    for at_s in range(0, 60, 10):
        worker.say(tick(at_s, {"web": counters(at_s, pids=STEADY["pids"])}))
    assert worker.told == ["raised crowd"]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(("calm", "burn", "burn", "stop", "commit", "die")), max_size=80))
def test_whatever_dies_when_an_episode_is_told_once_and_the_numbers_have_no_gap(steps: list[str]) -> None:
    dying, calm = Worker(), Worker()
    for worker in (dying, calm):
        fleet = Fleet(worker)
        for step in steps:
            if step in ("calm", "burn"):
                fleet.tick(web=0.9 if step == "burn" else 0.1)
            elif step == "stop":
                fleet.stop()
            elif worker is dying:
                worker.commit() if step == "commit" else worker.restart()
    assert dying.events == calm.events
    assert [event["seq"] for event in calm.events.values()] == list(range(1, len(calm.events) + 1))
    pairs = calm.told
    assert pairs == ["raised cpu", "resolved cpu"] * (len(pairs) // 2) + ["raised cpu"] * (len(pairs) % 2)


def test_what_is_watched_survives_in_the_tables_value() -> None:
    worker = Worker()
    fleet = Fleet(worker)
    for _ in range(4):
        fleet.tick(web=0.9)
    value = worker.table.get(0, b"shop@laptop")
    assert value is not None
    assert value.updates.watches
    again = from_bytes(to_bytes(value))
    assert again.updates == value.updates
    assert to_bytes(again) == to_bytes(value)
