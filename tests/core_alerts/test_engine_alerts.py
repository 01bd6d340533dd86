"""An engine that cannot be seen, or went down with all that ran on it, is one alert from raise to resolve."""

from __future__ import annotations

from typing import Any

from tests.core_state import makers
from tests.state.desk import Log, entry


def alerts(log: Log) -> list[tuple[str, str, str]]:
    """Type, rule and key of the engine's alerts."""
    said = log.events("alert_raised", "alert_resolved")
    return [(event["type"], event["alert"]["rule"], event["alert"]["dedup_key"]) for event in said]


def of_containers(log: Log) -> list[dict[str, Any]]:
    from schemas import topics

    return [event for event in log.of(topics.WORKSPACE_CHANGES) if event["stream"] == "state" and event["type"].startswith("alert")]


def watched(*names: str) -> Log:
    log = Log()
    log.clock.s = 10
    log.listing(*(entry(name, "running") for name in names))
    return log


def test_an_engine_that_does_not_answer_and_falls_silent_is_one_alert() -> None:
    log = watched("web")
    log.clock.s = 20
    log.failed()
    log.wait(600)
    log.listing(entry("web", "running"))
    log.clock.s += 10
    log.listing(entry("web", "running"))
    (raised, rule, key), (resolved, same_rule, same_key) = alerts(log)
    assert (raised, resolved, rule, key) == ("alert_raised", "alert_resolved", same_rule, same_key)
    assert rule == "engine_unreachable"


def test_a_rebooting_host_is_one_alert_and_not_one_a_container() -> None:
    # listing@10 all run   die(143)@50 of each   the host is away   listing@100, watched since 95: all exited   listing@130
    names = [f"web-{number}" for number in range(8)]
    log = watched(*names)
    for number, name in enumerate(names):
        log.fact(makers.event("die", 50 + number / 100, name, exit_code=143))
    assert of_containers(log) == []
    for second in (100, 130, 160):
        log.clock.s = second
        log.listing(*(entry(name, "exited") for name in names), watched_since_ns=makers.at(95))
    assert of_containers(log) == []
    (raised, rule, key), (resolved, _, same_key) = alerts(log)
    assert (raised, resolved, rule, key) == ("alert_raised", "alert_resolved", "engine_restarted", same_key)
    [event] = log.events("alert_raised")
    assert event["alert"]["value"] == 8
    assert "8 of its containers" in event["message"]


def test_a_producer_that_is_started_again_while_all_runs_on_is_no_alert() -> None:
    log = watched("web", "db")
    log.clock.s = 100
    log.listing(entry("web", "running"), entry("db", "running"), watched_since_ns=makers.at(95))
    assert alerts(log) == []
