"""The relay alone: which records it hands over, in which order, how far ahead, and what stays in the journal."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.journal import Entry, Journal
from schemas.publish import Record
from streams.embedded import relay as relay_module
from streams.embedded.pruning import Pruner
from streams.embedded.relay import CursorMovedBack, Relay
from tests.embedded.wire import PARTITIONS

READERS = {"a": frozenset({"state", "sink"}), "b": frozenset({"sink"}), "control": frozenset[str]()}


def record(topic: str, key: int, size: int = 10, timestamp_ms: int = 0) -> Record:
    return Record(topic, b"%d" % key, b"x" * size, (), timestamp_ms)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite", PARTITIONS)


def other_process(journal: Journal) -> Journal:
    """Another connection: SQLite tells of changes only to connections that did not make them."""
    return Journal(journal.path, PARTITIONS)


def run(relay: Relay) -> None:
    while relay.step():
        pass


step = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(["a", "b", "control"]), st.integers(0, 6), st.integers(1, 900)),
    st.tuples(st.just("commit"), st.sampled_from(["state", "sink"]), st.integers(0, 3), st.integers(0, 30)),
    st.tuples(st.just("relay"), st.just(""), st.just(0), st.just(0)),
    st.tuples(st.just("restart"), st.just(""), st.just(0), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=60))
def test_each_reader_finds_every_record_once_in_order_whatever_is_restarted_when(steps: list[tuple[str, str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay_module, "AHEAD_BYTES", 1_500)
        patch.setattr(relay_module, "_READ", 3)
        journal = Journal(Path(folder) / "j", PARTITIONS)
        mine = other_process(journal)
        wire: list[Entry] = []
        relay = Relay(mine, READERS, wire.append)
        have: dict[tuple[str, str, int], list[int]] = {
            (name, topic, partition): [] for topic, names in READERS.items() for name in names for partition in range(PARTITIONS)
        }

        def commit(name: str, partition: int, most: int) -> None:
            """A reader takes up to so many records of what the wire holds now, in wire order, and skips by position."""
            for topic in ("a", "b"):
                known = have.get((name, topic, partition))
                if known is None:
                    continue
                new = [e.seq for e in wire if (e.record.topic, e.partition) == (topic, partition) and e.seq > (known[-1] if known else 0)]
                known.extend(new[:most])
                if known:
                    journal.set_cursor(name, topic, partition, known[-1] + 1)

        for what, name, number, amount in steps:
            if what == "append":
                journal.append([record(name, number, amount)])
            elif what == "commit":
                commit(name, number, amount)
            elif what == "relay":
                relay.step()
            else:
                wire.clear()
                relay = Relay(mine, READERS, wire.append)
        for _ in range(200):
            run(relay)
            for name in ("state", "sink"):
                for partition in range(PARTITIONS):
                    commit(name, partition, 1_000)
        run(relay)
        for (_, topic, partition), known in have.items():
            assert known == [entry.seq for entry in journal.read_partition(topic, partition, 0, 1_000)]
        control = {entry.seq for partition in range(PARTITIONS) for entry in journal.read_partition("control", partition, 0, 1_000)}
        assert {entry.seq for entry in wire if entry.record.topic == "control"} == control
        journal.close()
        mine.close()


def test_it_runs_no_further_ahead_than_the_budget_of_the_slowest_reader(journal: Journal) -> None:
    writer = other_process(journal)
    writer.append([record("a", 1, 100_000) for _ in range(100)])
    wire: list[Entry] = []
    relay = Relay(journal, READERS, wire.append)
    run(relay)
    assert 20 <= len(wire) <= 21
    partition = wire[0].partition
    writer.set_cursor("state", "a", partition, 101)
    run(relay)
    assert len(wire) <= 21
    writer.set_cursor("sink", "a", partition, 11)
    run(relay)
    assert 30 <= len(wire) <= 31


def test_a_slow_reader_of_one_topic_does_not_hold_up_another(journal: Journal) -> None:
    writer = other_process(journal)
    wire: list[Entry] = []
    relay = Relay(journal, READERS, wire.append)
    for _ in range(40):
        writer.append([record("a", 1, 100_000), record("b", 1, 10), record("control", 1, 10)])
    run(relay)
    by_topic = [entry.record.topic for entry in wire]
    assert (by_topic.count("b"), by_topic.count("control")) == (40, 40)
    assert by_topic.count("a") <= 21


def test_a_reader_that_goes_back_behind_the_wires_begin_ends_it(journal: Journal) -> None:
    writer = other_process(journal)
    writer.append([record("b", 1) for _ in range(5)])
    partition = writer.read(0, 1)[0].partition
    writer.set_cursor("sink", "b", partition, 4)
    relay = Relay(journal, READERS, lambda entry: None)
    run(relay)
    writer.set_cursor("sink", "b", partition, 3)
    with pytest.raises(CursorMovedBack, match="went back to record 3"):
        relay.step()


def test_a_partition_that_never_had_a_record_needs_no_cursor(journal: Journal) -> None:
    writer = other_process(journal)
    writer.append([record("b", 1)])
    used = writer.read(0, 1)[0].partition
    relay = Relay(journal, READERS, lambda entry: None)
    run(relay)
    for partition in range(PARTITIONS):
        writer.set_cursor("sink", "b", partition, 2 if partition == used else 1)
        run(relay)
    writer.forget_cursors("state")
    run(relay)


def test_only_what_all_readers_have_and_what_is_old_is_pruned(journal: Journal) -> None:
    writer = other_process(journal)
    writer.append([record("b", 1, timestamp_ms=number) for number in range(10)])
    writer.append([record("control", 1, timestamp_ms=number) for number in range(3)])
    partition = writer.read(0, 1)[0].partition
    relay = Relay(journal, READERS, lambda entry: None)
    pruner = Pruner(journal, relay, {"a": 5, "b": 5, "control": 5})
    run(relay)
    assert pruner.prune("b", now_ms=1_000_000) == 0
    writer.set_cursor("sink", "b", partition, 8)
    run(relay)
    assert pruner.prune("b", now_ms=9) == 4
    assert pruner.prune("b", now_ms=1_000_000) == 3
    assert [entry.record.timestamp_ms for entry in writer.read(0, 100) if entry.record.topic == "b"] == [7, 8, 9]
    assert pruner.prune("control", now_ms=1_000_000) == 2
    assert [entry.record.timestamp_ms for entry in writer.read(0, 100) if entry.record.topic == "control"] == [2]


def test_of_a_compacted_topic_the_last_word_on_each_key_stays_however_old(journal: Journal) -> None:
    writer = other_process(journal)
    writer.append([record("b", 1, timestamp_ms=number) for number in range(10)])
    partition = writer.read(0, 1)[0].partition
    relay = Relay(journal, READERS, lambda entry: None)
    pruner = Pruner(journal, relay, {"b": 5}, {"b"})
    run(relay)
    writer.set_cursor("sink", "b", partition, 8)
    run(relay)
    assert pruner.prune("b", now_ms=1_000_000) == 6
    writer.set_cursor("sink", "b", partition, 11)
    run(relay)
    assert pruner.prune("b", now_ms=1_000_000) == 3
    assert [entry.record.timestamp_ms for entry in writer.read(0, 100) if entry.record.topic == "b"] == [9]
