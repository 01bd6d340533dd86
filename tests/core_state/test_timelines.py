"""Golden timelines: what an engine really says in a row, and what the fold tells of it.

Drawn as `action@second`; `·` is nothing told.
"""

from __future__ import annotations

import pytest

from streams.core.changes import Recovery, StatusChanged
from tests.core_state.makers import ENGINE, Folded, Record, at, cid, command, event, folded, inspected, notice, seen, who

UP = [event("create", 0), event("start", 1)]


def test_start_and_a_clean_end() -> None:
    # create@0   start@1   die(0)@5
    # created    running   exited
    # inactive   active    inactive
    workspace = folded(*UP, event("die", 5, exit_code=0))
    assert workspace.told() == ["web created", "shop inactive", "web running", "shop active", "web exited", "shop inactive"]
    assert workspace.container().exit_reason == "finished after 4 s"
    assert workspace.record["condition"] == "ok"
    first = workspace.changes[1].detail
    assert isinstance(first, StatusChanged)
    assert first.old_status == "unknown"


def test_docker_rm_force() -> None:
    # kill(9)@5  die(137)@5.1  destroy@5.2
    # ·          exited        removed
    workspace = folded(*UP)
    changes = workspace.add(event("kill", 5, signal=9), event("die", 5.1, exit_code=137), event("destroy", 5.2))
    assert workspace.told()[4:] == ["web exited", "shop inactive", "web removed"]
    assert changes[0].detail._asdict()["exit_code"] == 137
    assert workspace.container().exit_reason == "stopped on request, exit code 137 after 4 s"
    assert workspace.state.error_count == 0
    record = workspace.record
    assert (record["total"], record["containers"], record["container_id"], record["container_state"]) == (0, [], None, None)


def test_a_removed_container_stands_in_no_state_record_while_the_fold_remembers_it() -> None:
    workspace = folded(*UP, event("create", 2, "job"), event("destroy", 3, "web"))
    assert [container["name"] for container in workspace.record["containers"]] == ["job"]
    assert (workspace.record["total"], workspace.record["container_id"]) == (1, cid("job"))
    assert workspace.add(event("exec_start", 2.5, "web"), seen("running", 2.5, "web")) == [], "nothing late brings it back"


def test_docker_restart_says_stop_before_die_and_restart_last() -> None:
    # kill(15)@5  stop@5.1  die(143)@5.2  start@5.3  restart@5.4
    # ·           ·         exited        running    ·
    workspace = folded(*UP)
    workspace.add(event("kill", 5, signal=15), event("stop", 5.1), event("die", 5.2, exit_code=143), event("start", 5.3))
    assert workspace.add(event("restart", 5.4)) == []
    assert workspace.told()[4:] == ["web exited", "shop inactive", "web running", "shop active"]
    assert workspace.container().stop_requested is False


def test_stop_lets_it_end_while_kill_with_another_signal_asks_for_nothing() -> None:
    # kill(15)@5 die(1)@6: asked for.   kill(1)@5 die(1)@6: an incident
    stopped = folded(*UP, event("kill", 5, signal=15), event("die", 6, exit_code=1))
    assert stopped.container().exit_reason == "stopped on request, exit code 1 after 5 s"
    assert stopped.record["condition"] == "ok"
    hung_up = folded(*UP, event("kill", 5, signal=1), event("die", 6, exit_code=1))
    assert hung_up.container().exit_reason == "exit code 1 after 5 s"
    assert hung_up.record["condition"] == "failing"


@pytest.mark.parametrize(("code", "signal"), [(137, "SIGKILL"), (143, "SIGTERM")])
def test_a_kill_that_docker_did_not_do_is_an_incident(code: int, signal: str) -> None:
    workspace = folded(*UP, event("die", 61, exit_code=code))
    assert workspace.container().exit_reason == f"killed from outside Docker ({signal}) after 60 s"
    assert workspace.told()[-2:] == ["error unexpected_exit", "shop inactive"]


