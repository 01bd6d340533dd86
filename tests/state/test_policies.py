"""What a policy's clock decides: idle workspaces and ephemeral ones that are gone, as facts, once, and never against use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from streams.core.idle import ARCHIVE, IDLE, IdlePolicy, idle_due
from streams.core.words import SECOND_NS
from tests.core_state import makers
from tests.state.desk import Log

LONE = makers.who("lone", grouped_by="ephemeral", labels={})
HOUR = 3_600


def events(log: Log, kind: str = "status_changed") -> list[str]:
    """Reasons of the workspace's status changes."""
    return [event[kind]["reason"] for event in log.of(topics.WORKSPACE_CHANGES) if event["type"] == kind]


def stopped(**settings: float) -> Log:
    """A workspace that ran for a second."""
    log = Log(**settings)
    for number, action in enumerate(("create", "start", "die")):
        log.fact(makers.event(action, number, exit_code=0) if action == "die" else makers.event(action, number))
    log.clock.s = 3
    return log


def running(**settings: float) -> Log:
    """A workspace that runs since second 1."""
    log = Log(**settings)
    log.fact(makers.event("create", 0))
    log.fact(makers.event("start", 1))
    log.clock.s = 2
    return log


def test_without_a_policy_nothing_is_ever_due() -> None:
    log = stopped()
    log.wait(400 * HOUR, step_s=HOUR)
    assert (log.shop["status"], log.notices()) == ("inactive", [])


def test_what_does_not_run_and_is_not_used_is_archived_once_with_the_reason() -> None:
    log = stopped(idle_archive_after=HOUR)
    log.wait(HOUR - 60, step_s=30)
    assert log.shop["status"] == "inactive"
    log.wait(200, step_s=30)
    assert log.shop["status"] == "archived"
    assert events(log)[-1] == "archived by the idle policy: nobody used it for 60 min"
    log.wait(3 * HOUR, step_s=60)
    assert len(log.notices("idle_due")) == 1


def test_what_runs_without_use_is_marked_idle_and_stays_what_it_is() -> None:
    log = running(idle_inactive_after=HOUR)
    log.wait(HOUR + 200, step_s=30)
    assert (log.shop["status"], log.shop["idle_since_ns"]) == ("active", makers.at(1))
    assert log.shop["reason"].endswith("but nobody uses it")
    log.fact(makers.event("exec_start", log.clock.s))
    assert (log.shop["status"], log.shop["idle_since_ns"]) == ("active", None)
    log.wait(HOUR + 200, step_s=30)
    assert log.shop["idle_since_ns"] is not None
    log.fact(makers.notice("activity", log.clock.s))
    assert log.shop["idle_since_ns"] is None


def test_use_between_a_decision_and_its_fact_wins() -> None:
    log = stopped(idle_archive_after=HOUR)
    log.wait(HOUR - 60, step_s=30)
    log.clock.s += 200
    log.policies.tick(0)
    [decided] = log.sent
    log.sent.clear()
    log.fact(makers.notice("activity", log.clock.s))
    log.say(decided)
    assert log.shop["status"] == "inactive"


def test_a_death_around_a_decision_makes_no_second_one() -> None:
    log = stopped(idle_archive_after=HOUR)
    log.commit()
    log.clock.s += HOUR + 200
    log.policies.tick(0)
    log.sent.clear()  # it died before it was sent
    log.restart()
    log.run()
    log.wait(200, step_s=30)
    log.restart()
    log.clock.s += 500
    log.tick()
    assert len(log.notices("idle_due")) == 1
    assert len(events(log)) == len({event["id"] for event in log.of(topics.WORKSPACE_CHANGES) if event["type"] == "status_changed"})
    assert log.shop["status"] == "archived"


def test_a_workspace_of_a_silent_engine_is_not_judged() -> None:
    log = stopped(idle_archive_after=HOUR)
    log.fact(makers.notice("engine_silent", 4))
    log.wait(3 * HOUR, step_s=60)
    assert log.shop["status"] == "inactive"


