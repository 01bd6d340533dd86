"""What `wst up` does to a data directory before anything runs: copy one of an earlier version, refuse one of a later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.errors import SettingError
from streams import migrate
from streams.supervisor.safety_copy import before_start, migration_names

OLD = ["0001_tables.sql"]
NEW = ["0001_tables.sql", "0002_views.sql"]


def filled(folder: Path) -> Path:
    part = folder / "archive" / "store" / "abc" / "abc0-1" / "all_1_6_2"
    part.mkdir(parents=True)
    (part / "data.bin").write_text("rows")
    table = folder / "archive" / "metadata"
    table.mkdir()
    (table / "t.sql").write_text("old")
    (folder / "journal.sqlite").write_text("facts")
    (folder / "logs").mkdir()
    (folder / "lock").write_text("1")
    (folder / "alive.sink").touch()
    return part / "data.bin"


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_names_are_those_that_are_applied() -> None:
    assert migration_names() == [migration.name for migration in migrate.migrations()]


def test_a_directory_of_an_earlier_version_is_copied_once_and_what_is_written_later_is_not_in_the_copy(tmp_path: Path) -> None:
    rows = filled(tmp_path)
    said = before_start(tmp_path, NEW)
    copy = tmp_path / "before-upgrade"
    assert said == f"an earlier version wrote {tmp_path}: a copy of it is in {copy}"
    assert files(copy) == {
        "archive/store/abc/abc0-1/all_1_6_2/data.bin": "rows",
        "archive/metadata/t.sql": "old",
        "journal.sqlite": "facts",
    }
    # Parts are linked, as they never change; what is changed in place is not.
    assert rows.samefile(copy / rows.relative_to(tmp_path))
    (tmp_path / "archive" / "metadata" / "t.sql").write_text("new")
    (tmp_path / "journal.sqlite").write_text("more")
    rows.unlink()
    assert files(copy)["archive/metadata/t.sql"] == "old"
    assert files(copy)["journal.sqlite"] == "facts"
    assert (copy / rows.relative_to(tmp_path)).read_text() == "rows"
    assert before_start(tmp_path, NEW) == ""


def test_the_copy_of_the_upgrade_before_gives_way_to_the_new_one(tmp_path: Path) -> None:
    filled(tmp_path)
    before_start(tmp_path, OLD)
    (tmp_path / "journal.sqlite").write_text("more facts")
    before_start(tmp_path, NEW)
    assert files(tmp_path / "before-upgrade")["journal.sqlite"] == "more facts"
    assert not any("before-upgrade" in name for name in files(tmp_path / "before-upgrade"))
    assert json.loads((tmp_path / "before-upgrade" / "PROGRAM").read_text()) == {"migrations": OLD}


def test_an_empty_directory_and_one_whose_owner_wants_none_are_not_copied(tmp_path: Path) -> None:
    assert before_start(tmp_path, OLD) == ""
    filled(tmp_path)
    assert before_start(tmp_path, NEW, copies=False) == ""
    assert not (tmp_path / "before-upgrade").exists()


def test_a_directory_that_a_newer_program_wrote_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path)
    before_start(tmp_path, NEW)
    before = files(tmp_path)
    with pytest.raises(SettingError, match=r"was written by a newer wst \(its archive has 0002_views.sql\)"):
        before_start(tmp_path, OLD)
    assert files(tmp_path) == before


def test_a_copy_that_does_not_fit_stops_the_upgrade_and_leaves_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streams.supervisor.safety_copy.shutil.copy2", full)
    with pytest.raises(SettingError, match=r"cannot be copied before it is upgraded .*No space left"):
        before_start(tmp_path, NEW)
    assert not list(tmp_path.glob("before-upgrade*"))
    monkeypatch.undo()
    assert "a copy of it is in" in before_start(tmp_path, NEW)
