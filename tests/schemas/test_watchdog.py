"""The watchdog of a process: ends one that hangs, with where it hangs, and none that was only paused."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

from schemas.watchdog import EXIT_ENDED, Watchdog
from tests.platform.process import PATIENCE_S, ROOT, wait_until

PROGRAM = """
import asyncio, sys, threading, time
from pathlib import Path
from schemas.watchdog import Watchdog

password = "hunter2"

def hang_here(secret):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

async def main():
    watchdog = Watchdog(looks=10, look_s=0.1)
    asyncio.get_running_loop().create_task(watchdog.attend("the loop"))
    watchdog.start()
    Path(sys.argv[1]).touch()
    if sys.argv[2] == "hang":
        await asyncio.sleep(0.3)
        hang_here(password)
    while not Path(sys.argv[2]).exists():
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


def run(tmp_path: Path, then: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "begun"), then]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "begun").exists, "the program to begin", PATIENCE_S)
    return process


def test_a_process_that_hangs_ends_with_its_reason_and_where_each_thread_stands_and_no_value(tmp_path: Path) -> None:
    process = run(tmp_path, "hang")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == EXIT_ENDED
    assert said.startswith("wst: ending this process, as it hangs: the loop has not come round for 1 s: whoever supervises")
    assert "in hang_here" in said
    assert "hunter2" not in said


def test_a_pipe_that_nobody_reads_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    # The supervisor's end of the pipe is full before the watchdog speaks.
    code = "import os\nfor _ in range(64):\n  os.set_blocking(2, False)\n  try: os.write(2, b'x' * 65536)\n  except OSError: pass\n"
    code += "os.set_blocking(2, True)\n" + PROGRAM
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "begun"), "hang"], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        assert process.wait(PATIENCE_S) == EXIT_ENDED
    finally:
        process.kill()
        process.communicate()


def test_a_process_that_was_paused_for_longer_goes_on(tmp_path: Path) -> None:
    process = run(tmp_path, str(tmp_path / "end"))
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.3)
    (tmp_path / "end").touch()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, said) == (0, "")


async def test_who_comes_round_or_has_left_is_left_alone_and_who_does_not_is_named_once_it_is_time() -> None:
    said: list[str] = []
    watchdog = Watchdog(said.append, looks=3, look_s=0)  # whoever attends comes round with each turn of the loop: no clock decides
    left = asyncio.create_task(watchdog.attend("who left"))
    there = asyncio.create_task(watchdog.attend("who is there"))
    for _ in range(20):
        await asyncio.sleep(0)
        watchdog.look()
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert said == []
    watchdog.look()  # who is there came round while the other left
    for _ in range(2):
        watchdog.look()  # nobody has had a chance to come round
    assert said == []
    watchdog.look()
    assert said == ["who is there has not come round for 0 s"]
    there.cancel()
