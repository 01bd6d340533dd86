"""A process that follows a clock steps with it; the machine's clock and the monotonic one do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.clock import step
from tests.platform.process import ROOT

OFF = """
import sys, time
from pathlib import Path
from tests.faults import clock
clock.follow(Path(sys.argv[1]))
print(round((time.time_ns() - clock.TRUE_NS()) / 1e9), round(time.time() - clock.TRUE_NS() / 1e9))
"""


def off_s(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", OFF, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_its_wall_clock_is_off_by_what_was_said_and_right_without_it(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    assert off_s(path) == "0 0"
    step(path, -3600.0)
    assert off_s(path) == "-3600 -3600"
    step(path, 0.0)
    assert off_s(path) == "0 0"
