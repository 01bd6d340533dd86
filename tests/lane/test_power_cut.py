"""A power cut may take the journal's last records and leave a checkpoint that has them: their numbers are not given again."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import journal as journal_module
from schemas.journal import Journal
from schemas.publish import Record

RECORD = Record("wst.docker.events", b"a", b"1", (), 1)


def test_after_a_boot_numbers_leap_over_what_may_have_been_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.sqlite"
    first = Journal(path, 4)
    assert first.append([RECORD] * 3) == 3
    first.close()
    same_boot = Journal(path, 4)
    assert same_boot.append([RECORD]) == 4
    same_boot.close()
    monkeypatch.setattr(journal_module, "_boot", lambda: 12345)
    after = Journal(path, 4)
    beside = Journal(path, 4)
    assert after.append([RECORD]) == 1_000_005
    assert beside.append([RECORD]) == 1_000_006
    assert [entry.seq for entry in after.read(0, 10)] == [1, 2, 3, 4, 1_000_005, 1_000_006]


def test_a_new_journal_begins_at_one(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal.sqlite", 4).append([RECORD]) == 1