def test_out_of_memory_ends_the_container() -> None:
    # oom@4      die(137)@4.1   start@6
    # error oom  exited         running, recovery after 2 s (of the OOM, one episode)
    workspace = folded(*UP, event("oom", 4), event("die", 4.1, exit_code=137))
    assert workspace.told()[4:] == ["error oom", "web exited", "shop inactive"]
    assert workspace.container().exit_reason == "out of memory after 3 s"
    workspace.add(event("start", 6))
    recovery = next(change.detail for change in workspace.changes if change.type == "recovery")
    assert recovery == Recovery("oom", "started again", at(6), 2000)
    assert workspace.record["condition"] == "ok"


def test_an_oom_survived_is_over_when_nothing_more_happens_for_ten_minutes() -> None:
    workspace = folded(*UP, event("oom", 4))
    assert workspace.record["condition"] == "failing"
    workspace.add(event("exec_start", 300))
    assert workspace.record["condition"] == "failing"
    workspace.add(event("exec_start", 605))
    assert workspace.record["condition"] == "ok"
    assert workspace.told()[-1] == "recovery oom"


def test_another_engines_clock_ends_nothing_by_time() -> None:
    workspace = folded(*UP, event("start", 1, "db", engine_id="engine-2", engine_name="desk"), event("oom", 4))
    workspace.add(event("exec_start", 90_000, "db", engine_id="engine-2", engine_name="desk"))
    assert workspace.record["condition"] == "failing"


def test_an_oom_that_only_the_inspect_knows_changes_the_reason_of_the_end() -> None:
    # die(137)@4 → killed from outside;  inspect: OOMKilled → out of memory
    workspace = folded(*UP, event("die", 4, exit_code=137))
    details = inspected(4, started_at_ns=at(0.9), finished_at_ns=at(3.9), exit_code=137, oom_killed=True)
    changes = workspace.add(details)
    assert [change.type for change in changes] == ["error", "alert_raised"]
    assert (changes[0].detail._asdict()["code"], changes[1].detail._asdict()["rule"]) == ("oom", "oom")
    assert workspace.container().exit_reason == "out of memory after 3 s"
    assert workspace.container().crashes == 1, "the same end is not counted again"
    assert workspace.add(inspected(4, started_at_ns=at(0.9), finished_at_ns=at(3.9), exit_code=137, oom_killed=True)) == []


def test_an_oom_told_after_the_die_it_explains_changes_the_reason_of_the_end() -> None:
    # die(137)@4: killed from outside   oom@4.01: out of memory
    workspace = folded(*UP, event("die", 4, exit_code=137), event("oom", 4.01))
    assert workspace.container().exit_reason == "out of memory after 3 s"
    assert workspace.told()[-1] == "error oom"
    assert workspace.container().crashes == 1


def test_a_stop_between_two_runs_ends_the_restarting() -> None:
    # restart policy always:   die(1)@3      stop@4 (there is no process, so no die)
    #                          restarting    exited, recovery
    workspace = folded(event("create", 0), inspected(0, restart_policy="always"), event("start", 1), event("die", 3, exit_code=1))
    assert workspace.container().state == "restarting"
    workspace.add(event("kill", 4, signal=15), event("stop", 4))
    assert workspace.told()[-2:] == ["web exited", "recovery unexpected_exit"]


def test_a_crash_loop_is_one_error_and_ends_when_it_runs_on() -> None:
    # die(3)@3  start@4  die@6  start@8  die@10   start@14  die@16  start@20  …  exec@620
    # error     recovery error  recovery LOOP     ·         ·       ·            recovery
    workspace = folded(event("create", 0), inspected(0, restart_policy="always"), event("start", 1), event("die", 3, exit_code=3))
    workspace.add(event("start", 4), event("die", 6, exit_code=3), event("start", 8), event("die", 10, exit_code=3))
    workspace.add(event("start", 14), event("die", 16, exit_code=3))
    assert workspace.container().exit_reason == "exit code 3 after 2 s, 4th time"
    assert workspace.container().state == "restarting"
    problems = [told for told in workspace.told() if told.startswith(("error", "recovery"))]
    assert problems == ["error unexpected_exit", "recovery unexpected_exit"] * 2 + ["error crash_loop"]
    workspace.add(event("start", 20), event("exec_start", 600))
    assert workspace.record["condition"] == "failing"
    assert workspace.record["reason"] == "web is in a crash loop, up again after 4 unexpected exits in a row"
    workspace.add(event("exec_start", 620))
    assert workspace.record["condition"] == "ok"
    assert workspace.changes[-2].detail == Recovery("crash_loop", "ran on for 10 min", at(620), 610_000)


