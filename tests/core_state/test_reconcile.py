"""Reconcile: what a listing says against what was folded; no drift survives one sync."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.identity import observation_fact_id
from streams.core import workspace
from streams.core.facts import Position, parse_fact
from streams.core.invalid import InvalidMessage
from streams.core.reconcile import Reconciled, reconcile
from tests.core_state.makers import ENGINE, INSPECT, WORKSPACE, Folded, Record, at, cid, event, folded, inspected, seen, who

UP = [event("create", 0), event("start", 1)]


def listed(name: str, state: str, workspace_id: str = WORKSPACE, **changed: Any) -> Record:
    """An entry of a listing."""
    entry = {
        "workspace_id": workspace_id,
        "workspace_name": "shop",
        "container": who(name),
        "state": state,
        "health": None,
        "unsettled": False,
        "created_at_ns": None,
        "inspect": None,
    }
    return entry | changed


def listing(seconds: float, *entries: Record, part: int = 0, parts: int = 1, **changed: Any) -> Record:
    """A part of a listing, as the codec reads it back."""
    head: Record = {
        "snapshot_id": f"sync@{seconds}",
        "engine_id": ENGINE,
        "engine_name": "laptop",
        "generation": 0,
        "listed_at_ns": at(seconds),
        "recorded_at_ns": at(seconds) + 5_000_000,
        "part": part,
        "parts": parts,
        "sync_interval_ms": 30_000,
        "containers": list(entries),
    }
    coder = codec("snapshot")
    return coder.decode(coder.encode(head | changed))


def compare(of: Folded, *parts: Record) -> Reconciled:
    """Reconciles with one workspace and folds what comes of it."""
    found = reconcile(parts, [of.record] if of.state.status != "unknown" else [], observation_fact_id)
    coder = codec("fact")
    of.add(*(coder.decode(coder.encode(fact)) for fact in found.facts))
    return found


def test_a_listing_that_agrees_says_nothing() -> None:
    web = folded(*UP)
    found = compare(web, listing(30, listed("web", "running")))
    assert found == Reconciled([], workspaces=1, containers=1, corrections=0, complete=True)


def test_a_missed_end_is_one_correction_with_its_details() -> None:
    web = folded(*UP)
    inspect = INSPECT | {"started_at_ns": at(0.9), "finished_at_ns": at(20), "exit_code": 3}
    found = compare(web, listing(30, listed("web", "exited", inspect=inspect)))
    assert (found.corrections, len(found.facts)) == (1, 1)
    assert web.container().exit_reason == "exit code 3 after 19 s"
    assert all(change.correction for change in web.changes[4:])


def test_an_unknown_container_joins() -> None:
    web = folded(*UP)
    found = compare(web, listing(30, listed("web", "running"), listed("db", "running", inspect=INSPECT | {"started_at_ns": at(5)})))
    assert [fact["container"]["name"] for fact in found.facts] == ["db"]
    assert web.record["running"] == 2


def test_a_container_absent_from_all_parts_has_vanished() -> None:
    web = folded(*UP, event("start", 2, "db"))
    found = compare(web, listing(30, listed("db", "running")))
    assert (found.corrections, web.container().state) == (1, "removed")


def test_an_empty_listing_says_that_all_have_vanished() -> None:
    web = folded(*UP, event("start", 2, "db"))
    compare(web, listing(30))
    assert (web.record["status"], web.record["total"]) == ("inactive", 0)


def test_an_incomplete_listing_says_nothing_of_what_has_vanished() -> None:
    web = folded(*UP, event("start", 2, "db"))
    found = compare(web, listing(30, listed("db", "exited"), part=1, parts=2))
    assert not found.complete
    assert (web.container().state, web.container("db").state) == ("running", "exited")


@pytest.mark.parametrize(("part", "parts"), [(0, 2**31 - 1), (0, 0), (0, -1), (1, 1), (-1, 1)])
def test_a_listing_that_counts_its_parts_absurdly_is_an_incomplete_one(part: int, parts: int) -> None:
    of = folded(event("create", 0), event("start", 1))
    assert compare(of, listing(60, part=part, parts=parts)).corrections == 0


def test_parts_may_come_in_any_order_and_twice() -> None:
    web = folded(*UP, event("start", 2, "db"))
    first, second = listing(30, listed("web", "running"), parts=2), listing(30, listed("db", "running"), part=1, parts=2)
    assert compare(web, second, first, second) == Reconciled([], 1, 2, 0, complete=True)


def test_parts_of_two_listings_are_invalid() -> None:
    with pytest.raises(InvalidMessage):
        reconcile([listing(30, parts=2), listing(31, part=1, parts=2)], [], observation_fact_id)
    with pytest.raises(InvalidMessage):
        reconcile([], [], observation_fact_id)
    with pytest.raises(InvalidMessage):
        reconcile([listing(30, listed_at_ns=-1)], [], observation_fact_id)
    with pytest.raises(InvalidMessage, match="bad_generation"):
        reconcile([listing(30, generation=2**31 - 1)], [], observation_fact_id)


def test_what_happened_after_the_listing_is_not_undone() -> None:
    # listed@30 (running)   die@31 is folded before the listing arrives; created@31 too
    web = folded(*UP, event("die", 31, exit_code=0), event("start", 32, "new"))
    found = compare(web, listing(30, listed("web", "running")))
    assert found.facts == []
    assert (web.container().state, web.container("new").state) == ("exited", "running")


def test_a_listing_that_does_not_know_of_an_end_yet_undoes_nothing_and_the_next_repairs_what_was_missed() -> None:
    # die@30 is folded; the engine lists it as running for a while yet, or it was started again and that was missed
    web = folded(*UP, event("die", 30, exit_code=137))
    told = len(web.changes)
    found = compare(web, listing(30.2, listed("web", "running")))
    assert (found.corrections, found.facts, len(web.changes)) == (0, [], told)
    found = compare(web, listing(34, listed("web", "running")))
    assert (found.corrections, web.container().state) == (1, "running")


def test_a_listing_that_lags_undoes_nothing_either_where_it_was_compared_before_the_end_was_folded() -> None:
    # The end@30 is in the log before the listing, but the one who compares has not seen yet what became of it. With the end in the
    # registry the producer has inspected the container, so there is something to say of it: the fold has to judge.
    web = folded(*UP)
    ended = INSPECT | {"started_at_ns": at(0.9), "finished_at_ns": at(29.9), "exit_code": 137, "restart_policy": "on-failure"}
    lagging = reconcile([listing(30.2, listed("web", "running", inspect=ended))], [web.record], observation_fact_id)
    assert lagging.facts[0]["observation"]["state"] == "running"
    web.add(event("die", 30, exit_code=137))
    told = len(web.changes)
    web.add(*lagging.facts)
    assert (web.container().state, web.container().restart_policy) == ("exited", "on-failure"), "what was inspected counts"
    web.add(seen("running", 30.3))
    assert (web.container().state, len(web.changes)) == ("exited", told)
    web.add(seen("running", 33))
    assert web.container().state == "running", "later than any listing lags, so a start was missed"


@pytest.mark.parametrize(("actions", "lagging", "state"), [(["pause"], "running", "paused"), (["pause", "unpause"], "paused", "running")])
def test_a_listing_that_does_not_know_of_a_pause_yet_undoes_nothing(actions: list[str], lagging: str, state: str) -> None:
    web = folded(*UP, *(event(action, 30 + number) for number, action in enumerate(actions)))
    found = compare(web, listing(31.5, listed("web", lagging)))
    web.add(seen(lagging, 31.6))
    assert (found.corrections, found.facts, web.container().state) == (0, [], state)
    compare(web, listing(35, listed("web", lagging)))
    assert web.container().state == lagging


def test_an_unsettled_entry_gives_its_details_alone() -> None:
    web = folded(*UP)
    inspect = INSPECT | {"restart_policy": "always"}
    compare(web, listing(30, listed("web", "exited", unsettled=True, inspect=inspect)))
    assert (web.container().state, web.container().restart_policy) == ("running", "always")
    assert compare(web, listing(31, listed("web", "exited", unsettled=True))).facts == []


def test_health_is_compared_where_it_is_said() -> None:
    web = folded(*UP, inspected(1, has_healthcheck=True), event("health_status", 5, health="healthy"))
    assert compare(web, listing(30, listed("web", "running", health=None))).facts == [], "Podman's listing has no health"
    compare(web, listing(31, listed("web", "running", health="unhealthy")))
    assert web.container().health == "unhealthy"
    assert web.changes[-1].correction


def test_a_container_that_moved_leaves_there_and_joins_here() -> None:
    there = folded(*UP)
    found = reconcile([listing(30, listed("web", "running", "other@laptop"))], [there.record], observation_fact_id)
    assert [(fact["workspace_id"], fact["observation"]["present"]) for fact in found.facts] == [
        (WORKSPACE, False),
        ("other@laptop", True),
    ]
    assert found.corrections == 1
    there.add(found.facts[0])
    assert there.record["total"] == 0


def test_another_engines_containers_of_the_same_workspace_are_left_alone() -> None:
    shared = folded(*UP, event("start", 2, "db", engine_id="engine-2", engine_name="desk"))
    assert compare(shared, listing(30, listed("web", "running"))).facts == []
    assert shared.record["running"] == 2


def test_a_second_engine_of_the_same_name_touches_nothing() -> None:
    web = folded(*UP)
    assert compare(web, listing(30, engine_id="an-other-laptop")).facts == []


def test_a_container_known_under_an_old_engine_id_is_taken_over() -> None:
    web = folded(*UP)
    compare(web, listing(30, listed("web", "running"), engine_id="new-id"))
    assert (web.container().engine_id, web.record["total"], web.changes[-1].correction) == ("new-id", 1, False)


def test_a_loop_is_over_by_a_listing_that_shows_it_running_long_enough() -> None:
    web = folded(event("create", 0))
    for second in (1, 3, 5):
        web.add(event("start", second), event("die", second + 1, exit_code=1))
    web.add(event("start", 7))
    assert compare(web, listing(300, listed("web", "running"))).facts == []
    assert len(compare(web, listing(700, listed("web", "running"))).facts) == 1
    assert web.record["condition"] == "ok"
    assert compare(web, listing(1500, listed("web", "running"))).facts == []


def test_the_same_listing_gives_the_same_facts() -> None:
    web = folded(*UP)
    parts = [listing(30, listed("web", "exited"))]
    one = reconcile(parts, [web.record], observation_fact_id)
    assert one == reconcile(parts, [web.record], observation_fact_id)
    assert one.facts[0]["id"] == observation_fact_id(ENGINE, 0, at(30), cid("web"), "listing", WORKSPACE)


NAMES = ["a", "b", "c"]
WAYS: dict[str, tuple[set[str | None], str | None]] = {
    "create": ({None}, "created"),
    "start": ({"created", "exited"}, "running"),
    "die": ({"running", "paused"}, "exited"),
    "pause": ({"running"}, "paused"),
    "unpause": ({"paused"}, "running"),
    "destroy": ({"created", "exited"}, None),
}
OPERATIONS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(WAYS)), st.booleans()), max_size=25)


@given(OPERATIONS, OPERATIONS)
def test_whatever_events_are_missed_one_sync_repairs_it_and_the_next_finds_nothing(
    first: list[tuple[str, str, bool]], second: list[tuple[str, str, bool]]
) -> None:
    truth: dict[str, str | None] = dict.fromkeys(NAMES)
    state = Folded()
    now = 0.0
    number = 0
    for operations in (first, second):
        for name, action, heard in operations:
            before, after = WAYS[action]
            if truth[name] not in before:
                continue
            now, number = now + 1, number + 1
            truth[name] = after
            # An engine never uses an id again: a container created anew is another one. Here the name stands for it.
            if heard:
                state.add(event(action, now, name, exit_code=0))
        now += 3  # right behind an end, a listing is not believed to show a start
        entries = [listed(name, known) for name, known in truth.items() if known is not None]
        compare(state, listing(now, *entries))
        folded_states = {c.name: c.state for c in state.state.containers.values() if c.state != "removed"}
        assert folded_states == {name: known for name, known in truth.items() if known is not None}
        now += 1
        assert compare(state, listing(now, *entries)).facts == []


def test_a_thousand_containers_are_compared_over_all_parts_of_a_listing() -> None:
    states = []
    for number in range(250):
        state = workspace.initial(f"w{number}@laptop")
        for offset, name in enumerate(("web", "db", "cache", "worker")):
            record = event("start", 1, f"{number}-{name}") | {"workspace_id": state.workspace_id}
            state, _ = workspace.fold(state, parse_fact(record), Position(1, 0, offset))
        found = workspace.to_record(state)
        assert found is not None
        states.append(found)
    names = [f"{number}-{name}" for number in range(250) for name in ("web", "db", "cache", "worker")]
    parts = [
        listing(30, *(listed(name, "running", f"w{name.split('-')[0]}@laptop") for name in names[first : first + 200]), part=n, parts=5)
        for n, first in enumerate(range(0, 1000, 200))
    ]
    assert reconcile(parts, states, observation_fact_id) == Reconciled([], 250, 1000, 0, complete=True)
