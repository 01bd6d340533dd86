"""What a producer remembers, on a disk that is full."""

from __future__ import annotations

from pathlib import Path

import pytest

from producers.store import Store
from schemas.errors import WstError
from tests.platform.disk import SmallDisk


def remember_for_ever(store: Store) -> None:
    number = 0
    while True:
        number += 1
        store.remember_heard(f"engine-{number}", number, [f"{number:016x}"] * 256)


@pytest.mark.disk
def test_a_full_disk_is_said_in_one_line_and_what_was_remembered_stays(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "data", 2) as disk:
        store = Store(disk.folder)
        store.remember_heard("engine", 1, ["a"])
        disk.fill()
        with pytest.raises(WstError, match=r"takes nothing .database or disk is full"):
            remember_for_ever(store)
        disk.free()
        store.remember_heard("another", 2, ["b"])
        assert (store.heard("engine"), store.heard("another")) == ((1, ["a"]), (2, ["b"]))
        store.close()