def test_crashes_far_apart_are_no_loop() -> None:
    workspace = folded(event("create", 0))
    for round_ in range(5):
        workspace.add(event("start", 1000 * round_ + 1), event("die", 1000 * round_ + 3, exit_code=1))
    assert workspace.container().crashes == 1
    assert "error crash_loop" not in workspace.told()


def test_a_loop_that_somebody_stops_is_over() -> None:
    workspace = folded(event("create", 0))
    for second in (1, 3, 5):
        workspace.add(event("start", second), event("die", second + 1, exit_code=1))
    workspace.add(event("start", 7), event("kill", 8, signal=15), event("die", 9, exit_code=143))
    assert workspace.told()[-2:] == ["recovery crash_loop", "shop inactive"]
    assert workspace.container().crashes == 0


def test_unhealthy_and_healthy_again() -> None:
    # health starting   unhealthy@30        healthy@50
    #                   failing, error      ok, recovery after 20 s
    workspace = folded(event("create", 0), inspected(0, has_healthcheck=True), event("start", 1))
    workspace.add(event("health_status", 30, health="unhealthy"))
    assert workspace.record["condition"] == "failing"
    assert workspace.record["reason"] == "web is unhealthy"
    workspace.add(event("health_status", 50, health="healthy"))
    expected = ["web running starting", "shop active", "web running unhealthy", "error unhealthy", "web running healthy"]
    assert workspace.told()[2:] == [*expected, "recovery unhealthy"]
    assert workspace.changes[-2].detail == Recovery("unhealthy", "healthy again", at(50), 20_000)


def test_a_paused_container_does_not_run() -> None:
    # pause@2: inactive   unpause@3: active   die while paused ends it
    workspace = folded(*UP, event("pause", 2))
    assert (workspace.record["status"], workspace.record["running"], workspace.record["total"]) == ("inactive", 0, 1)
    workspace.add(event("unpause", 3))
    assert workspace.told()[4:] == ["web paused", "shop inactive", "web running", "shop active"]


def test_a_rename_within_a_group_changes_the_name_alone() -> None:
    workspace = folded(*UP)
    assert workspace.add(event("rename", 2, container=who("web") | {"name": "shop-web-1"}, old_name="/web")) == []
    assert workspace.container().name == "shop-web-1"


def test_the_rename_of_an_ephemeral_container_is_a_leave_and_a_join() -> None:
    # under old@laptop: rename@5 → removed.   under new@laptop: rename@5 → ·, inspect@5 → running
    single = who("old", grouped_by="ephemeral", service=None)
    ids: Record = {"workspace_id": "old@laptop", "workspace_name": "old"}
    old = folded(event("create", 0, container=single, **ids), event("start", 1, container=single, **ids))
    assert old.record["ephemeral"]
    renamed = single | {"name": "new"}
    old.add(event("rename", 5, container=renamed, old_name="old", **ids))
    assert old.container("old").state == "removed"
    assert old.container("old").exit_reason == "renamed to new"
    assert (old.record["status"], old.record["total"]) == ("inactive", 0)
    assert old.record["reason"] == "old was renamed to new"

    # What the producer says besides: it left there and joined here in that state, as observations of no sync.
    there = folded(event("create", 0, container=single), event("start", 1, container=single))
    there.add(seen(None, 5, container=single, present=False, sync_id=""))
    assert there.container("old").exit_reason == "renamed"
    assert not any(change.correction for change in there.changes)
    assert there.record["reason"] == "old was renamed"
    there = folded(event("create", 0, container=single), event("start", 1, container=single))
    assert there.add(seen(None, 5, container=renamed, present=False, sync_id=""))[0].message == "old was renamed to new"
    assert there.record["reason"] == "old was renamed to new"

    ids = {"workspace_id": "new@laptop", "workspace_name": "new"}
    new = folded(seen("running", 5, container=renamed, sync_id="", **ids), event("rename", 5, container=renamed, old_name="old", **ids))
    new.add(seen(None, 5, container=renamed, source="inspect", inspect={"started_at_ns": at(1)}, **ids))
    assert (new.record["status"], new.container("old").started_at_ns) == ("active", at(1))
    assert new.told() == ["new running", "shop active"]
    assert new.tally == {"applied": 3}


