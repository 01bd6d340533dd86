"""The agents without a broker: what they publish, what they refuse, and that a refold says the same."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from schemas import topics
from schemas.codec import codec
from schemas.publish import Record, make_record
from schemas.requests import ERASE_HEADER
from schemas.topics import Topic
from streams.agents import StateAgent, Writer
from streams.core import workspace
from streams.core.facts import Position
from streams.core.state import UNSEEN
from streams.dead_letters import Cap, DeadLetters, TooManyDeadLetters
from streams.engine_rows import EngineRow
from streams.lane import Input
from streams.owed import Owed
from streams.query.state_view import StateView
from streams.reconcile_agent import ReconcileAgent
from streams.topology import engines_table, usage_table, workspaces_table
from streams.usage_agent import UsageAgent
from tests.core_state import makers

PREFIX = "wst."
Json = dict[str, Any]


T0_MS = 1_760_000_000_000


def as_input(topic: Topic, key: str, value: bytes, offset: int, partition: int = 0, timestamp_ms: int = T0_MS) -> Input:
    return Input(topic.full(PREFIX), Position(3, partition, offset), key.encode(), value, (("wst-type", b"t"),), timestamp_ms)


def fact_input(fact: Mapping[str, Any], offset: int) -> Input:
    return as_input(topics.DOCKER_EVENTS, fact["workspace_id"], codec("fact").encode(fact), offset)


class Desk:
    """Agents of both apps with tables, and what they sent, decoded."""

    def __init__(self, cap: Cap | None = None) -> None:
        self.sent: list[Record] = []
        self.view = StateView()
        self.workspaces, self.engines, self.usages = workspaces_table(), engines_table(), usage_table()
        self.refused = DeadLetters("state", PREFIX, self.sent.append, cap)
        writer = Writer(PREFIX, self.sent.append, self.refused)
        self.state = StateAgent(self.workspaces, writer, self.refused, self.view)
        self.reconcile = ReconcileAgent(self.engines, writer, self.refused, self.view)
        self.usage = UsageAgent(self.usages, writer, self.refused)
        for agent in (self.state, self.reconcile, self.usage):
            agent.begin(0)

    def of(self, topic: Topic) -> list[Json]:
        full = topic.full(PREFIX)
        return [codec(topic.subject).decode(record.value) for record in self.sent if record.topic == full and record.value is not None]

    def ids(self) -> list[bytes]:
        return [dict(record.headers)["wst-id"] for record in self.sent]


def snapshot(*entries: Json, part: int = 0, parts: int = 1, seconds: float = 50, listing: str = "s-1", **changed: Any) -> Json:
    base = {
        "snapshot_id": listing, "engine_id": makers.ENGINE, "engine_name": "laptop", "listed_at_ns": makers.at(seconds),
        "recorded_at_ns": makers.at(seconds + 0.2), "part": part, "parts": parts, "sync_interval_ms": 30_000, "containers": list(entries),
    }  # fmt: skip
    return base | changed


def entry(name: str, state: str) -> Json:
    return {"workspace_id": makers.WORKSPACE, "workspace_name": "shop", "container": makers.who(name), "state": state}


def snapshot_input(record: Json, offset: int) -> Input:
    return as_input(topics.DOCKER_SNAPSHOTS, record["engine_id"], codec("snapshot").encode(record), offset)


def test_a_slice_publishes_every_change_the_last_state_of_a_workspace_and_each_with_another_status() -> None:
    desk = Desk()
    lived = [
        makers.event("create", 0), makers.event("start", 1), makers.event("exec_create", 2), makers.event("die", 3, exit_code=1),
        makers.event("attach", 4), makers.event("resize", 5),
    ]  # fmt: skip
    for offset, fact in enumerate(lived):
        desk.state.fold(fact_input(fact, offset))
    desk.state.finish()
    states = desk.of(topics.WORKSPACE_STATE)
    assert [(state["status"], state["condition"], state["offset"], state["epoch"]) for state in states] == [
        ("inactive", "ok", 0, 3), ("active", "ok", 1, 3), ("inactive", "failing", 3, 3), ("inactive", "failing", 5, 3),
    ]  # fmt: skip
    events = desk.of(topics.WORKSPACE_CHANGES)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {event["cause"]["topic"] for event in events} == {"wst.docker.events"}
    assert desk.view.get(makers.WORKSPACE) == states[-1]


def test_what_was_folded_before_is_not_said_again() -> None:
    desk = Desk()
    first = fact_input(makers.event("start", 1), 7)
    desk.state.fold(first)
    desk.state.finish()
    said = len(desk.sent)
    desk.state.fold(first)
    desk.state.finish()
    assert len(desk.sent) == said


def test_a_refold_from_an_earlier_state_says_the_same_with_the_same_ids() -> None:
    facts = [
        fact_input(makers.event(action, second), second) for second, action in enumerate(["create", "start", "die", "start", "destroy"])
    ]
    once, again = Desk(), Desk()
    for desk, slices in ((once, [facts]), (again, [facts[:2], facts[2:]])):
        for part in slices:
            for fact in part:
                desk.state.fold(fact)
            desk.state.finish()
    assert once.of(topics.WORKSPACE_CHANGES) == again.of(topics.WORKSPACE_CHANGES)
    assert set(once.ids()) <= set(again.ids())


def test_a_forgotten_workspace_leaves_a_tombstone_that_names_its_fact() -> None:
    desk = Desk()
    for offset, fact in enumerate([makers.event("create", 0), makers.event("destroy", 1), makers.command("forget", 2)]):
        desk.state.fold(fact_input(fact, offset))
        desk.state.finish()
    last = desk.sent[-1]
    assert last.topic == "wst.workspace.state"
    assert last.value is None
    assert dict(last.headers)["wst-cause"] == b"3.0.2"
    assert desk.view.get(makers.WORKSPACE) is None


ERASING = makers.command("forget", 2, erase="1")


def tombstones(desk: Desk) -> list[tuple[bytes, bytes | None]]:
    """Cause of each, and what it says of erasing."""
    headers = [dict(record.headers) for record in desk.sent if record.value is None]
    return [(one["wst-cause"], one.get(ERASE_HEADER)) for one in headers]


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1], [4], [3, 1], [2, 2]])
def test_an_erasing_forget_is_told_with_its_own_fact_however_the_log_was_sliced_and_whatever_follows(sizes: list[int]) -> None:
    facts = [makers.event("create", 0), makers.event("destroy", 1), ERASING, makers.command("register", 3, name="again")]
    desk, rest = Desk(), iter(enumerate(facts))
    for size in sizes:
        for offset, fact in itertools.islice(rest, size):
            desk.state.fold(fact_input(fact, offset))
        desk.state.finish()
    [(cause, kept)] = tombstones(desk)
    assert cause == b"3.0.2"
    assert kept is not None
    blank = workspace.from_bytes(kept)
    assert (blank.offset, blank.status, blank.containers) == (2, UNSEEN, {})
    assert blank.seq > 1
    assert desk.sent[-1].value is not None
    assert desk.of(topics.WORKSPACE_STATE)[-1]["workspace_name"] == "again"


def test_a_forget_that_does_not_say_so_or_is_refused_or_repeated_erases_nothing() -> None:
    desk = Desk()
    lives = makers.event("create", 0)
    facts = [lives, ERASING | {"id": "00000000000000aa"}, makers.event("destroy", 3), makers.command("forget", 4)]
    facts += [makers.command("forget", 5, erase="1"), makers.command("register", 6), makers.command("forget", 7, erase="yes")]
    for offset, fact in enumerate(facts):
        desk.state.fold(fact_input(fact, offset))
        desk.state.finish()
    assert [kept for _, kept in tombstones(desk)] == [None, None]
    for offset, fact in enumerate([makers.command("register", 8), erasing := makers.command("forget", 9, erase="1")], 10):
        desk.state.fold(fact_input(fact, offset))
        desk.state.finish()
    desk.state.fold(fact_input(makers.command("register", 10), 12))
    desk.state.fold(fact_input(erasing, 13))
    desk.state.finish()
    assert [cause for cause, kept in tombstones(desk) if kept is not None] == [b"3.0.11"]


def test_a_fact_of_a_workspace_nobody_knows_publishes_no_tombstone() -> None:
    desk = Desk()
    desk.state.fold(fact_input(makers.event("attach", 1), 0))
    desk.state.finish()
    assert desk.sent == []


@pytest.mark.parametrize(
    ("value", "key", "code"),
    [
        (b"garbage", "shop@laptop", "undecodable"),
        (b"\xc3\x01" + b"12345678" + b"body", "shop@laptop", "unknown_schema"),
        (b"", "shop@laptop", "undecodable"),
        (codec("fact").encode(makers.event("start", 1)), "someone@else", "key_mismatch"),
        (codec("fact").encode(makers.event("start", 1) | {"time_ns": -5}), "shop@laptop", "bad_time"),
    ],
)
def test_what_cannot_be_used_becomes_a_dead_letter_with_reason_and_position(value: bytes, key: str, code: str) -> None:
    desk = Desk()
    desk.state.fold(as_input(topics.DOCKER_EVENTS, key, value, 9, partition=2))
    desk.state.finish()
    [letter] = desk.of(topics.DEAD_LETTERS)
    assert (letter["code"], letter["stage"], letter["partition"], letter["offset"], letter["epoch"]) == (code, "state", 2, 9, 3)
    assert (letter["value"], letter["value_size"], letter["topic"]) == (value, len(value), "wst.docker.events")
    assert desk.ids() == [b"state.3.wst.docker.events.2.9"]
    assert desk.sent[0].timestamp_ms == letter["refused_at_ns"] // 10**6 > T0_MS, "kept from now on, however old the record is"


def test_every_agent_refuses_garbage_and_goes_on() -> None:
    desk = Desk()
    for agent, topic in ((desk.state, topics.DOCKER_EVENTS), (desk.reconcile, topics.DOCKER_SNAPSHOTS), (desk.usage, topics.DOCKER_STATS)):
        agent.fold(as_input(topic, "x", b"\x00\x01garbage", 1))
        agent.finish()
        agent.finish()
    assert len(desk.of(topics.DEAD_LETTERS)) == 3
    desk.state.fold(fact_input(makers.event("start", 1), 2))
    desk.state.finish()
    assert len(desk.of(topics.WORKSPACE_STATE)) == 1


def test_a_run_of_refused_records_stops_the_worker() -> None:
    desk = Desk(Cap(run=5))
    bad = as_input(topics.DOCKER_EVENTS, "x", b"garbage", 1)
    for _ in range(4):
        desk.state.fold(bad)
    with pytest.raises(TooManyDeadLetters, match="5 records in a row"):
        desk.state.fold(bad)


def test_a_high_share_of_refused_records_stops_the_worker() -> None:
    desk = Desk(Cap(run=100, ratio=0.5, window=10))
    bad = as_input(topics.DOCKER_EVENTS, "x", b"garbage", 1)
    for offset in range(4):
        desk.state.fold(bad)
        desk.state.fold(fact_input(makers.event("start", offset), offset))
    desk.state.fold(fact_input(makers.event("start", 9), 9))
    with pytest.raises(TooManyDeadLetters, match="5 of the last 10"):
        desk.state.fold(bad)


def test_a_huge_dead_letter_keeps_half_a_megabyte() -> None:
    desk = Desk()
    desk.state.fold(as_input(topics.DOCKER_EVENTS, "x", b"y" * 2_000_000, 1))
    [letter] = desk.of(topics.DEAD_LETTERS)
    assert (len(letter["value"]), letter["value_size"]) == (512 * 1024, 2_000_000)


def test_a_dead_letter_fits_its_topic_whatever_key_and_headers_its_record_had() -> None:
    desk = Desk()
    hostile = as_input(topics.DOCKER_EVENTS, "k" * 1_500_000, b"y" * 400_000, 1)
    headers = (("wst-type", b"t"), ("long", b"z" * 1_000_000), *((f"h{number}", b"z" * 1_000) for number in range(90)), ("last", b"1"))
    desk.state.fold(hostile._replace(headers=headers))
    [letter] = desk.of(topics.DEAD_LETTERS)
    assert letter["key"] == b"k" * 16_384
    assert (letter["headers"]["wst-type"], letter["headers"]["last"], letter["headers"]["wst-cut"]) == (b"t", b"1", b"key and headers")
    assert "long" not in letter["headers"]
    [sent] = desk.sent
    assert sent.size < topics.MAX_RECORD_BYTES


def test_an_output_no_topic_takes_becomes_a_dead_letter_of_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.agents.MAX_RECORD_BYTES", 200)
    desk = Desk()
    desk.state.fold(fact_input(makers.event("start", 1), 4))
    desk.state.finish()
    assert {letter["code"] for letter in desk.of(topics.DEAD_LETTERS)} == {"too_large"}


def test_a_listing_that_differs_makes_observations_and_numbered_sync_events() -> None:
    desk = Desk()
    desk.state.fold(fact_input(makers.event("start", 1), 0))
    desk.state.finish()
    desk.sent.clear()
    desk.reconcile.fold(snapshot_input(snapshot(entry("web", "exited"), entry("db", "running")), 0))
    facts = desk.of(topics.DOCKER_EVENTS)
    assert [(fact["container"]["name"], fact["observation"]["state"]) for fact in facts] == [("web", "exited"), ("db", "running")]
    events = desk.of(topics.WORKSPACE_CHANGES)
    assert [(event["type"], event["seq"], event["stream"]) for event in events] == [
        ("sync_start", 1, "engine"),
        ("sync_complete", 2, "engine"),
    ]
    assert events[1]["sync"]["container_count"] == 2
    assert events[1]["sync"]["corrections"] >= 1
    for offset, fact in enumerate(facts, 1):
        desk.state.fold(fact_input(fact, offset))
    desk.state.finish()
    desk.sent.clear()
    desk.reconcile.fold(snapshot_input(snapshot(entry("web", "exited"), entry("db", "running"), listing="s-2", seconds=80), 1))
    assert desk.of(topics.DOCKER_EVENTS) == []
    assert [event["seq"] for event in desk.of(topics.WORKSPACE_CHANGES)] == [3, 4]


def test_a_listing_in_parts_is_reconciled_when_the_last_has_come_in_whatever_order() -> None:
    desk = Desk()
    desk.state.fold(fact_input(makers.event("start", 1, "gone"), 0))
    desk.state.finish()
    desk.sent.clear()
    desk.reconcile.fold(snapshot_input(snapshot(entry("db", "running"), part=1, parts=2), 0))
    assert desk.of(topics.DOCKER_EVENTS) == []
    row = desk.engines.get(0, makers.ENGINE.encode())
    assert row is not None
    assert EngineRow.from_bytes(row.to_bytes()) == row
    desk.reconcile.fold(snapshot_input(snapshot(entry("web", "running"), part=0, parts=2), 1))
    told = {(fact["container"]["name"], fact["observation"]["present"]) for fact in desk.of(topics.DOCKER_EVENTS)}
    assert told == {("web", True), ("db", True), ("gone", False)}


def test_a_listing_published_twice_is_reconciled_once() -> None:
    desk = Desk()
    for offset in (0, 1):
        desk.reconcile.fold(snapshot_input(snapshot(entry("web", "running")), offset))
    assert len(desk.of(topics.DOCKER_EVENTS)) == 1
    assert len(desk.of(topics.WORKSPACE_CHANGES)) == 2


def test_the_view_knows_after_a_restart_what_was_durable() -> None:
    before = Desk()
    before.state.fold(fact_input(makers.event("start", 1), 0))
    before.state.finish()
    after = Desk()
    after.workspaces.restore(0, [(key, before.workspaces.take(0, key)) for key in before.workspaces.dirty(0)])
    after.state.begin(0)
    assert after.view.get(makers.WORKSPACE) == before.view.get(makers.WORKSPACE)


def test_ticks_make_samples_with_an_id_each() -> None:
    from benchmarks.fold_usage import Fleet

    desk = Desk()
    fleet = Fleet(2, 3)
    ticks = [tick for number in range(3) for tick in fleet.tick(number)]
    for offset, tick in enumerate(ticks):
        value = codec("stats_tick").encode(tick)
        desk.usage.fold(as_input(topics.DOCKER_STATS, tick["workspace_id"], value, offset, timestamp_ms=tick["tick_at_ns"] // 10**6))
    desk.usage.finish()
    samples = [record for record in desk.of(topics.WORKSPACE_USAGE) if record["kind"] == "samples"]
    assert len(samples) == len(ticks)
    assert len(set(desk.ids())) == len(desk.sent)


def test_owed_looks_at_each_key_when_its_time_has_come() -> None:
    owed = Owed([b"a", b"b"])
    assert sorted(owed.due(5)) == [b"a", b"b"]
    owed.remember(b"a", 10)
    owed.remember(b"b", 7)
    assert list(owed.due(6)) == []
    assert list(owed.due(8)) == [b"b"]
    assert b"a" in owed
    assert b"b" not in owed


def test_a_dead_letter_of_the_key_of_any_bytes_is_encodable() -> None:
    desk = Desk()
    record = Input("wst.docker.events", Position(0, 0, 1), b"\xff\xfe", None, (), 5)
    desk.state.fold(record)
    assert desk.sent[0].key == b"\xff\xfe"


def test_make_record_is_what_the_agents_send() -> None:
    desk = Desk()
    desk.state.fold(fact_input(makers.event("start", 1), 0))
    desk.state.finish()
    event = desk.of(topics.WORKSPACE_CHANGES)[0]
    expected = make_record(
        topics.WORKSPACE_CHANGES, PREFIX, makers.WORKSPACE, event, kind=event["type"], record_id=event["id"], timestamp_ms=1_760_000_000_000
    )
    assert desk.sent[0] == expected
