"""`state_intervals`: what a workspace was, and when, drawn as timelines."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import topics
from streams.core import workspace
from streams.core.changes import StatusChanged
from streams.core.condition import condition
from streams.core.facts import Position, parse_fact
from streams.sinks.rows import arrived
from tests.core_state import makers
from tests.lane.test_agents import Desk, fact_input
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import T0_NS, arrive, position, rows_of

S = 10**9
_LIVES = itertools.count()
#: What may happen to one container: well, badly, and while it is paused or unwell.
STORY: list[dict[str, Any]] = [
    *[{"action": action} for action in ("create", "start", "start", "pause", "unpause", "exec_create", "oom", "stop", "destroy")],
    *[{"action": "die", "exit_code": code} for code in (0, 1, 137)],
    *[{"action": "health_status", "health": health} for health in ("healthy", "unhealthy")],
]


def changed(at: int, offset: int, old: str, new: str) -> tuple[Any, Any]:
    section = {"old_status": old, "new_status": new, "reason": "r", "container_id": None, "changed_at_ns": T0_NS + at * S}
    cause = {"topic": "t", "epoch": 1, "partition": 0, "offset": offset}
    event = records.event(offset, at_ns=T0_NS + at * S, status_changed=section, cause=cause)
    return topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, event, position(offset))


def state(at: int, offset: int, status: str, condition: str, **more: Any) -> tuple[Any, Any]:
    record = records.state(at=position(offset), status=status, condition=condition, last_updated_ns=T0_NS + at * S, **more)
    return topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, record, position(offset))


async def write(archive: Real, *told: tuple[Any, Any]) -> None:
    for topic, arrival in told:
        await archive.write(rows_of(topic, arrival))


def intervals(archive: Real, workspace_id: str = "shop@laptop") -> list[tuple[str, str, int, int | None]]:
    """Status, condition, begin and end in seconds after T0."""
    sql = "SELECT status, condition, `from`, `to` FROM {db}.state_intervals WHERE workspace_id = '{name}' ORDER BY `from`"
    rows = archive.rows(sql.replace("{name}", workspace_id))
    return [
        (status, condition, (begin - T0_NS) // S, None if end is None else (end - T0_NS) // S) for status, condition, begin, end in rows
    ]


TIMELINE = (
    #  s    0        10        20         30         40        50
    #       |active──────────────────────|inactive────────────|active──►
    #       |ok──────|failing──|degraded─|ok──────────────────|ok──►
    changed(0, 1, "unknown", "active"),
    state(0, 1, "active", "ok"),
    state(5, 2, "active", "ok", running=2),
    state(10, 3, "active", "failing"),
    state(20, 4, "active", "degraded"),
    changed(30, 5, "active", "inactive"),
    state(30, 5, "inactive", "ok"),
    changed(50, 9, "inactive", "active"),
    state(50, 9, "active", "ok"),
)


@pytest.mark.parametrize("seed", range(3))
async def test_a_timeline_is_cut_where_status_or_condition_changes_in_whatever_order_it_came(chdb_archive: Real, seed: int) -> None:
    told = [*TIMELINE, *TIMELINE[:4]]
    random.Random(seed).shuffle(told)
    await write(chdb_archive, *told)
    assert intervals(chdb_archive) == [
        ("active", "ok", 0, 10),
        ("active", "failing", 10, 20),
        ("active", "degraded", 20, 30),
        ("inactive", "ok", 30, 50),
        ("active", "ok", 50, None),
    ]


async def test_a_status_that_lay_between_two_published_states_is_shown(chdb_archive: Real) -> None:
    """States are published for several facts at once; each change of status is an event of its own."""
    await write(chdb_archive, changed(0, 1, "unknown", "active"), changed(3, 2, "active", "inactive"), changed(4, 3, "inactive", "active"))
    await write(chdb_archive, state(4, 3, "active", "ok"))
    assert intervals(chdb_archive) == [("active", "ok", 0, 3), ("inactive", "ok", 3, 4), ("active", "ok", 4, None)]


async def test_the_time_of_a_silent_engine_is_an_interval_of_nobody_knows(chdb_archive: Real) -> None:
    await write(chdb_archive, changed(0, 1, "unknown", "active"), state(0, 1, "active", "ok"))
    await write(chdb_archive, state(10, 2, "active", "unknown", stale=True), state(25, 3, "active", "ok"))
    assert intervals(chdb_archive) == [("active", "ok", 0, 10), ("unknown", "unknown", 10, 25), ("active", "ok", 25, None)]


async def test_a_forgotten_workspace_ends_and_may_begin_again(chdb_archive: Real) -> None:
    await write(chdb_archive, changed(-20, 1, "unknown", "active"), state(-20, 1, "active", "ok"))
    forgotten = arrive(topics.WORKSPACE_STATE, None, position(2), "shop@laptop", records.forgotten_by(position(2)))
    # A tombstone says when by its own timestamp, which is T0 here.
    await write(chdb_archive, (topics.WORKSPACE_STATE, forgotten))
    assert intervals(chdb_archive) == [("active", "ok", -20, 0)]
    await write(chdb_archive, changed(5, 3, "unknown", "inactive"), state(5, 3, "inactive", "ok"))
    assert intervals(chdb_archive) == [("active", "ok", -20, 0), ("inactive", "ok", 5, None)]


async def test_a_clock_that_runs_backward_makes_no_overlap(chdb_archive: Real) -> None:
    """Two engines, one workspace: the second's clock is behind."""
    await write(chdb_archive, changed(10, 1, "unknown", "active"), state(10, 1, "active", "ok"))
    await write(chdb_archive, changed(4, 2, "active", "inactive"), state(4, 2, "inactive", "ok"), changed(20, 3, "inactive", "active"))
    assert intervals(chdb_archive) == [("inactive", "ok", 10, 20), ("active", "ok", 20, None)]


