"""The journal: one order for all writers, nothing lost when a writer dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import WstError
from schemas.journal import LONGEST_VALUE, Cursor, Journal
from schemas.publish import Record, partition_of
from tests.platform.disk import SmallDisk


def record(number: int, topic: str = "wst.docker.events") -> Record:
    return Record(topic, f"ws-{number % 7}".encode(), b"value %d" % number, (("wst-id", b"%d" % number), ("wst-type", b"")), number)


def test_what_was_appended_is_read_back_in_order_also_by_another_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 4)
    records = [record(number) for number in range(10)] + [Record("wst.dead.letters", None, None, (), 5)]
    assert journal.append(records[:4]) == 4
    assert journal.append(records[4:]) == 11
    entries = Journal(tmp_path / "journal.sqlite", 4).read(0, 100)
    assert [entry.seq for entry in entries] == list(range(1, 12))
    assert [entry.record for entry in entries] == records
    assert [entry.seq for entry in journal.read(3, 2)] == [4, 5]
    assert [entry.seq for entry in journal.read_partition("wst.dead.letters", 0, 0, 9)] == [11]
    assert (journal.last_seq_of("wst.dead.letters", 0), journal.last_seq_of("wst.dead.letters", 1), journal.last_seq()) == (11, 0, 11)


@given(st.binary(min_size=0, max_size=50), st.integers(1, 64))
def test_a_key_has_the_partition_that_kafkas_own_client_gives_it(key: bytes, partitions: int) -> None:
    everything = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everything, everything)


WRITER = """
import sys
from pathlib import Path
from schemas.journal import Journal
from schemas.publish import Record
journal = Journal(Path(sys.argv[1]), 4)
for number in range(10_000):
    last = journal.append([Record("t", b"k", b"%d" % (2 * number), (), 0), Record("t", b"k", b"%d" % (2 * number + 1), (), 0)])
    print(sys.argv[2], number, last, flush=True)
"""


def test_two_writers_killed_in_the_middle_leave_whole_batches_and_lose_nothing_they_were_told_is_durable(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path, 4).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for name in ("a", "b")
    ]
    said: list[str] = []
    for writer in writers:
        assert writer.stdout is not None
        said += [writer.stdout.readline() for _ in range(50)]
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.communicate()[0].splitlines()
    durable = max(int(line.split()[2]) for line in said if len(line.split()) == 3)
    entries = Journal(path, 4).read(0, 1_000_000)
    assert len(entries) >= durable
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    values = [int(entry.record.value or b"") for entry in entries]
    assert all(second == first + 1 and first % 2 == 0 for first, second in zip(values[::2], values[1::2], strict=True))


def test_a_number_is_never_used_again_after_pruning(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 4)
    journal.append([record(number)._replace(key=b"one key") for number in range(5)])
    partition = partition_of(b"one key", 4)
    assert journal.prune("wst.docker.events", partition, before_seq=6, before_ms=3) == 3
    assert journal.prune("wst.docker.events", (partition + 1) % 4, before_seq=6, before_ms=100) == 0
    assert journal.prune("wst.docker.events", partition, before_seq=6, before_ms=100) == 2
    assert journal.prune("other", partition, before_seq=6, before_ms=100) == 0
    journal.close()
    again = Journal(tmp_path / "journal.sqlite", 4)
    assert again.last_seq() == 5
    assert again.append([record(1)]) == 6


def test_the_keys_of_a_partition_are_read_in_order_and_records_deleted_by_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 1)
    journal.append(
        [Record(topic, key, b"v", (), ms) for topic, key, ms in (("t", b"a", 1), ("u", b"a", 2), ("t", None, 3), ("t", b"b", 4))]
    )
    assert journal.keys("t", 0, 0, 2) == [(1, b"a", 1), (3, None, 3)]
    assert journal.keys("t", 0, 3, 2) == [(4, b"b", 4)]
    assert journal.delete([]) == 0
    assert journal.delete([1, 2, 99]) == 2
    assert [entry.seq for entry in journal.read(0, 9)] == [3, 4]


def test_cursors_are_remembered_per_consumer_topic_and_partition(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 4)
    journal.set_cursor("sink", "t", 0, 5)
    journal.set_cursor("sink", "t", 0, 9)
    journal.set_cursor("state", "t", 1, 3)
    assert set(Journal(tmp_path / "journal.sqlite", 4).cursors()) == {Cursor("sink", "t", 0, 9), Cursor("state", "t", 1, 3)}
    journal.forget_cursors("sink")
    assert journal.cursors() == [Cursor("state", "t", 1, 3)]


def test_another_process_sees_that_there_is_news(tmp_path: Path) -> None:
    reader, writer = Journal(tmp_path / "j", 4), Journal(tmp_path / "j", 4)
    before = reader.data_version()
    assert reader.data_version() == before
    writer.append([record(1)])
    assert reader.data_version() != before


def test_a_file_that_is_no_journal_or_has_other_partitions_is_refused_with_the_fix(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(WstError, match="cannot be opened"):
        Journal(bad, 4)
    Journal(tmp_path / "good", 4).close()
    with pytest.raises(WstError, match="set WST_PARTITIONS=4"):
        Journal(tmp_path / "good", 8)


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", 4).close()
    with sqlite3.connect(tmp_path / "j") as database:
        database.execute("UPDATE meta SET value = 99 WHERE name = 'format'")
    with pytest.raises(WstError, match="newer wst"):
        Journal(tmp_path / "j", 4)


def test_an_append_that_the_disk_refuses_takes_nothing_and_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 4)
    journal.append([record(1)])
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    big = Record("t", b"k", bytes(200_000), (), 0)
    with pytest.raises(WstError, match="is the disk full"):
        journal.append([record(2), big])
    journal._db.execute("PRAGMA max_page_count = 100000")
    assert journal.append([record(3)]) == 2
    assert [entry.record for entry in journal.read(0, 9)] == [record(1), record(3)]


def test_a_value_longer_than_any_record_is_not_read_into_memory(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 4)
    with sqlite3.connect(tmp_path / "j") as damaged:
        # What a damaged file claims, made whole: SQLite takes the memory before it finds that nothing is there.
        damaged.execute("INSERT INTO records VALUES (1, 't', 0, NULL, zeroblob(?), x'', 0)", (LONGEST_VALUE + 1,))
    with pytest.raises(sqlite3.DataError, match="too big"):
        journal.read(0, 9)


def append_for_ever(journal: Journal) -> None:
    while True:
        journal.append([Record("t", b"k", bytes(200), (), 0)])


@pytest.mark.disk
def test_a_disk_that_is_full_at_the_commit_takes_nothing_says_so_and_takes_it_later(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 1) as disk:
        journal = Journal(disk.folder / "j", 4)
        journal.append([record(1)])
        disk.fill()
        with pytest.raises(WstError, match="database or disk is full"):
            append_for_ever(journal)  # its files have some room within
        known = journal.last_seq()
        disk.free()
        assert journal.append([record(2)]) == known + 1
        assert journal.read(known, 9)[0].record == record(2)
        journal.close()
