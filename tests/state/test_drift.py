"""What was missed: found by the next listing, marked as a correction within its gap, and nothing invented."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from tests.core_state import makers
from tests.state.desk import Log, entry

Json = dict[str, Any]
STATES = ["created", "running", "paused", "restarting", "exited", "dead"]


def changes(log: Log, kind: str) -> list[Json]:
    """Events of a type on stream state."""
    return [event for event in log.of(topics.WORKSPACE_CHANGES) if event["stream"] == "state" and event["type"] == kind]


def unwatched(log: Log, *entries: Json, until: float) -> None:
    """Nobody watches until then; the listing of that moment is the first thing known."""
    log.clock.s = until
    log.listing(*entries, watched_since_ns=makers.at(until))


def test_a_whole_workspace_that_vanished_unwatched_is_found_with_its_gap_and_lag() -> None:
    log = Log()
    log.clock.s = 10
    log.listing(entry("web", "running"), entry("db", "running"))
    unwatched(log, until=70)
    assert (log.shop["status"], log.shop["total"]) == ("inactive", 0)
    found = [event for event in changes(log, "container_update") if event["container_update"]["new_state"] == "removed"]
    assert [(event["correction"], event["detection_lag_ms"]) for event in found] == [(True, 60_000)] * 2
    [gap] = log.notices("gap")
    assert (gap["notice"]["since_ns"], gap["time_ns"]) == (makers.at(10), makers.at(70))


def test_what_was_created_and_destroyed_unwatched_leaves_a_gap_and_no_invention() -> None:
    log = Log()
    log.clock.s = 10
    log.listing(entry("web", "running"))
    before = log.shop
    unwatched(log, entry("web", "running"), until=70)
    assert len(log.notices("gap")) == 1
    assert log.shop["containers"] == before["containers"]
    assert log.events("sync_complete")[-1]["sync"]["corrections"] == 0


def test_a_crash_that_repeats_says_how_often_and_a_loop_is_over_when_it_runs_on() -> None:
    log = Log()
    log.fact(makers.event("create", 0))
    for number in range(4):
        log.fact(makers.event("start", 10 * number + 1))
        log.fact(makers.event("die", 10 * number + 3, exit_code=3))
    [container] = log.shop["containers"]
    assert container["exit_reason"] == "exit code 3 after 2 s, 4th time"
    log.fact(makers.event("start", 50))
    log.clock.s = 50 + 700
    log.listing(entry("web", "running"))
    assert log.shop["condition"] == "ok"
    codes = [event["error"]["code"] for event in changes(log, "error")]
    resolved = [event["recovery"]["resolved_error"] for event in changes(log, "recovery")]
    assert (codes[-1], resolved[-1]) == ("crash_loop", "crash_loop")


LISTED = st.dictionaries(st.sampled_from(["web", "db", "job"]), st.sampled_from(STATES))


@given(LISTED, LISTED)
def test_whatever_happened_unwatched_one_listing_repairs_it_and_the_next_says_nothing(
    before: dict[str, str], after: dict[str, str]
) -> None:
    log = Log()
    log.clock.s = 10
    log.listing(*(entry(name, state) for name, state in before.items()))
    unwatched(log, *(entry(name, state) for name, state in after.items()), until=70)
    if before or after:
        shown = {container["name"]: container["state"] for container in log.shop["containers"]}
        assert shown == after
        assert log.shop["running"] == list(after.values()).count("running")
    facts = len(log.of(topics.DOCKER_EVENTS))
    log.clock.s = 100
    log.listing(*(entry(name, state) for name, state in after.items()), watched_since_ns=makers.at(70))
    assert len(log.of(topics.DOCKER_EVENTS)) == facts
    assert len(log.notices("gap")) == (1 if before else 0)