def test_an_ephemeral_workspace_is_forgotten_a_day_after_its_removal_and_others_are_not() -> None:
    log = Log(ephemeral_ttl=24 * HOUR)
    for second, action in enumerate(("create", "start", "die", "destroy")):
        log.fact(makers.event(action, second, "lone", container=LONE) | {"workspace_id": "lone@laptop", "workspace_name": "lone"})
    for second, action in enumerate(("create", "destroy")):
        log.fact(makers.event(action, second))
    log.clock.s = 5
    log.wait(24 * HOUR - 60, step_s=60)
    assert log.view.get("lone@laptop") is not None
    log.wait(180, step_s=60)
    assert log.view.get("lone@laptop") is None
    assert log.shop["total"] == 0
    assert [record.key for record in log.written if record.value is None] == [b"lone@laptop"]
    log.wait(2 * HOUR, step_s=60)
    assert len(log.notices("forget_due")) == 1


def test_an_ephemeral_container_that_came_back_is_not_forgotten() -> None:
    log = Log(ephemeral_ttl=100)
    told = {"workspace_id": "lone@laptop", "workspace_name": "lone"}
    for second, action in enumerate(("create", "destroy")):
        log.fact(makers.event(action, second, "lone", container=LONE) | told)
    log.clock.s = 200
    log.policies.tick(0)
    [decided] = log.sent
    log.sent.clear()
    log.fact(makers.event("create", 199, "lone2", container=makers.who("lone2", grouped_by="ephemeral", labels={})) | told)
    log.say(decided)
    assert log.view.get("lone@laptop") is not None


def test_an_incident_keeps_no_ephemeral_workspace_for_ever_but_a_name_given_by_a_person_does() -> None:
    log = Log(ephemeral_ttl=100)
    told = {"workspace_id": "lone@laptop", "workspace_name": "lone"}
    for second, action in enumerate(("create", "start", "die", "destroy")):
        said = {"exit_code": 3} if action == "die" else {}
        log.fact(makers.event(action, second, "lone", container=LONE, **said) | told)
    log.fact(makers.command("rename", 4, name="keep me") | told)
    log.clock.s = 5
    log.wait(1_000, step_s=10)
    assert log.view.get("lone@laptop") is not None


STATES = st.builds(
    lambda number, status, since, used, stale, idle: {
        "workspace_id": f"w{number}", "workspace_name": "w", "status": status, "stale": stale, "status_since_ns": since * SECOND_NS,
        "last_activity_ns": used * SECOND_NS if used else None, "idle_since_ns": idle,
    },
    st.integers(0, 5), st.sampled_from(["active", "inactive", "archived"]), st.integers(1, 100), st.none() | st.integers(1, 100),
    st.booleans(), st.none() | st.just(1),
)  # fmt: skip
SPANS = st.none() | st.integers(1, 100).map(lambda s: s * SECOND_NS)


@given(st.lists(STATES, max_size=6), SPANS, SPANS, st.integers(1, 300))
def test_a_policy_is_due_exactly_when_nothing_was_done_for_as_long_as_it_says(
    states: list[dict[str, object]], inactive: int | None, archive: int | None, now_s: int
) -> None:
    policy = IdlePolicy(inactive, archive)
    found = list(idle_due(states, policy, now_s * SECOND_NS))
    assert not (policy.is_off and found)
    for due in found:
        span = inactive if due.verdict == IDLE else archive
        assert span is not None
        assert due.due_ns == due.since_ns + span <= now_s * SECOND_NS
        assert due.verdict in (IDLE, ARCHIVE)
    if states and not policy.is_off:
        earlier = {(due.workspace_id, due.since_ns, due.verdict) for due in idle_due(states, policy, (now_s - 1) * SECOND_NS)}
        assert earlier <= {(due.workspace_id, due.since_ns, due.verdict) for due in found}, "what is due stays due until something happens"
