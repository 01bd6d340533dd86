"""The view of all states: whatever comes twice or late, the highest position of a workspace's facts wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Undecodable, codec
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.query.state_view import StateView
from tests.sinks import records
from tests.sinks.records import position


def test_a_state_is_found_by_id_and_by_name() -> None:
    view = StateView()
    view.apply("shop@laptop", records.state("shop@laptop"), position(1))
    view.apply("shop@desk", records.state("shop@desk"), position(2))
    assert [state["workspace_id"] for state in view.find("shop@desk")] == ["shop@desk"]
    assert [state["workspace_id"] for state in view.find("shop")] == ["shop@desk", "shop@laptop"]
    assert view.find("nobody") == []
    assert view.get("nobody") is None
    assert [state["workspace_id"] for state in view] == ["shop@desk", "shop@laptop"]
    assert len(view) == 2


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(0, 8), st.booleans(), st.sampled_from(["E1", "E2"])), max_size=30
    )
)
def test_any_order_and_any_repeats_end_in_the_same_view(told: list[tuple[str, int, int, bool, str]]) -> None:
    # What stands at a position follows from the position, as it does in a log.
    at = {(name, epoch, offset): (forgotten, engine) for name, epoch, offset, forgotten, engine in told}
    views = [StateView() for _ in range(2)]
    for view, order in zip(views, (sorted(at), sorted(at, reverse=True) + sorted(at)), strict=True):
        for name, epoch, offset in order:
            forgotten, engine = at[name, epoch, offset]
            containers = [records.container_state(f"{name}1", engine_id=engine)]
            place = Position(epoch, 0, offset)
            view.apply(name, None if forgotten else records.state(name, place, containers=containers), place)
    first, second = views
    assert first.all() == second.all()
    assert first.engine_ids() == second.engine_ids()
    for name in "abc":
        places = [(epoch, offset) for known, epoch, offset in at if known == name]
        if places:
            epoch, offset = max(places)
            forgotten, engine = at[name, epoch, offset]
            state = first.get(name)
            assert (state is None) == forgotten
            assert forgotten or state in first.states_of(engine)


def test_the_index_by_engine_follows_containers_from_engine_to_engine() -> None:
    view = StateView()
    one, two = records.container_state("c1", engine_id="E1"), records.container_state("c2", engine_id="E2")
    view.apply("a", records.state("a", containers=[one, two]), position(1))
    view.apply("b", records.state("b", containers=[one]), position(1))
    assert [state["workspace_id"] for state in view.states_of("E1")] == ["a", "b"]
    view.apply("a", records.state("a", containers=[two]), position(2))
    assert [state["workspace_id"] for state in view.states_of("E1")] == ["b"]
    view.apply("b", None, position(3))
    assert view.states_of("E1") == []
    assert view.engine_ids() == {"E2"}
    assert view.position("b") == position(3)


def test_records_of_the_topic_are_taken_as_they_come_and_what_is_none_changes_nothing() -> None:
    view = StateView()
    state = codec("state")
    assert view.apply_message(b"a", state.encode(records.state("a", position(5))), ())
    assert not view.apply_message(b"a", state.encode(records.state("a", position(4))), ())
    before = view.all(), view.changes
    with pytest.raises(InvalidMessage, match="key_mismatch"):
        view.apply_message(b"other", state.encode(records.state("a", position(9))), ())
    with pytest.raises(Undecodable):
        view.apply_message(b"a", b"garbage", ())
    with pytest.raises(InvalidMessage, match="wst-cause"):
        view.apply_message(b"a", None, (("wst-cause", b"soon"),))
    assert (view.all(), view.changes) == before
    assert not view.apply_message(b"a", None, records.forgotten_by(position(5)))
    assert view.apply_message(b"a", None, records.forgotten_by(position(6)))
    assert view.get("a") is None