def gap(begin: int, end: int, offset: int) -> tuple[Any, Any]:
    section = {"name": "gap", "reason": "nobody watched", "since_ns": T0_NS + begin * S, "value": (end - begin) * 1000}
    at = {"kind": "notice", "id": f"{offset:016x}", "time_ns": T0_NS + end * S, "container": None, "engine_event": None}
    return topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, {**records.fact(), **at, "notice": section}, position(offset))


async def test_a_stretch_nobody_watched_is_cut_out_of_what_was_told(chdb_archive: Real) -> None:
    #  s    0      10     20     30     40     50
    #       |active──────────────|inactive──────►
    #              |gap───|      |gap──|     and one from before it was known
    await write(chdb_archive, changed(0, 1, "unknown", "active"), state(0, 1, "active", "ok"))
    await write(chdb_archive, changed(30, 5, "active", "inactive"), state(30, 5, "inactive", "ok"))
    await write(chdb_archive, gap(10, 20, 3), gap(10, 20, 3), gap(30, 40, 6), gap(-20, -5, 9))
    assert intervals(chdb_archive) == [
        ("active", "ok", 0, 10),
        ("unknown", "unknown", 10, 20),
        ("active", "ok", 20, 30),
        ("unknown", "unknown", 30, 40),
        ("inactive", "ok", 40, None),
    ]
    rows = chdb_archive.rows("SELECT engine_id, `from`, `to` FROM {db}.state_gaps ORDER BY `from`")
    assert [(begin - T0_NS) // S for _, begin, _ in rows] == [-20, 10, 30]


async def test_a_change_within_a_gap_that_lasts_over_it_is_known_after_it(chdb_archive: Real) -> None:
    await write(chdb_archive, changed(0, 1, "unknown", "active"), state(0, 1, "active", "ok"), gap(5, 25, 2))
    await write(chdb_archive, changed(15, 3, "active", "inactive"), state(15, 3, "inactive", "ok"))
    assert intervals(chdb_archive) == [
        ("active", "ok", 0, 5),
        ("unknown", "unknown", 5, 15),
        ("unknown", "unknown", 15, 25),
        ("inactive", "ok", 25, None),
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STORY), min_size=1, max_size=25), st.lists(st.booleans(), min_size=25, max_size=25))
async def test_every_status_is_told_with_the_condition_it_came_with_however_facts_were_sliced(
    chdb_archive: Real, actions: list[dict[str, Any]], ends_slice: list[bool]
) -> None:
    """What the agent publishes of random lives, in random slices, against each fact folded alone."""
    name = f"life-{next(_LIVES)}@laptop"
    desk, alone, expected = Desk(), workspace.initial(name), list[tuple[str, str, int]]()
    for offset, said in enumerate(actions):
        # At its own second, so that each begin names one fact.
        record = makers.event(said["action"], offset, **{key: value for key, value in said.items() if key != "action"})
        record |= {"workspace_id": name, "time_ns": T0_NS + offset * S, "recorded_at_ns": T0_NS + offset * S}
        desk.state.fold(fact_input(record, offset))
        if ends_slice[offset]:
            desk.state.finish()
        _, told = workspace.fold(alone, parse_fact(record), Position(3, 0, offset))
        if any(isinstance(change.detail, StatusChanged) for change in told):
            expected.append((alone.status, condition(alone), offset))
    desk.state.finish()
    for topic in (topics.WORKSPACE_CHANGES, topics.WORKSPACE_STATE):
        full = topic.full("wst.")
        there = [
            arrived(topic.name, position(number, epoch=3), sent.key or b"", sent.value, tuple(sent.headers), sent.timestamp_ms or 0)
            for number, sent in enumerate(record for record in desk.sent if record.topic == full)
        ]
        await chdb_archive.write(rows_of(topic, *there))
    found = intervals(chdb_archive, name)
    begun = {begin: (status, how) for status, how, begin, _ in found}
    assert [(*begun[offset], offset) for _, _, offset in expected] == expected
    if expected:
        assert found[-1][:2] == (alone.status, condition(alone))
