"""Compaction in turns: whatever the turns, the last record of each key stays, and all that is young."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from schemas.journal import Journal
from schemas.publish import Record
from streams.embedded.compaction import Compaction

Written = list[tuple[bytes | None, int]]
written = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.integers(0, 20)), max_size=30)


def left(journal: Journal) -> Written:
    return [(entry.record.key, entry.record.timestamp_ms) for entry in journal.read(0, 100)]


def write(journal: Journal, records: Written) -> None:
    journal.append([Record("t", key, b"v", (), ms) for key, ms in records])


def test_of_old_records_the_last_of_each_key_stays_and_what_is_young(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 1)
    write(journal, [(b"a", 1), (b"b", 2), (b"a", 3), (b"a", 4), (b"b", 50), (b"c", 60)])
    compaction = Compaction(journal, "t", 0)
    assert compaction.turn(before_ms=10, before_seq=None, rows=100) == 2
    assert left(journal) == [(b"b", 2), (b"a", 4), (b"b", 50), (b"c", 60)]
    assert compaction.turn(before_ms=100, before_seq=None, rows=100) == 1
    assert left(journal) == [(b"a", 4), (b"b", 50), (b"c", 60)]


def test_what_a_reader_has_not_read_yet_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 1)
    write(journal, [(b"a", 1), (b"a", 2), (b"a", 3)])
    compaction = Compaction(journal, "t", 0)
    assert compaction.turn(before_ms=10, before_seq=2, rows=100) == 0
    assert compaction.turn(before_ms=10, before_seq=3, rows=100) == 1
    assert left(journal) == [(b"a", 2), (b"a", 3)]


@given(first=written, then=written, rows=st.integers(1, 7))
def test_any_turns_leave_the_last_word_on_each_key_in_its_order(first: Written, then: Written, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite", 1)
        compaction = Compaction(journal, "t", 0)
        for records in (first, then):
            write(journal, records)
            for _ in range(len(first) + len(then) + 1):
                compaction.turn(before_ms=100, before_seq=None, rows=rows)
        everything = first + then
        last = {key: number for number, (key, _) in enumerate(everything)}
        assert left(journal) == [each for number, each in enumerate(everything) if each[0] is None or last[each[0]] == number]
        journal.close()
