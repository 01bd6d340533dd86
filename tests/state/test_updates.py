"""`metrics_update` events and signs of activity: as often as asked, numbered, the same through any death."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import codec
from schemas.publish import Record
from schemas.settings import Settings
from streams.agents import Writer
from streams.core import samples, updates
from streams.core.facts import Position
from streams.core.updates import EngineUpdates, UpdatePolicy, Updates, activity, is_due, update
from streams.core.usage_bytes import from_bytes, to_bytes
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.topology import usage_table
from streams.usage_agent import UsageAgent
from streams.usage_telling import UsageTelling, update_policy
from tests.core_usage.ticks import NOON_S, SECOND_NS, STEADY, counters, tick

Json = dict[str, Any]
PREFIX = "wst."


class Meter:
    """The usage agent over ticks in memory; `restart` is a death without a last commit."""

    def __init__(self, **settings: Any) -> None:
        self.policy = update_policy(Settings(**settings))
        self.sent: list[Record] = []
        self.ticks: list[Json] = []
        self.folded = 0
        self._durable: tuple[int, dict[bytes, bytes]] = 0, {}
        self._begin()

    def _begin(self) -> None:
        self.table = usage_table()
        self.table.restore(0, self._durable[1].items())
        refused = DeadLetters("usage", PREFIX, self.sent.append)
        writer = Writer(PREFIX, self.sent.append, refused)
        self.agent = UsageAgent(self.table, writer, refused, UsageTelling(writer, self.policy))
        self.agent.begin(0)

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
            key = one["workspace_id"].encode()
            self.agent.fold(Input("wst.docker.stats", Position(3, 0, self.folded), key, value, (), one["tick_at_ns"] // 1_000_000))
            self.agent.finish()

    def of(self, topic: topics.Topic) -> list[Json]:
        """Values of a topic, a record that was sent again told once."""
        full = topic.full(PREFIX)
        once = {dict(record.headers)["wst-id"]: record for record in self.sent if record.topic == full}
        return [codec(topic.subject).decode(record.value) for record in once.values()]

    def updates(self) -> list[Json]:
        return [event for event in self.of(topics.WORKSPACE_CHANGES) if event["type"] == "metrics_update"]

    def activity(self) -> list[Json]:
        return [fact for fact in self.of(topics.DOCKER_EVENTS) if fact["notice"]["name"] == "activity"]


def ticks(seconds: Sequence[float], busy: Mapping[float, float] | float = 0.0, network: int = 0) -> list[Json]:
    """Ticks of one container that uses so many cores; `network`: bytes a second."""
    made, used, before = [], STEADY["cpu_total_ns"], 0.0
    sent = STEADY["network_tx_bytes"]
    for second in seconds:
        cores = busy if isinstance(busy, float) else busy.get(second, 0.0)
        used += round((second - before) * cores * SECOND_NS)
        sent += round((second - before) * network)
        system = STEADY["system_cpu_ns"] + round(second * 4 * SECOND_NS)
        made.append(tick(second, {"a": counters(second, cpu_total_ns=used, system_cpu_ns=system, network_tx_bytes=sent)}))
        before = second
    return made


def test_an_update_comes_at_most_as_often_as_asked_with_old_new_and_delta() -> None:
    meter = Meter(metrics_update_every=60)
    for one in ticks([10 * n for n in range(20)], {10.0 * n: 0.5 if n < 10 else 1.5 for n in range(20)}):
        meter.say(one)
    found = meter.updates()
    assert [(event["timestamp_ns"] // SECOND_NS - NOON_S) for event in found] == [10, 70, 130, 190]
    assert [event["seq"] for event in found] == [1, 2, 3, 4]
    first, second, third, _ = (event["metrics_update"] for event in found)
    assert (first["old_metrics"], first["delta"]) == ({}, {})
    assert second["old_metrics"] == first["new_metrics"]
    assert (second["new_metrics"]["cpu_percent"], third["new_metrics"]["cpu_percent"]) == (50.0, 150.0)
    assert third["delta"]["cpu_percent"] == 100.0
    assert third["new_metrics"]["memory_usage"] == 200 << 20
    assert found[0]["id"] == "usage.3.1." + found[0]["workspace_id"]


def test_every_sample_or_none_if_so_asked() -> None:
    each, none = Meter(metrics_update_every=0), Meter(metrics_update_every="off", activity_every="off")
    for one in ticks([10 * n for n in range(5)], 1.0):
        each.say(one)
        none.say(one)
    assert len(each.updates()) == 4, "all but the first reading, of which nothing can be said"
    assert (none.updates(), none.activity()) == ([], [])


def test_a_tick_in_parts_is_one_update() -> None:
    meter = Meter(metrics_update_every=0)
    for second in (0, 10):
        for part, name in enumerate("ab"):
            cpu = STEADY["cpu_total_ns"] + second * SECOND_NS
            system = STEADY["system_cpu_ns"] + second * 4 * SECOND_NS
            meter.say(tick(second, {name: counters(second, cpu_total_ns=cpu, system_cpu_ns=system)}, part=part, parts=2))
    [found] = meter.updates()
    assert found["metrics_update"]["new_metrics"]["cpu_percent"] == 200.0
    assert found["metrics_update"]["new_metrics"]["pids"] == 14


def test_use_of_cpu_or_network_is_a_sign_of_activity_once_a_quantum_and_rest_is_none() -> None:
    resting, computing, talking = (Meter(activity_every=300, activity_cpu=5, activity_network=1_000) for _ in range(3))
    seconds = [10 * n for n in range(91)]
    for meter, made in (
        (resting, ticks(seconds, 0.01, network=50)),
        (computing, ticks(seconds, 0.2)),
        (talking, ticks(seconds, 0.0, network=5_000)),
    ):
        for one in made:
            meter.say(one)
    assert resting.activity() == []
    assert [fact["time_ns"] // SECOND_NS - NOON_S for fact in computing.activity()] == [10, 300, 600, 900]
    assert len(talking.activity()) == 4
    assert "CPU 20.0 %" in computing.activity()[0]["notice"]["reason"]
    assert computing.activity()[0]["workspace_id"] == computing.ticks[0]["workspace_id"]


@pytest.mark.parametrize("back_s", [30, 7_200])
def test_a_producers_clock_that_ran_back_far_begins_anew_and_an_old_tick_tells_nothing(back_s: int) -> None:
    entry = EngineUpdates(told_ns=NOON_S * SECOND_NS)
    one = {"tick_at_ns": (NOON_S - back_s) * SECOND_NS, "part": 0, "parts": 1}
    assert is_due(entry, one, UpdatePolicy()) is (back_s > 3_600)


def test_what_was_told_survives_in_the_values_bytes_and_a_value_without_it_reads_as_nothing_told() -> None:
    meter = Meter(metrics_update_every=0)
    for one in ticks([0, 10], 1.0):
        meter.say(one)
    [state] = [state for _, state in meter.table.items(0)]
    assert from_bytes(to_bytes(state)).updates == state.updates
    assert state.updates.seq == 1
    state.updates = Updates()
    assert from_bytes(to_bytes(state)).updates == Updates()


STEPS = st.lists(
    st.one_of(st.tuples(st.just("tick"), st.integers(1, 90), st.booleans()), st.sampled_from(["commit", "restart"])), max_size=25
)


@given(STEPS, st.sampled_from([0, 20, 60]))
def test_any_death_tells_the_same_updates_and_activity_once(steps: list[Any], every: int) -> None:
    moves = [step for step in steps if isinstance(step, tuple)]
    seconds = [float(sum(step[1] for step in moves[: n + 1])) for n in range(len(moves))]
    made = iter(ticks(seconds, {second: float(step[2]) for second, step in zip(seconds, moves, strict=True)}))
    dying, calm = Meter(metrics_update_every=every), Meter(metrics_update_every=every)
    for step in steps:
        if isinstance(step, tuple):
            one = next(made)
            dying.say(one)
            calm.say(one)
        elif step == "commit":
            dying.commit()
        else:
            dying.restart()
    assert sorted(dying.updates(), key=lambda e: e["seq"]) == calm.updates()
    assert [event["seq"] for event in calm.updates()] == list(range(1, len(calm.updates()) + 1))
    assert {fact["id"]: fact for fact in dying.activity()} == {fact["id"]: fact for fact in calm.activity()}


def test_activity_reads_the_columns_it_means() -> None:
    row = dict.fromkeys(samples.COLUMNS, 7) | {
        "interval_ns": 10 * SECOND_NS, "cpu_millipercent": 9_000, "network_rx_counted_bytes": 20_000, "network_tx_counted_bytes": 40_000,
    }  # fmt: skip
    packed = samples.pack(*row.values())
    found = activity(EngineUpdates(), {"tick_at_ns": NOON_S * SECOND_NS}, [packed, packed], UpdatePolicy())
    assert found == (18_000, 12_000)


def test_an_update_of_no_readings_yet_says_nothing() -> None:
    entry = EngineUpdates()
    assert update(entry, {"tick_at_ns": 5, "part": 0, "parts": 1}, {"pids": 3.0}) is None
    assert (entry.told_ns, updates.to_text(Updates())) == (0, "")
