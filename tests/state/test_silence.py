"""An engine falls silent and is heard again: once an episode, whatever dies meanwhile, and never falsely."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import topics
from streams.core.engine import EngineState, take
from streams.core.invalid import InvalidMessage
from streams.engine_rows import EngineRow
from tests.core_state import makers
from tests.state.desk import ENGINE_KEY, ENGINES, WORKSPACES, Log, entry

Json = dict[str, Any]


def codes(log: Log) -> list[str]:
    """Errors and recoveries of the engine, in order."""
    said = log.events("error", "recovery")
    return [f"-{e['recovery']['resolved_error']}" if e["type"] == "recovery" else e["error"]["code"] for e in said]


def watched() -> Log:
    """An engine with a running container was listed at second 10."""
    log = Log()
    log.clock.s = 10
    log.listing(entry("web", "running"))
    return log


def test_an_engine_without_a_word_for_three_intervals_makes_its_workspaces_stale_and_fresh_when_it_speaks() -> None:
    log = watched()
    log.wait(30)
    assert (log.shop["stale"], log.shop["condition"], log.notices()) == (False, "ok", [])
    log.wait(2)
    assert (log.shop["stale"], log.shop["condition"], log.shop["status"]) == (True, "unknown", "active")
    assert log.shop["silent_engines"] == [makers.ENGINE]
    assert "laptop is silent" in log.shop["reason"]
    [silent] = log.notices("engine_silent")
    assert silent["notice"]["since_ns"] == makers.at(10)
    log.listing(entry("web", "running"))
    assert (log.shop["stale"], log.shop["condition"], log.shop["silent_engines"]) == (False, "ok", [])
    assert codes(log) == ["engine_silent", "-engine_silent"]
    [recovery] = log.events("recovery")
    assert recovery["recovery"]["downtime_ms"] == 32_000


def test_silence_is_told_once_however_long_it_lasts_and_events_stay_numbered() -> None:
    log = watched()
    log.wait(600)
    assert len(log.notices()) == 1
    assert codes(log) == ["engine_silent"]
    log.listing()
    said = [event["seq"] for event in log.of(topics.WORKSPACE_CHANGES) if event["stream"] == "engine"]
    assert said == list(range(1, len(said) + 1))


def test_a_worker_that_starts_beside_a_dead_engine_notices() -> None:
    log = watched()
    log.commit()
    log.restart()
    log.clock.s += 3_600
    log.wait(29)
    assert not log.shop["stale"], "it has only just begun to listen"
    log.wait(3)
    assert log.shop["stale"]


def test_an_engine_that_was_dead_before_anyone_heard_of_it_falls_silent_too() -> None:
    log = Log()
    log.clock.s = 10
    log.fact(makers.event("start", 1))
    log.failed()
    log.wait(32)
    assert log.shop["stale"]
    assert codes(log) == ["engine_unreachable", "engine_silent"]


def test_a_worker_that_stood_still_takes_what_it_missed_for_nobodys_silence() -> None:
    log = watched()
    log.wait(5)
    log.clock.s += 10_000  # a laptop that slept
    log.wait(29)
    assert not log.shop["stale"]


def test_a_silence_that_was_decided_while_a_listing_was_on_its_way_is_none() -> None:
    log = watched()
    log.clock.s += 20
    late = log.snapshot(entry("web", "running"))
    log.silence.heard(0, ENGINE_KEY)
    log.silence._heard_s[0][ENGINE_KEY] -= 100
    log.silence.tick(0)
    [decided] = log.sent
    log.sent.clear()
    log.say(late, decided)
    assert not log.shop["stale"]
    assert codes(log) == []


def test_a_death_between_a_silence_and_its_commit_tells_it_once() -> None:
    log = watched()
    log.commit()
    log.wait(32)
    before = log.of(topics.WORKSPACE_CHANGES), log.notices(), log.told
    log.restart()
    log.run()
    assert (log.of(topics.WORKSPACE_CHANGES), log.notices(), log.told) == before


def test_two_workers_that_decide_the_same_silence_make_one() -> None:
    log = watched()
    log.wait(32)
    log.restart()
    log.run()
    log.wait(40)
    assert codes(log) == ["engine_silent"]
    assert len(log.notices("engine_silent")) == 1


def test_a_workspace_that_is_folded_late_learns_of_the_silence() -> None:
    log = watched()
    log.wait(32)
    log.fact(makers.event("start", 41, "other", container=makers.who("other")) | {"workspace_id": "late@laptop"})
    assert not log.view.get("late@laptop")["stale"]  # type: ignore[index]
    log.wait(62)
    assert log.view.get("late@laptop")["stale"]  # type: ignore[index]
    assert codes(log) == ["engine_silent"]


def test_a_workspace_that_missed_the_end_of_a_silence_learns_it_by_the_next_listing() -> None:
    log = watched()
    log.wait(32)
    hidden = log.view
    log.reconcile._view = type(hidden)()  # a view of another worker that lags
    log.listing(entry("web", "running"))
    assert log.shop["stale"]
    log.reconcile._view = hidden
    log.clock.s += 1
    log.listing(entry("web", "running"))
    assert not log.shop["stale"]


def test_a_failing_engine_is_an_error_then_silent_then_one_recovery_from_the_first_failure_on() -> None:
    log = watched()
    for _ in range(3):
        log.wait(10)
        log.failed(retry_count=3)
    assert log.shop["sync_attempts"] == 3
    log.wait(5)
    assert codes(log) == ["engine_unreachable", "engine_silent"]
    [unreachable, silent] = log.events("error")
    assert (unreachable["error"]["retry_count"], silent["error"]["retry_count"]) == (3, 3)
    assert unreachable["error"]["context"]["engine"] == "laptop"
    log.wait(5)
    log.listing(entry("web", "running"))
    assert codes(log)[2:] == ["-engine_silent"]
    assert (log.shop["sync_attempts"], log.shop["stale"]) == (0, False)


def test_who_asks_for_a_sync_that_fails_is_told_each_time_and_the_episode_stays_one() -> None:
    log = watched()
    log.failed(request_id="r1")
    log.clock.s += 1
    log.failed()
    log.clock.s += 1
    log.failed(request_id="r2", code="engine_unreachable")
    told = [(event["error"]["code"], event["error"]["context"]["request_id"]) for event in log.events("error")]
    assert told == [("engine_unreachable", "r1"), ("refused", "r2")]
    log.clock.s += 1
    log.listing(entry("web", "running"))
    assert codes(log) == ["engine_unreachable", "refused", "-engine_unreachable"]


def test_an_engine_whose_listings_fail_while_its_events_come_is_not_silent() -> None:
    log = watched()
    for _ in range(12):
        log.wait(10)
        log.failed(answered=True, code="sync_failed")
    assert (log.shop["stale"], log.shop["sync_attempts"]) == (False, 3)
    log.listing(entry("web", "running"))
    assert codes(log) == ["sync_failed", "-sync_failed"]
    assert log.shop["sync_attempts"] == 0


def test_a_failure_that_was_published_twice_counts_once() -> None:
    log = watched()
    log.clock.s += 10
    log.failed()
    log.failed()
    assert log.shop["sync_attempts"] == 1


def test_a_stretch_nobody_watched_is_a_gap_before_what_a_listing_found_after_it() -> None:
    log = watched()
    log.clock.s = 100
    log.listing(entry("web", "exited"), watched_since_ns=makers.at(95))
    [gap] = log.notices("gap")
    assert (gap["notice"]["since_ns"], gap["time_ns"], gap["notice"]["value"]) == (makers.at(10), makers.at(95), 85_000)
    kinds = [fact["kind"] for fact in log.of(topics.DOCKER_EVENTS)]
    assert kinds[-2:] == ["notice", "observation"]
    assert log.shop["status"] == "inactive"
    changed = [event for event in log.of(topics.WORKSPACE_CHANGES) if event["type"] == "status_changed"][-1]
    assert changed["correction"]
    assert changed["detection_lag_ms"] is not None
    assert "nobody watched for 85 s" in log.events("sync_complete")[-1]["message"]


def test_a_gap_across_which_the_engines_clock_ran_back_is_one_in_the_new_clock() -> None:
    # listing@100 of the old clock   nobody   listing@105 by the producer's clock, @40 by the engine's new one, watched since 38
    log = watched()
    log.clock.s = 100
    log.listing(entry("web", "running"))
    log.clock.s = 105
    log.listing(entry("web", "exited"), generation=1, listed_at_ns=makers.at(40), watched_since_ns=makers.at(38))
    [gap] = log.notices("gap")
    assert (gap["generation"], gap["notice"]["since_ns"], gap["time_ns"]) == (1, makers.at(35), makers.at(38))
    assert [event["type"] for event in log.events("alert_raised")] == ["alert_raised"]
    log.clock.s = 110
    # The producer's clock is the same one: how long it was nobody knows, that it was is told.
    log.listing(
        entry("web", "exited"), generation=2, listed_at_ns=makers.at(20), watched_since_ns=makers.at(19), recorded_at_ns=makers.at(20)
    )
    gap = log.notices("gap")[-1]
    assert gap["notice"]["since_ns"] < gap["time_ns"] == makers.at(19)
    log.clock.s = 120
    # And what comes after is compared with what the new clock said.
    log.listing(
        entry("web", "exited"), generation=2, listed_at_ns=makers.at(30), watched_since_ns=makers.at(29), recorded_at_ns=makers.at(30)
    )
    gap = log.notices("gap")[-1]
    assert (gap["notice"]["since_ns"], gap["time_ns"]) == (makers.at(20), makers.at(29))


def test_a_clock_that_runs_back_while_it_is_watched_makes_no_gap() -> None:
    log = watched()
    log.clock.s = 20
    log.listing(entry("web", "running"), generation=1, listed_at_ns=makers.at(5))
    assert log.notices("gap") == []


def test_what_was_watched_without_a_break_has_no_gap() -> None:
    log = watched()
    for second in (20, 30, 40):
        log.clock.s = second
        log.listing(entry("web", "running"))
    assert log.notices() == []


def test_a_second_producer_is_an_error_an_hour_and_changes_nothing_else() -> None:
    log = watched()
    for _ in range(3):
        log.clock.s += 20
        log.say(log.snapshot(outcome="refused", parts=2, error="two live engines are called laptop", error_code="duplicate_engine_name"))
        log.listing(entry("web", "running"))
    assert codes(log) == ["duplicate_engine_name"]
    log.clock.s += 4_000
    log.say(log.snapshot(outcome="refused", parts=2, error="two live engines are called laptop", error_code="duplicate_engine_name"))
    assert codes(log) == ["duplicate_engine_name"] * 2


def test_a_record_of_an_absurd_time_is_refused() -> None:
    log = watched()
    record = {"outcome": "failed", "recorded_at_ns": 5, "listed_at_ns": 5}
    with pytest.raises(InvalidMessage):
        take(EngineState(), record)
    log.failed(recorded_at_ns=5)
    assert [letter["code"] for letter in log.of(topics.DEAD_LETTERS)] == ["bad_time"]


def test_an_engine_row_of_an_earlier_program_reads_with_defaults_and_back() -> None:
    old = b'{"v":1,"seq":4,"epoch":3,"offset":9,"listing":"s","whole":true,"parts":[]}\n'
    row = EngineRow.from_bytes(old)
    assert (row.seq, row.health) == (4, EngineState())
    row.health.attempts = 2
    assert EngineRow.from_bytes(row.to_bytes()) == row


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 45)),
        st.tuples(st.just("listing"), st.sampled_from(["running", "exited", "paused", "removed"])),
        st.tuples(st.just("failed"), st.booleans()),
        st.tuples(st.just("gap"), st.just(0)),
        st.tuples(st.just("commit"), st.sampled_from([(), (ENGINES,), (WORKSPACES,)])),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=14,
)


@given(STEPS)
# The states are durable, the engine's row is not: folded again, the listing finds what it repaired the first time.
@example(
    [("gap", 0), ("listing", "exited"), ("commit", (WORKSPACES,)), ("restart", 0), ("listing", "exited"), ("commit", ()), ("restart", 0)]
)
@example([("gap", 0), ("listing", "removed"), ("commit", (WORKSPACES,)), ("restart", 0), ("listing", "removed"), ("wait", 1)])
def test_any_history_of_an_engine_tells_the_same_once_whatever_dies_when(steps: list[tuple[str, Any]]) -> None:
    dying, calm = play(steps), Log()
    calm.clock.s = 100_000
    said = [record for record in dying.written if record.topic.endswith("docker.snapshots")]
    for record in said:  # a replay of the inputs by a worker that nothing happens to
        calm.say(record)
    told, told_anew = (
        [
            (event["seq"], event["type"], event["message"])
            for event in log.events("error", "recovery", "alert_raised", "alert_resolved", "sync_start", "sync_complete")
        ]
        for log in (dying, calm)
    )
    assert [seq for seq, _, _ in told] == list(range(1, len(told) + 1))
    assert told == told_anew
    open_errors = [code for code in codes(dying) if not code.startswith("-")]
    closed = [code for code in codes(dying) if code.startswith("-")]
    assert len(closed) <= len(open_errors)
    dying.clock.s += 1
    dying.listing(entry("web", "running"))
    assert not dying.shop["stale"]
    assert dying.shop["sync_attempts"] == 0


def play(steps: list[tuple[str, Any]]) -> Log:
    """Plays a history with deaths."""
    log = watched()
    watched_since = 0.0
    for what, value in steps:
        log.clock.s += 0.25
        if what == "wait":
            log.wait(value)
        elif what == "gap":
            watched_since = log.clock.s
        elif what == "listing":
            listed = [] if value == "removed" else [entry("web", value)]
            log.listing(*listed, watched_since_ns=makers.at(watched_since))
        elif what == "failed":
            log.failed(answered=value)
        elif what == "commit":
            log.commit(*value)
        else:
            log.restart()
            log.run()
    return log
