"""The engine in process reports nothing of a disk that takes no more: the writer does, and the next process has everything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.platform.disk import SmallDisk
from tests.platform.process import ROOT


class Child:
    """A process of its own with the archive open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def opened(directory: Path) -> Iterator[Child]:
    command = [sys.executable, "-m", "tests.sinks.embedded_child", str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Child(process)
        process.kill()


def test_an_insert_that_the_disk_did_not_take_is_said_and_is_gone_in_the_next_process(tmp_path: Path) -> None:
    with opened(tmp_path) as child:
        assert child.ask("write 1 5000") == "done"
        child.ask("limit 4000")
        assert "took not all that was written" in child.ask("copy")
    with opened(tmp_path) as child:
        assert child.ask("count") == "(5000, 5000)"
        assert child.ask("copy") == "done"
        assert child.ask("count") == "(10000, 10000)"


def test_no_room_for_what_is_on_its_way_to_the_engine_is_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path) as child:
        child.ask("limit 4000")
        said = child.ask("write 1 5000")
        assert said.startswith("Busy")
        assert "File too large" in said
        child.ask("limit 100000000")
        assert child.ask("write 1 5000") == "done"
        assert child.ask("count") == "(5000, 5000)"


def test_a_merge_that_the_disk_did_not_take_is_said_at_the_next_write_and_loses_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as child:
        for first in range(1, 5000, 1000):
            assert child.ask(f"write {first} {first + 999}") == "done"
        child.ask("limit 4000")
        assert child.ask("merge") == "done"  # as the engine says
        child.ask("limit 100000000")
        assert "took not all that was written" in child.ask("write 5001 5001")
    with opened(tmp_path) as child:
        assert child.ask("write 5001 5001") == "done"
        assert child.ask("count") == "(5001, 5001)"


@pytest.mark.disk
def test_a_disk_that_is_nearly_full_is_waited_for_and_nothing_is_merged_there(tmp_path: Path) -> None:
    with SmallDisk(tmp_path, 128) as disk, opened(tmp_path / "archive") as child:
        assert child.ask("write 1 100") == "done"
        disk.fill()
        said = child.ask("write 101 200")
        assert said.startswith("Busy")
        assert "less than 64 MiB left" in said
        assert child.ask("merge") != "done"
        disk.free()
        assert child.ask("write 101 200") == "done"
        assert child.ask("merge") == "done"
        assert child.ask("count") == "(200, 200)"


@pytest.mark.disk
def test_an_archive_that_is_opened_on_a_full_disk_can_be_read_and_waits(tmp_path: Path) -> None:
    with SmallDisk(tmp_path, 128) as disk:
        with opened(tmp_path / "archive") as child:
            assert child.ask("write 1 3000") == "done"
        disk.fill()
        with opened(tmp_path / "archive") as child:
            assert "less than 64 MiB left" in child.ask("write 3001 3100")  # nothing that would end the process again and again
            assert child.ask("count") == "(3000, 3000)"
            disk.free()
            assert child.ask("write 3001 3100") == "done"
            assert child.ask("count") == "(3100, 3100)"
