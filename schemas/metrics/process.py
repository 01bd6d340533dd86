"""What every part can say of its own process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from schemas.metrics import system
from schemas.metrics.declared import Figure

_BEGAN: Final = time.time()
_PROC: Final = Path("/proc/self")


def version_text() -> str:
    """The version that runs."""
    try:
        return version("workspace-status")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"


def process_figures() -> Iterator[Figure]:
    """Version, age, CPU time; memory and open files where the system tells (Linux)."""
    yield system.BUILD.at(1, version_text())
    yield system.STARTED.at(_BEGAN)
    yield system.CPU_SECONDS.at(time.process_time())
    try:
        pages = int((_PROC / "statm").read_text().split()[1])
        yield system.RESIDENT.at(pages * os.sysconf("SC_PAGE_SIZE"))
        yield system.OPEN_FILES.at(len(os.listdir(_PROC / "fd")))  # noqa: PTH208  # a Path for each would open no fewer
    except (OSError, ValueError):
        return
