"""The table: durable bytes, hot values, and which of them no commit has covered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.lane import Table
from tests.lane.tally import Tally, tally_table


def copied(table: Table[Tally], partition: int = 0) -> dict[bytes, bytes]:
    return {key: table.take(partition, key) for key in table.dirty(partition)}


def test_a_value_is_dirty_until_a_commit_takes_it() -> None:
    table = tally_table()
    table.put(0, b"a", Tally(1, 5))
    assert table.dirty(0) == [b"a"]
    values = copied(table)
    assert values == {b"a": Tally(1, 5).dumps()}
    assert table.dirty(0) == []
    table.confirm(0, values)
    assert table.get(0, b"a") == Tally(1, 5)


def test_a_change_during_a_commit_is_dirty_again() -> None:
    table = tally_table()
    table.put(0, b"a", Tally(1, 5))
    values = copied(table)
    table.put(0, b"a", Tally(2, 9))
    table.confirm(0, values)
    assert table.dirty(0) == [b"a"]
    assert table.get(0, b"a") == Tally(2, 9)


def test_reverting_forgets_what_no_commit_covered_even_when_one_was_under_way() -> None:
    table = tally_table()
    table.put(0, b"a", Tally(1, 5))
    table.put(0, b"b", Tally(1, 1))
    table.confirm(0, copied(table))
    first = table.get(0, b"a")
    assert first is not None
    first.count = 7
    table.put(0, b"a", first)
    copied(table)
    table.put(0, b"c", Tally(3, 3))
    table.revert(0)
    assert dict(table.items(0)) == {b"a": Tally(1, 5), b"b": Tally(1, 1)}
    assert table.dirty(0) == []


def test_partitions_are_apart() -> None:
    table = tally_table()
    table.put(0, b"a", Tally(1))
    table.put(1, b"a", Tally(2))
    table.drop(0)
    assert table.get(0, b"a") is None
    assert table.get(1, b"a") == Tally(2)


def test_cold_values_are_kept_encoded_and_come_back_equal() -> None:
    table = tally_table(hot_keys=10)
    for i in range(100):
        table.put(0, b"k%d" % i, Tally(i, i * i))
    table.confirm(0, copied(table))
    assert len(table._parts[0].live) == 10
    assert len(table) == 100
    assert [table.get(0, b"k%d" % i) for i in range(100)] == [Tally(i, i * i) for i in range(100)]


def test_what_is_dirty_is_never_let_go_for_being_cold() -> None:
    table = tally_table(hot_keys=0)
    table.put(0, b"a", Tally(1))
    values = copied(table)
    table.put(0, b"b", Tally(2))
    table.confirm(0, values)
    assert table.get(0, b"b") == Tally(2)
    assert copied(table) == {b"b": Tally(2).dumps()}


def test_restored_values_win_over_what_was_folded() -> None:
    table = tally_table()
    table.put(0, b"a", Tally(9))
    table.restore(0, [(b"a", Tally(1).dumps()), (b"a", Tally(2).dumps())])
    assert table.get(0, b"a") == Tally(2)
    assert table.dirty(0) == []


STEPS = st.lists(st.tuples(st.sampled_from(["put", "commit", "revert"]), st.integers(0, 4), st.integers(0, 9)), max_size=40)


@given(STEPS, st.integers(0, 3))
def test_after_any_steps_it_holds_the_last_committed_value_or_a_newer_one(steps: list[tuple[str, int, int]], hot_keys: int) -> None:
    table = tally_table(hot_keys=hot_keys)
    durable: dict[bytes, Tally] = {}
    present: dict[bytes, Tally] = {}
    for step, key_number, count in steps:
        key = b"k%d" % key_number
        if step == "put":
            table.put(0, key, Tally(count))
            present[key] = Tally(count)
        elif step == "commit":
            table.confirm(0, copied(table))
            durable = dict(present)
        else:
            table.revert(0)
            present = dict(durable)
        assert dict(table.items(0)) == present
        assert len(table) == len(present)