def test_a_join_whose_state_nobody_said_is_told_by_the_runs_of_the_inspect() -> None:
    # under new@laptop: rename@5 → ·, inspect@5 → running
    renamed = who("old", grouped_by="ephemeral", service=None) | {"name": "new"}
    ids: Record = {"workspace_id": "new@laptop", "workspace_name": "new"}
    new = folded(event("rename", 5, container=renamed, old_name="old", **ids))
    assert new.tally == {"unplaced": 1}
    new.add(seen(None, 5, container=renamed, source="inspect", inspect={"started_at_ns": at(1)}, **ids))
    assert (new.record["status"], new.container("old").started_at_ns) == ("active", at(1))


def test_an_exited_container_that_joins_by_a_rename_brings_no_incident() -> None:
    renamed = who("old", grouped_by="ephemeral", service=None) | {"name": "new"}
    new = folded(seen("exited", 5, container=renamed, sync_id=""))
    details: Record = {"started_at_ns": at(-9), "finished_at_ns": at(-3), "exit_code": 1}
    new.add(seen(None, 5, container=renamed, source="inspect", inspect=details))
    assert new.record["condition"] == "ok"
    assert (new.container("old").exit_code, new.container("old").exit_reason) == (1, "exit code 1 after 6 s")


def test_a_container_renamed_back_joins_again() -> None:
    single = who("old", grouped_by="ephemeral", service=None)
    ids: Record = {"workspace_id": "old@laptop", "workspace_name": "old"}
    old = folded(event("create", 0, container=single, **ids), event("start", 1, container=single, **ids))
    old.add(event("rename", 5, container=single | {"name": "new"}, old_name="old", **ids))
    old.add(seen("running", 9, container=single, sync_id="", **ids), event("rename", 9, container=single, old_name="new", **ids))
    assert old.container("old").state == "running"
    assert old.record["status"] == "active"


def test_a_missed_end_is_found_by_the_sync_and_marked_as_a_correction() -> None:
    # start@1   (die missed)   listing@30: exited(2) since 20
    workspace = folded(*UP)
    changes = workspace.add(seen("exited", 30, inspect={"started_at_ns": at(0.9), "finished_at_ns": at(20), "exit_code": 2}))
    assert [(change.type, change.correction, change.detection_lag_ms) for change in changes] == [
        ("container_update", True, 10_000),
        ("error", True, 10_000),
        ("alert_raised", True, 10_000),
        ("status_changed", True, 10_000),
    ]
    web = workspace.container()
    assert (web.exit_code, web.finished_at_ns, web.exit_reason) == (2, at(20), "exit code 2 after 19 s")


def test_an_end_found_by_the_sync_that_may_have_been_a_stop_is_no_incident() -> None:
    workspace = folded(*UP, seen("exited", 30, inspect={"started_at_ns": at(0.9), "finished_at_ns": at(20), "exit_code": 137}))
    assert workspace.container().exit_reason == "exit code 137 (SIGKILL) after 19 s, unwatched"
    assert workspace.record["condition"] == "ok"


def test_history_before_anyone_watched_is_no_incident() -> None:
    workspace = folded(
        seen("exited", 30, inspect={"started_at_ns": at(-900), "finished_at_ns": at(-800), "exit_code": 1, "oom_killed": True})
    )
    assert workspace.told() == ["web exited", "shop inactive"]
    assert workspace.changes[0].correction is False
    assert workspace.record["condition"] == "ok"
    assert workspace.container().exit_reason == "out of memory after 100 s"


