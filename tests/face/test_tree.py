"""The supervisor over tiny real processes: order, restarts, clean ends, no orphans."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.supervisor import part as part_module
from streams.supervisor import tree as tree_module
from streams.supervisor.hanging import LOOK_S, LOOKS
from streams.supervisor.part import Child, Part
from streams.supervisor.tree import PartFailed, Tree
from tests.platform.process import PATIENCE_S

FOREVER = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); "
#: In short sleeps: one that a signal comes just before is not cut short by it.
WAIT = "any(time.sleep(0.05) for _ in iter(int, 1))"


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


def broker(name: str = "broker") -> Part:
    code = FOREVER + "import os; print('starting'); print('wst-ready 127.0.0.1:' + str(os.getpid()), flush=True); " + WAIT
    return Part(name, python(code), provides="WST_BROKERS")


def reader(folder: Path, name: str = "reader") -> Part:
    # Closed by name: what a signal's handler raises while a file is closed by its end of life is lost, and the part would stay.
    written = f"file = open({str(folder / name)!r}, 'a'); file.write(os.environ['WST_BROKERS'] + '\\n'); file.close(); "
    code = FOREVER + "import os; " + written + WAIT
    return Part(name, python(code), needs=("broker",))


def lines_in(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


class Running:
    """A tree under way, what it said, and how to wait for something about it."""

    def __init__(self, tree: Tree, said: list[str], stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.tree = tree
        self.said = said
        self.stop = stop
        self.task = task

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.task.done():
                self.task.result()
            assert time.monotonic() < deadline, (self.said, self.tree.seen)
            await asyncio.sleep(0.01)

    def is_up(self, name: str, restarts: int = 0) -> bool:
        seen = self.tree.seen[name]
        return seen.state == "up" and seen.restarts >= restarts

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, PATIENCE_S)


@asynccontextmanager
async def running(folder: Path, *parts: Part, looks: int = LOOKS, look_s: float = LOOK_S) -> AsyncIterator[Running]:
    said: list[str] = []
    stop = asyncio.Event()
    tree = Tree(parts, {"PATH": os.environ["PATH"]}, folder, said.append, looks, look_s)
    run = Running(tree, said, stop, asyncio.create_task(tree.run(stop)))
    try:
        yield run
    finally:
        stop.set()
        with contextlib.suppress(PartFailed):
            await asyncio.wait_for(run.task, PATIENCE_S)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


async def test_parts_start_when_what_they_need_is_ready_and_get_its_address(tmp_path: Path) -> None:
    async with running(tmp_path, reader(tmp_path), broker()) as run:
        await run.until(lambda: run.is_up("reader") and lines_in(tmp_path / "reader") == 1)
        assert (tmp_path / "reader").read_text() == f"127.0.0.1:{run.tree.seen['broker'].pid}\n"
        assert await run.tree.ready("broker") == f"127.0.0.1:{run.tree.seen['broker'].pid}"
        listed = json.loads((tmp_path / "parts.json").read_text())
        assert {(each["name"], each["state"]) for each in listed} == {("broker", "up"), ("reader", "up")}
        await run.end()
    assert not (tmp_path / "parts.json").exists()
    assert run.said == []


async def test_a_part_that_is_killed_is_started_again_and_said_so_in_one_line(tmp_path: Path) -> None:
    async with running(tmp_path, broker(), reader(tmp_path)) as run:
        await run.until(lambda: run.is_up("reader"))
        pids = {name: seen.pid for name, seen in run.tree.seen.items()}
        os.kill(pids["reader"], signal.SIGKILL)
        await run.until(lambda: run.is_up("reader", restarts=1))
        assert run.said == ["reader killed by SIGKILL: starting it again"]
        assert run.tree.seen["broker"].pid == pids["broker"]
        assert run.tree.seen["reader"].pid != pids["reader"]


async def test_a_full_disk_is_said_once_and_harms_none_of_the_parts(tmp_path: Path) -> None:
    async with running(tmp_path, broker(), reader(tmp_path)) as run:
        await run.until(lambda: run.is_up("reader"))
        (tmp_path / "parts.json.new").symlink_to("/dev/full")
        pid = run.tree.seen["broker"].pid
        for restarts in (1, 2):
            os.kill(run.tree.seen["reader"].pid, signal.SIGKILL)
            await run.until(lambda: run.is_up("reader", restarts))  # noqa: B023  # looked at before the next one
        assert [line for line in run.said if "No space left on device" in line] == [
            f"{tmp_path} takes no more (No space left on device): make room; all goes on, `wst doctor` may tell old things"
        ]
        assert run.tree.seen["broker"].pid == pid
        (tmp_path / "parts.json.new").unlink()
        os.kill(run.tree.seen["reader"].pid, signal.SIGKILL)
        await run.until(lambda: run.is_up("reader", restarts=3))
        listed = {each["name"]: each["restarts"] for each in json.loads((tmp_path / "parts.json").read_text())}
        assert listed == {"broker": 0, "reader": 3}


async def test_when_the_broker_dies_those_that_need_it_start_again_with_its_new_address(tmp_path: Path) -> None:
    async with running(tmp_path, broker(), reader(tmp_path), reader(tmp_path, "other")) as run:
        await run.until(lambda: all(lines_in(tmp_path / name) == 1 for name in ("reader", "other")))
        old = run.tree.seen["reader"].pid
        os.kill(run.tree.seen["broker"].pid, signal.SIGKILL)
        await run.until(lambda: all(lines_in(tmp_path / name) == 2 for name in ("reader", "other")))
        assert (tmp_path / "other").read_text().splitlines()[1] == f"127.0.0.1:{run.tree.seen['broker'].pid}"
        assert run.said == ["broker killed by SIGKILL: starting it again"]
        assert not is_alive(old)


async def test_a_part_that_keeps_dying_is_started_less_and_less_often_and_its_reason_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "_DELAYS_S", (0.01, 0.05, 0.1, 1.0))
    crash = Part("crash", python("import sys; print('noise'); print('wst: the disk is full: make room', file=sys.stderr); sys.exit(1)"))
    async with running(tmp_path, crash) as run:
        began = time.monotonic()
        await run.until(lambda: len(run.said) >= 4)
        assert time.monotonic() - began > 0.05 + 0.1
    assert run.said[0] == "crash ended with status 1 (the disk is full: make room): starting it again"
    assert run.said[3].endswith("starting it again in 1 s")


@pytest.mark.parametrize("status", [2, 3])
async def test_a_part_that_says_at_its_start_why_it_cannot_run_ends_the_tree_with_its_line_and_status(tmp_path: Path, status: int) -> None:
    refuses = Part(
        "producer", python(f"import sys; print('wst: no engine answers: start it', file=sys.stderr); sys.exit({status})"), needs=("broker",)
    )
    async with running(tmp_path, broker(), refuses) as run:
        with pytest.raises(PartFailed) as failed:
            await asyncio.wait_for(run.task, PATIENCE_S)
    assert (str(failed.value), failed.value.exit_code) == ("no engine answers: start it", status)
    assert not is_alive(run.tree.seen["broker"].pid)


async def test_a_part_that_worked_and_then_loses_what_it_needs_does_not_end_the_tree(tmp_path: Path) -> None:
    code = FOREVER + (
        "import os; pid = int(os.environ['WST_BROKERS'].split(':')[1]); print('wst-ready x', flush=True)\n"
        "while os.path.exists(f'/proc/{pid}') and 'State:\tZ' not in open(f'/proc/{pid}/status').read(): time.sleep(0.001)\n"
        "print('wst: the broker is away', flush=True); sys.exit(3)"
    )
    async with running(tmp_path, broker(), Part("serve", python(code), needs=("broker",), provides="WST_API")) as run:
        await run.until(lambda: run.is_up("serve"))
        first = run.tree.seen["serve"].pid
        os.kill(run.tree.seen["broker"].pid, signal.SIGKILL)
        await run.until(lambda: run.is_up("serve") and run.tree.seen["serve"].pid != first)
        assert run.said[0].startswith(("broker killed by SIGKILL", "serve ended with status 3 (the broker is away)"))


async def test_a_part_that_says_nothing_is_not_listened_to_for_as_long_as_it_runs(tmp_path: Path) -> None:
    child = await Child.start(Part("silent", python("import time; time.sleep(1000)")), {}, tmp_path / "silent.log")
    try:
        assert await asyncio.wait_for(child.ready, PATIENCE_S) == ""
    finally:
        await child.stop(0.1)


async def test_a_recording_that_has_been_played_is_done_and_not_played_again(tmp_path: Path) -> None:
    async with running(tmp_path, broker(), Part("play", python("pass"), may_end=True)) as run:
        await run.until(lambda: run.tree.seen["play"].state == "done")
        await asyncio.sleep(0.3)
        assert (run.tree.seen["play"].restarts, run.said) == (0, [])


async def test_a_part_that_ignores_the_end_is_killed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "_STOP_S", 0.3)
    stubborn = Part(
        "stubborn",
        python("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('wst-ready x', flush=True); time.sleep(1000)"),
        provides="X",
    )
    async with running(tmp_path, stubborn, broker()) as run:
        await run.until(lambda: run.is_up("stubborn") and run.is_up("broker"))
        await run.end()
    assert run.said == ["stubborn did not end within 0.3 s: killed"]
    assert not any(is_alive(seen.pid) for seen in run.tree.seen.values())


async def test_what_a_part_has_started_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '1000']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); print('wst-ready x', flush=True); time.sleep(1000)"
    )
    async with running(tmp_path, Part("parent", python(code), provides="X")) as run:
        await run.until(lambda: run.is_up("parent"))
        grandchild = int((tmp_path / "pid").read_text())
        assert is_alive(grandchild)
        await run.end()
    await run_until_dead(grandchild)


async def test_a_part_that_hangs_is_killed_started_again_and_said_so_in_one_line(tmp_path: Path) -> None:
    touch = f"import pathlib; file = pathlib.Path({str(tmp_path / 'alive.it')!r})\nwhile True: file.touch(); time.sleep(0.02)"
    part = Part("it", python(FOREVER + touch), alive=("alive.it",))
    # Left by an earlier run: says nothing of this one.
    (tmp_path / "alive.it").touch()
    async with running(tmp_path, part, looks=10, look_s=0.1) as run:
        await run.until(lambda: run.is_up("it") and (tmp_path / "alive.it").exists())
        await asyncio.sleep(1.5)
        assert (run.tree.seen["it"].restarts, run.said) == (0, [])
        os.kill(run.tree.seen["it"].pid, signal.SIGSTOP)
        await run.until(lambda: run.is_up("it", restarts=1))
        assert run.said == ["it hung: it has not touched alive.it for 1 s: starting it again"]


async def test_a_part_that_is_still_starting_is_not_taken_for_one_that_hangs(tmp_path: Path) -> None:
    part = Part("slow", python(FOREVER + WAIT), alive=("alive.slow",))
    async with running(tmp_path, part, looks=3, look_s=0.05) as run:
        await run.until(lambda: run.is_up("slow"))
        await asyncio.sleep(0.6)
        assert (run.tree.seen["slow"].restarts, run.said) == (0, [])


async def run_until_dead(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while is_alive(pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from tests.face.test_tree import broker, reader
from streams.supervisor.tree import Tree
folder = Path(sys.argv[1])
asyncio.run(Tree([broker(), reader(folder)], dict(os.environ), folder, print).run(asyncio.Event()))
"""


def test_a_supervisor_killed_with_sigkill_leaves_no_orphan(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)])
    deadline = time.monotonic() + PATIENCE_S
    pids: list[int] = []
    while len(pids) < 2 or not (tmp_path / "reader").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
        with contextlib.suppress(OSError, ValueError):
            pids = [each["pid"] for each in json.loads((tmp_path / "parts.json").read_text()) if each["pid"]]
    assert all(is_alive(pid) for pid in pids)
    supervisor.kill()
    supervisor.wait()
    asyncio.run(asyncio.wait_for(_all_dead(pids), PATIENCE_S))


async def _all_dead(pids: list[int]) -> None:
    for pid in pids:
        await run_until_dead(pid)


def test_a_long_log_is_put_aside_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "_LOG_BYTES", 100)
    log = tmp_path / "x.log"
    with log.open("ab") as still_open:
        still_open.write(b"old\n" * 50)
        still_open.flush()
        part_module.shorten(log)
        still_open.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"old\n" * 50
