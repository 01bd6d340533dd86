"""A container first heard of by an event in the middle of its run, then shown by a later listing."""

from __future__ import annotations

from tests.core_state.makers import Record, at, event, folded, seen

FOUND: Record = {"started_at_ns": at(-300), "has_healthcheck": True}


def test_a_later_listing_does_not_take_a_stop_back_that_was_asked_for() -> None:
    # kill(15)@1   listing@2: still running since -300   die(143)@3
    workspace = folded(event("kill", 1, signal=15), seen("running", 2, inspect=FOUND), event("die", 3, exit_code=143))
    assert workspace.container().exit_reason == "stopped on request after 5 min"
    assert workspace.state.error_count == 0


def test_a_later_listing_without_health_does_not_make_an_unhealthy_container_recover() -> None:
    workspace = folded(event("health_status", 1, health="unhealthy"))
    assert workspace.add(seen("running", 2, inspect=FOUND)) == []
    assert (workspace.record["condition"], workspace.container().started_at_ns) == ("failing", at(-300))


def test_a_start_after_the_event_is_another_run() -> None:
    # kill(15)@1   (die and start missed)   listing@20: running since 10   die(1)@30: nobody asked for it
    started = FOUND | {"started_at_ns": at(10)}
    workspace = folded(event("kill", 1, signal=15), seen("running", 20, inspect=started), event("die", 30, exit_code=1))
    assert workspace.container().exit_reason == "exit code 1 after 20 s"
    assert workspace.record["condition"] == "failing"