def test_a_container_created_while_its_engine_was_watched_is_a_correction() -> None:
    workspace = folded(*UP)
    changes = workspace.add(seen("running", 30, "db", inspect={"created_at_ns": at(10), "started_at_ns": at(11)}))
    assert [(change.correction, change.detection_lag_ms) for change in changes] == [(True, 20_000)]


def test_what_is_found_without_its_time_happened_after_the_last_word_of_it() -> None:
    workspace = folded(*UP)
    assert {change.detection_lag_ms for change in workspace.add(seen("paused", 30))} == {29_000}


def test_a_container_renamed_away_and_back_is_removed_like_any_other() -> None:
    single = who("old", grouped_by="ephemeral", service=None)
    old = folded(event("create", 0, container=single), seen(None, 5, container=single | {"name": "new"}, present=False, sync_id=""))
    old.add(seen("created", 9, container=single, sync_id=""))
    assert old.add(event("destroy", 12, container=single))[0].message == "old was removed"


FOUND: Record = {"started_at_ns": at(-300), "has_healthcheck": True, "restart_policy": "always", "health": "unhealthy"}
"""An inspect of a container that ran long before anyone watched."""


@pytest.mark.parametrize(
    "told", [{"action": "exec_die"}, {"action": "kill", "signal": 1}, {"action": "top"}], ids=lambda told: told["action"]
)
@pytest.mark.parametrize(
    "look",
    [
        pytest.param(seen("running", 1, health="unhealthy", inspect=FOUND), id="listing"),
        pytest.param(seen(None, 1, health="unhealthy", inspect=FOUND), id="unsettled"),
        pytest.param(inspected(1, **FOUND), id="inspect"),
    ],
)
def test_a_listing_just_before_the_event_that_implied_a_container_is_not_lost(told: Record, look: Record) -> None:
    # listed@1    exec_die@1.07 is folded first: its exec began before the engine was watched
    # unhealthy   running
    workspace = folded(event(seconds=1.07, **told))
    assert (workspace.container().started_at_ns, workspace.container().run_ns) == (0, 0), "an event in the middle tells no start"
    assert [change.type for change in workspace.add(look)] == ["container_update", "error", "alert_raised"]
    web = workspace.container()
    assert (web.state, web.health, web.started_at_ns, web.restart_policy) == ("running", "unhealthy", at(-300), "always")
    assert (workspace.record["status"], workspace.record["condition"]) == ("active", "failing")
    assert not any(change.correction for change in workspace.changes)
    assert (workspace.add(look), web.time_ns) == ([], at(1.07)), "and its events are in their order as before"


def test_what_an_event_told_of_an_implied_container_stands_against_an_older_listing() -> None:
    workspace = folded(event("health_status", 1.07, health="healthy"))
    assert workspace.add(seen("running", 1, health="unhealthy", inspect=FOUND)) == []
    assert (workspace.container().health, workspace.container().started_at_ns) == ("healthy", at(-300))
    stopped = folded(event("kill", 1.07, signal=15), seen("running", 1, inspect=FOUND), event("die", 2, exit_code=1))
    assert stopped.container().exit_reason == "stopped on request, exit code 1 after 5 min"


def test_an_older_listing_adds_nothing_where_a_later_start_or_end_was_told() -> None:
    for later in (event("start", 1.07), event("die", 1.07, exit_code=0)):
        workspace = folded(later)
        assert workspace.add(seen("running", 1, health="unhealthy", inspect=FOUND)) == []
        assert workspace.tally == {"applied": 1, "late": 1}


def test_a_container_only_an_unsettled_entry_shows_has_its_health() -> None:
    workspace = folded(seen(None, 1, inspect=FOUND))
    assert (workspace.container().health, workspace.record["condition"]) == ("unhealthy", "failing")


def test_a_vanished_container_is_removed() -> None:
    workspace = folded(*UP)
    changes = workspace.add(seen(None, 30, present=False))
    assert workspace.told()[4:] == ["web removed", "shop inactive"]
    assert all(change.correction for change in changes)
    assert workspace.record["reason"] == "web, its last container, was removed"


def test_another_engine_that_does_not_have_the_container_says_nothing() -> None:
    workspace = folded(*UP)
    assert workspace.add(seen(None, 30, present=False, engine_id="other", engine_name="desk")) == []
    assert workspace.container().state == "running"


