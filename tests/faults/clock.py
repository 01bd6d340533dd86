"""A wall clock that steps: that of one process, by what a campaign writes into a file. Its monotonic clock does not."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

#: The machine's clock, also in a process whose own one steps.
TRUE_NS: Final = time.time_ns
_LOOK_S: Final = 0.05


class _Stepping:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._off_ns = 0
        self._look_at = 0.0

    def time_ns(self) -> int:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            with suppress(OSError, ValueError):  # not yet written
                self._off_ns = int(self._path.read_text())
        return TRUE_NS() + self._off_ns

    def time(self) -> float:
        return self.time_ns() / 1e9


def follow(path: Path) -> None:
    """From now on this process's wall clock is off by what stands in a file, ns; before any module takes `time.time_ns` for its own."""
    stepping = _Stepping(path)
    time.time_ns = stepping.time_ns
    time.time = stepping.time


def step(path: Path, off_s: float) -> None:
    """Lets the clock of the processes that follow a file be off by so much, s."""
    written = path.with_suffix(".new")
    written.write_text(str(round(off_s * 1e9)))
    written.replace(path)
