"""Parsing is total: a fact, or InvalidMessage with a stable code, whatever the record."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import workspace
from streams.core.facts import EngineEvent, Observation, Position, parse_fact
from streams.core.invalid import InvalidMessage
from tests.core_state.makers import T0, WORKSPACE, Record, event, folded, inspected, seen


def broken(record: Record, path: str, value: Any) -> Record:
    """The record with one field, named by its path, set."""
    *way, last = path.split(".")
    changed = {**record}
    inner = changed
    for name in way:
        inner[name] = {**inner[name]}
        inner = inner[name]
    inner[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("time_ns", 0, "bad_time"),
        ("time_ns", -(2**63), "bad_time"),
        ("time_ns", 2**63 - 1, "bad_time"),
        ("workspace_id", "", "bad_id"),
        ("workspace_id", "x" * 201, "bad_id"),
        ("id", "", "bad_id"),
        ("id", "12345678", "bad_id"),
        ("id", "z" * 16, "bad_id"),
        ("generation", -1, "bad_generation"),
        ("generation", 100_001, "bad_generation"),
        ("generation", 2**31 - 1, "bad_generation"),
        ("container", None, "missing_section"),
        ("engine_event", None, "missing_section"),
        ("container.id", "", "bad_container"),
        ("container.id", "c" * 201, "bad_container"),
        ("time_ns", "now", "malformed"),
        ("container", "web", "malformed"),
        ("engine_event", [], "malformed"),
    ],
)
def test_a_record_that_says_nothing_is_invalid_for_a_named_reason(path: str, value: Any, code: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        parse_fact(broken(event("start", 1), path, value))
    assert (refused.value.code, bool(refused.value.reason)) == (code, True)


def test_a_clock_may_have_jumped_back_a_hundred_thousand_times() -> None:
    assert parse_fact(broken(event("start", 1), "generation", 100_000)).generation == 100_000


def test_a_kind_of_a_newer_version_is_skipped_and_counted() -> None:
    workspace_ = folded(broken(event("start", 1), "kind", "UNKNOWN"))
    assert workspace_.tally == {"unknown": 1}
    assert workspace.to_record(workspace_.state) is None


def test_untrusted_text_is_cut() -> None:
    container = {"id": "c" * 64, "name": "n" * 9999, "service": "s" * 9999, "image": "i" * 9999, "grouped_by": "compose", "labels": {}}
    fact = parse_fact(broken(event("start", 1), "container", container))
    assert [len(text or "") for text in fact.container[1:4]] == [255, 255, 255]


def test_the_state_of_an_inspect_is_not_read() -> None:
    record = seen("running", 1, source="inspect", inspect={"exit_code": 3})
    section = parse_fact(record).section
    assert isinstance(section, Observation)
    assert (section.state, section.inspect is not None) == (None, True)


def test_times_are_kept_to_the_nanosecond() -> None:
    fact = parse_fact(broken(event("start", 1), "time_ns", T0 + 123_456_789))
    assert fact.time_ns == T0 + 123_456_789
    assert isinstance(fact.section, EngineEvent)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
FIELDS = ["kind", "id", "workspace_id", "workspace_name", "engine_id", "engine_name", "generation", "time_ns", "container"]
SECTIONS = ["engine_event", "observation", "command", "notice"]
PATHS = [*FIELDS, *SECTIONS, "container.id", "container.name", "container.service", "container.image", "container.labels"]


@given(st.sampled_from(PATHS), JUNK, st.sampled_from([event("start", 1), seen("exited", 2, inspect={}), inspected(3)]))
def test_any_junk_in_any_field_is_a_fact_or_invalid_and_never_another_error(path: str, junk: object, record: Record) -> None:
    with suppress(InvalidMessage):
        parse_fact(broken(record, path, junk))


@given(st.dictionaries(st.sampled_from([*FIELDS, *SECTIONS]), JUNK))
def test_any_mapping_is_invalid_and_never_another_error(record: Record) -> None:
    with pytest.raises(InvalidMessage):
        parse_fact(record)


def test_the_first_fact_may_come_from_any_epoch() -> None:
    state, changes = workspace.fold(workspace.initial(WORKSPACE), parse_fact(event("start", 1)), Position(0, 0, 0))
    assert [change.id for change in changes] == [f"state.0.1.{WORKSPACE}", f"state.0.2.{WORKSPACE}"]
    _, changes = workspace.fold(state, parse_fact(event("die", 2, exit_code=0)), Position(5, 0, 0))
    assert changes[0].id == f"state.5.3.{WORKSPACE}", "a higher epoch passes, whatever its offset"
    _, changes = workspace.fold(state, parse_fact(event("start", 3)), Position(4, 0, 99))
    assert changes == [], "a lower one is over"


def test_a_position_folded_before_is_not_even_looked_at() -> None:
    tally: dict[str, int] = {}
    state = workspace.initial(WORKSPACE)
    for position in (Position(1, 0, 5), Position(1, 0, 5), Position(1, 0, 4), Position(1, 0, 6)):
        state, _ = workspace.fold(state, parse_fact(event("start", 1)), position, tally)
    assert tally == {"applied": 1, "folded_before": 2, "repeated": 1}