def test_a_restart_nobody_saw_begins_a_new_run() -> None:
    workspace = folded(*UP, event("oom", 2))
    workspace.add(seen("running", 60, inspect={"started_at_ns": at(50), "finished_at_ns": at(49), "restart_count": 1}))
    web = workspace.container()
    assert (web.started_at_ns, web.restart_count, web.oom_killed) == (at(50), 1, False)
    assert workspace.record["condition"] == "ok"


def test_an_inspect_ahead_of_the_events_changes_no_state_and_tells_nothing_of_a_later_run() -> None:
    # start@1, inspect: it has exited(5) by now and its die is on its way
    workspace = folded(*UP)
    details: Record = {"started_at_ns": at(0.9), "finished_at_ns": at(1.4), "exit_code": 5, "memory_limit_bytes": 1, "restart_policy": "no"}
    assert workspace.add(inspected(1, **details)) == []
    web = workspace.container()
    assert (web.state, web.exit_code, web.finished_at_ns) == ("running", None, 0)
    # die@1.5, inspect made after it, but it was started again by then
    workspace.add(event("die", 1.5, exit_code=5), inspected(1.5, started_at_ns=at(1.8), exit_code=0, restart_count=1))
    web = workspace.container()
    assert (web.state, web.exit_code, web.started_at_ns, web.restart_count) == ("exited", 5, at(1), 1)


def test_an_inspect_of_a_run_that_is_over_says_nothing_of_the_next() -> None:
    workspace = folded(*UP, event("die", 2, exit_code=1), event("start", 3))
    workspace.add(inspected(2, started_at_ns=at(0.9), finished_at_ns=at(2), exit_code=1, oom_killed=True, error="no", long_running=True))
    web = workspace.container()
    assert (web.oom_killed, web.error, web.started_at_ns, web.long_running) == (False, None, at(3), True)


def test_an_inspect_made_while_it_ran_says_nothing_of_its_end() -> None:
    # inspect@1 (running, exit code 0 as engines say then) is folded after die(3)@5
    workspace = folded(*UP, event("die", 5, exit_code=3), inspected(1, started_at_ns=at(0.9), exit_code=0, restart_count=2))
    web = workspace.container()
    assert (web.exit_code, web.exit_reason, web.restart_count) == (3, "exit code 3 after 4 s", 2)


def test_older_details_do_not_replace_newer_ones() -> None:
    workspace = folded(*UP, event("update", 9), inspected(9, started_at_ns=at(0.9), restart_policy="always"))
    workspace.add(inspected(1, started_at_ns=at(0.9), restart_policy="no"))
    assert workspace.container().restart_policy == "always"
    assert workspace.tally["late"] == 1


def test_details_may_come_after_later_signs_of_activity() -> None:
    workspace = folded(*UP, event("exec_start", 2))
    workspace.add(inspected(1, started_at_ns=at(0.9), restart_policy="always"))
    assert workspace.container().restart_policy == "always"


def test_a_clock_that_jumps_back_an_hour_is_ordered_by_its_generation() -> None:
    workspace = folded(*UP)
    assert workspace.add(event("die", -3600, exit_code=0)) == []
    assert workspace.tally["late"] == 1
    workspace.add(event("die", -3600, exit_code=0, generation=1))
    assert workspace.container().state == "exited"
    assert workspace.add(event("start", 7200)) == [], "the clock's old generation is over"


def test_events_of_one_instant_are_folded_in_the_order_of_the_log() -> None:
    workspace = folded(event("create", 0), event("start", 0), event("die", 0, exit_code=0))
    assert workspace.told()[-1] == "shop inactive"
    assert workspace.add(event("start", 0)) == []
    assert workspace.tally == {"applied": 3, "repeated": 1}


def test_a_silent_engine_makes_its_workspace_stale_and_never_anything_else() -> None:
    workspace = folded(*UP, notice("engine_silent", 100))
    record = workspace.record
    assert (record["stale"], record["condition"], record["status"], record["running"]) == (True, "unknown", "active", 1)
    assert record["reason"] == "laptop is silent; last known: web runs"
    workspace.add(notice("engine_back", 130))
    assert (workspace.record["stale"], workspace.record["condition"]) == (False, "ok")


