"""The clock for what has stood still: it never goes back, and counts a suspended machine's time."""

from __future__ import annotations

import time


def steady_clock() -> float:
    """Seconds on a clock that never goes back and counts a suspended machine's time, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
