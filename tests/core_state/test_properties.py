"""What holds for every log, however hostile: shown on random facts of three containers on two engines."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.codec import codec
from streams.core import workspace
from streams.core.changes import Change, StatusChanged, to_record
from streams.core.containers import TRANSITIONS
from streams.core.facts import Position, parse_fact
from streams.core.state import REMOVED, RUNNING, STATES, Container, WorkspaceState
from streams.core.step import only_implied
from tests.core_state.makers import TOPIC, WORKSPACE, Record, at, cid, command, event, notice, seen, short, who

NAMES = ["web", "db", "job"]
RANDOM = Random(20260131)  # the pool is the same in every run; Hypothesis draws logs from it and shrinks them
# Few distinct times, so that equal, older and newer facts all come up.
TIMES = [*map(float, range(40)), 700.0, 90_000.0]
ENGINES: list[Record] = [{}, {}, {}, {"engine_id": "engine-2", "engine_name": "desk"}]
CODES = [None, 0, 1, 137, 143, 255]
ACTIONS = [*TRANSITIONS, *["start", "die"] * 8, "new-action"]


def _any(choices: Sequence[Any]) -> Any:
    return RANDOM.choice(choices)


def _event() -> Record:
    labels: Record = _any([{}, {"team": "red"}])
    return event(
        _any(ACTIONS),
        _any(TIMES),
        container=who(_any(NAMES), grouped_by=_any(["compose", "compose", "ephemeral"]), labels=labels),
        generation=_any([0, 0, 0, 0, 1]),
        exit_code=_any(CODES),
        signal=_any([None, 1, 9, 15]),
        health=_any([None, "healthy", "unhealthy", "starting"]),
        old_name=_any([None, "web", "shop"]),
        exec_duration_s=_any([None, -5, 0, 3, 2**62]),
        **_any(ENGINES),
    )


def _inspect() -> Record:
    times = [None, -(2**63), 2**63 - 1, *map(at, TIMES)]
    return {
        "started_at_ns": _any(times),
        "finished_at_ns": _any(times),
        "created_at_ns": _any(times),
        "exit_code": _any(CODES),
        "oom_killed": _any([True, False]),
        "error": _any([None, None, "no such image"]),
        "restart_policy": _any(["no", "always", "on-failure", "what"]),
        "has_healthcheck": _any([True, False]),
        "long_running": _any([None, True, False]),
        "stop_signal": _any([None, "SIGQUIT", "?"]),
    }


def _observation() -> Record:
    return seen(
        _any([None, "no such state", *sorted(STATES)]),
        _any(TIMES),
        _any(NAMES),
        source=_any(["listing", "listing", "inspect"]),
        present=_any([True, True, True, False]),
        health=_any([None, "healthy", "unhealthy"]),
        inspect=_any([None, _inspect()]),
        generation=_any([0, 0, 0, 0, 1]),
        **_any(ENGINES),
    )


def _command() -> Record:
    name = _any(["archive", "unarchive", "register", "rename", "forget", "mute", "nonsense"])
    return command(name, _any(TIMES), name=_any(["", "shop", "a new name", "x" * 1000]))


def _notice() -> Record:
    names = ["engine_silent", "engine_back", "sync_failed", "idle_due", "forget_due", "activity", "gap"]
    return notice(_any(names), _any(TIMES), since=_any([None, *TIMES]), value=_any([None, 0, 1, 3]))


POOL = [make() for make in (_event, _event, _event, _observation, _observation, _command, _notice) for _ in range(300)]
LOGS = st.lists(st.sampled_from(POOL), max_size=30)
EVENTS = st.sampled_from([record for record in POOL if record["kind"] == "engine_event"])
IMPLYING = st.sampled_from(
    [
        record
        for record in POOL
        if record["kind"] == "engine_event"
        and (known := TRANSITIONS.get(record["engine_event"]["action"]))
        and known.implies
        and not known.to
    ]
)
HOSTILE = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.sampled_from(["", "\x1b[31mred", "a\nb", "'; DROP TABLE x; --", "<script>", "\u202e", "\0", "x" * 5000]),
)


def run(records: Sequence[Record], state: WorkspaceState | None = None, first: int = 0) -> tuple[WorkspaceState, list[Change]]:
    """Folds records at positions from `first` on."""
    state = state or workspace.initial(WORKSPACE)
    changes: list[Change] = []
    for offset, record in enumerate(records, first):
        state, new = workspace.fold(state, parse_fact(record), Position(1, 0, offset))
        changes += new
    return state, changes


@given(LOGS, st.integers(0, 30))
def test_splitting_a_log_anywhere_changes_nothing(log: list[Record], cut: int) -> None:
    whole, all_changes = run(log)
    half, before = run(log[:cut])
    restored, after = run(log[cut:], workspace.from_bytes(workspace.to_bytes(half)), min(cut, len(log)))
    assert workspace.to_bytes(restored) == workspace.to_bytes(whole)
    assert before + after == all_changes


@given(LOGS)
def test_folding_the_same_log_twice_gives_the_same_bytes_and_ids(log: list[Record]) -> None:
    one, changes = run(log)
    other, again = run(log)
    assert workspace.canonical(one) == workspace.canonical(other)
    assert [change.id for change in changes] == [change.id for change in again]


@given(LOGS, st.data())
def test_the_last_facts_again_at_new_positions_change_nothing(log: list[Record], data: st.DataObject) -> None:
    # Per container 16 identities are remembered, so the last 16 of the log are known whatever came between.
    state, _ = run(log)
    before = workspace.canonical(state)
    applied = [record for record in log[-16:] if record["kind"] in ("engine_event", "observation", "command")]
    again = data.draw(st.lists(st.sampled_from(applied), max_size=8)) if applied else []
    _, changes = run(_only_known(log, again), state, len(log))
    assert workspace.canonical(state) == before
    assert changes == []


def _only_known(log: Sequence[Record], again: Sequence[Record]) -> list[Record]:
    """Repeats of facts that had an effect: one that had none the first time (unplaced) may have one now, rightly."""
    tally: dict[str, int] = {}
    effective = set()
    state = workspace.initial(WORKSPACE)
    for offset, record in enumerate(log):
        before = tally.get("applied", 0)
        forgets = record["kind"] == "command" and record["command"]["name"] == "forget"
        state, _ = workspace.fold(state, parse_fact(record), Position(1, 0, offset), tally)
        if tally.get("applied", 0) > before and not forgets:
            effective.add(record["id"])
    return [record for record in again if record["id"] in effective]


@given(LOGS)
def test_positions_already_folded_are_skipped(log: list[Record]) -> None:
    state, _ = run(log)
    before = workspace.to_bytes(state)
    assert run(log, state)[1] == []
    assert workspace.to_bytes(state) == before


@given(LOGS)
def test_events_are_numbered_without_gaps_and_ids_are_unique(log: list[Record]) -> None:
    state, changes = run(log)
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    assert state.seq == len(changes)
    assert len({change.id for change in changes}) == len(changes)


@given(LOGS)
def test_status_changes_form_a_chain(log: list[Record]) -> None:
    status = "unknown"
    _, changes = run(_without_forget(log))
    for change in changes:
        if isinstance(change.detail, StatusChanged):
            assert change.detail.old_status == status
            assert change.detail.new_status != status
            status = change.detail.new_status


def _without_forget(log: Sequence[Record]) -> list[Record]:
    return [record for record in log if not (record["kind"] == "command" and record["command"]["name"] == "forget")]


@given(LOGS)
def test_running_counts_the_running_containers_and_decides_the_status(log: list[Record]) -> None:
    state = workspace.initial(WORKSPACE)
    for offset, record in enumerate(log):
        state, _ = workspace.fold(state, parse_fact(record), Position(1, 0, offset))
        assert state.running == sum(container.state == RUNNING for container in state.containers.values())
        assert state.problems == sum(container.problem is not None for container in state.containers.values())
        assert (state.status == "active") == (state.running > 0)


@given(LOGS)
def test_container_updates_tell_every_change_of_a_container(log: list[Record]) -> None:
    state, changes = run(_without_forget(log))
    told: dict[str, tuple[str, str | None]] = {}
    for change in changes:
        if change.type == "container_update":
            detail = change.detail._asdict()
            assert (detail["old_state"] or REMOVED) == told.get(detail["container_id"], (REMOVED, None))[0]
            told[detail["container_id"]] = (detail["new_state"], detail["health"])
    for container in state.containers.values():
        assert told[container.id] == (container.state, container.health)


@given(LOGS)
def test_every_error_is_followed_by_its_recovery_or_is_not_over(log: list[Record]) -> None:
    state, changes = run(_without_forget(log))
    told = [short(change) for change in changes if change.type in ("error", "recovery") and not short(change).endswith("refused")]
    errors = sum(line.startswith("error") for line in told)
    assert errors == state.error_count
    # An episode may change its problem: then it has more errors than recoveries.
    assert errors - sum(line.startswith("recovery") for line in told) >= state.problems


@given(LOGS)
def test_whatever_was_folded_fits_its_schemas(log: list[Record]) -> None:
    state, changes = run(log)
    for change in changes:
        record = to_record(change, TOPIC)
        read = codec("event").decode(codec("event").encode(record))
        assert {key: read[key] for key in record} == record
    record_of_state = workspace.to_record(state)
    if record_of_state is not None:
        assert codec("state").decode(codec("state").encode(record_of_state)) == record_of_state


@given(LOGS, EVENTS, st.sampled_from(sorted(STATES)))
def test_a_listing_older_than_the_last_event_never_changes_anything(log: list[Record], last: Record, state_seen: str) -> None:
    # A container that was only implied has no run yet that the listing could be wrong about: the property below is its.
    state, container = _told_last(log, last)
    assume(not only_implied(container))
    before = workspace.canonical(state)
    _, changes = run([_just_before(container, last, state_seen)], state, len(log) + 1)
    assert changes == []
    assert workspace.canonical(state) == before


@given(st.lists(IMPLYING, max_size=3), IMPLYING, st.sampled_from(sorted(STATES)))
def test_a_listing_older_than_what_implied_a_container_never_changes_a_state(log: list[Record], last: Record, state_seen: str) -> None:
    state, container = _told_last(log, last)
    assume(only_implied(container))
    before = (container.state, container.generation, container.time_ns, container.stop_requested, state.status, state.running)
    older = _just_before(container, last, state_seen)
    run([older], state, len(log) + 1)
    assert (container.state, container.generation, container.time_ns, container.stop_requested, state.status, state.running) == before
    known = workspace.canonical(state)
    assert run([older], state, len(log) + 2)[1] == []
    assert workspace.canonical(state) == known, "the same listing again says nothing"


def _told_last(log: list[Record], last: Record) -> tuple[WorkspaceState, Container]:
    """A workspace and the container of the event folded last, if its engine has it."""
    state, _ = run([*log, last])
    container = state.containers.get(last["container"]["id"])
    assume(container is not None)
    assert container is not None
    assume(container.engine_id == last["engine_id"])
    return state, container


def _just_before(container: Container, last: Record, state_seen: str) -> Record:
    return seen(
        state_seen, (container.time_ns - 1_760_000_000 * 10**9) / 10**9 - 0.5, container=last["container"], health="unhealthy",
        inspect={"oom_killed": True, "started_at_ns": at(-5), "restart_policy": "always"},
        generation=container.generation, engine_id=last["engine_id"],
    )  # fmt: skip


@given(LOGS, st.sampled_from(sorted(STATES)), st.sampled_from(NAMES))
def test_a_newer_listing_always_decides_the_state(log: list[Record], state_seen: str, name: str) -> None:
    state, _ = run(log)
    run([seen(state_seen, 100_000, name, generation=2)], state, len(log))
    assert state.containers[cid(name)].state == state_seen


@given(LOGS)
def test_evolve_is_the_fold_without_telling(log: list[Record]) -> None:
    folded, _ = run(log)
    state = workspace.initial(WORKSPACE)
    for record in log:
        state = workspace.evolve(state, parse_fact(record))
    assert workspace.canonical(state) == workspace.canonical(folded)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_hostile_names_and_labels_are_kept_as_they_are_within_bounds(name: str, image: str, key: str, value: str) -> None:
    container = who("web") | {"name": name, "service": name, "image": image, "labels": {key: value}}
    first = event("start", 1, container=container)
    state, changes = run([first, seen("exited", 2, container=container, inspect={"error": value})])
    again = workspace.from_bytes(workspace.to_bytes(state))
    web = again.containers[cid("web")]
    assert (web.name, web.service, web.image) == (name[:255], name[:255], image[:255])
    assert again.labels == ({} if key.startswith("com.docker.") else {key[:255]: value[:1000]})
    assert len(workspace.to_bytes(state)) < 40_000
    for change in changes:
        codec("event").encode(to_record(change, TOPIC))