def test_one_workspace_on_two_engines_is_stale_when_one_is_silent() -> None:
    two = event("start", 1, "db", engine_id="engine-2", engine_name="desk")
    workspace = folded(*UP, two)
    assert {entry["engine"] for entry in workspace.record["containers"]} == {"laptop", "desk"}
    workspace.add(notice("engine_silent", 100, engine_id="engine-2"))
    assert workspace.record["stale"]
    workspace.add(notice("engine_silent", 101, engine_id="nobody"), notice("engine_back", 102, engine_id="engine-2"))
    assert not workspace.record["stale"]


def test_a_container_whose_engine_got_another_id_is_still_the_same() -> None:
    workspace = folded(*UP, seen("running", 30, engine_id="new-id", engine_name="laptop"))
    assert workspace.record["total"] == 1
    assert workspace.container().engine_id == "new-id"
    workspace.add(notice("engine_silent", 40, engine_id=ENGINE))
    assert not workspace.record["stale"]


def test_what_a_container_did_on_its_engine_before_does_not_bring_it_back_when_forgotten() -> None:
    workspace = folded(event("create", 0, engine_id="engine-2", engine_name="desk"), event("start", 26), seen(None, 33, present=False))
    workspace.add(command("forget", 700))
    assert workspace.add(event("create", 0, engine_id="engine-2", engine_name="desk")) == []


def _service(name: str, *events: str) -> Folded:
    return folded(*(event(action, second, name) for second, action in enumerate(events)))


def test_the_reason_of_an_active_workspace_names_what_runs_now() -> None:
    workspace = _service("web", "create", "start")
    for second, action in enumerate(("create", "start"), 2):
        workspace.add(event(action, second, "db"))
    assert workspace.record["reason"] == "web runs"
    for second, action in enumerate(("kill", "die", "stop"), 10):
        workspace.add(event(action, second, "web"))
    assert workspace.record["status"] == "active"
    assert workspace.record["reason"].endswith("db runs")


def test_degraded_while_only_some_of_the_long_running_containers_run() -> None:
    workspace = _service("web", "create", "start")
    workspace.add(event("create", 2, "db"))
    assert workspace.record["condition"] == "degraded"
    assert workspace.record["reason"] == "db should run; web runs"
    workspace.add(event("start", 3, "db"))
    assert workspace.record["condition"] == "ok"
    workspace.add(event("kill", 4, "db", signal=15), event("die", 5, "db", exit_code=0))
    assert workspace.record["condition"] == "degraded", "it did not finish, it was stopped"


def test_a_task_that_is_done_degrades_nothing() -> None:
    workspace = _service("web", "create", "start")
    workspace.add(event("start", 2, "migrate"), event("die", 3, "migrate", exit_code=0))
    assert workspace.record["condition"] == "ok"
    workspace.add(inspected(3, "migrate", restart_policy="unless-stopped"))
    assert workspace.record["condition"] == "degraded", "its policy says that it is meant to stay up"


def test_the_container_that_matters_most_is_the_worst_then_what_runs() -> None:
    workspace = _service("web", "create", "start")
    workspace.add(event("start", 2, "db"))
    workspace.add(event("die", 3, "db", exit_code=1))
    assert workspace.record["container_id"] == workspace.container("db").id
    workspace.add(event("destroy", 4, "db"))
    assert workspace.record["container_id"] == workspace.container("web").id


def test_a_container_that_cannot_start_says_why() -> None:
    history = folded(seen("created", 0, inspect={"error": "port is already allocated", "exit_code": 128}))
    assert (history.record["condition"], history.container().error) == ("ok", "port is already allocated")
    workspace = folded(event("create", 0), inspected(0, error="port is already allocated", exit_code=128))
    assert workspace.record["reason"] == "web could not be started: port is already allocated"
    assert workspace.told()[-1] == "error start_failed"
    workspace.add(event("start", 2))
    assert workspace.told()[-2:] == ["recovery start_failed", "shop active"]
