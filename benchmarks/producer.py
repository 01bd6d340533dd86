"""What a producer costs beside 100 real containers: `python -m benchmarks.producer [CONTAINERS] [SECONDS]`.

Starts a private Docker Engine (26 where it was built, else this machine's), watches it with `wst producer` at the
default intervals and prints CPU of the producer and of the daemon, memory, calls per container and interval and per sync.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.platform.engine import DockerEngine, missing_trixie
from tests.platform.process import wait_until

#: The first listing inspects all: that is no steady state.
SETTLING_S: Final = 12.0


def cpu_s(*processes: psutil.Process) -> float:
    """CPU time used so far by processes that live, s."""
    return float(sum(times.user + times.system for times in (process.cpu_times() for process in processes)))


def daemon(engine: DockerEngine) -> list[psutil.Process]:
    """The engine's own processes: dockerd and containerd, which serve every call; not those of its containers."""
    whole = psutil.Process(engine.pid)
    return [whole, *(child for child in whole.children() if child.name() == "containerd")]


@contextmanager
def engine_with(containers: int) -> Iterator[DockerEngine]:
    """A private engine on which so many containers sleep, four a workspace."""
    with DockerEngine("host" if missing_trixie() else "trixie") as engine:
        for number in range(containers):
            options = ["--label", f"com.docker.compose.project=p{number // 4}", "--network", "none"]
            engine.run(f"c{number}", "sleep", "100000", options=options)
        yield engine


@contextmanager
def producer(engine: DockerEngine, folder: Path) -> Iterator[tuple[psutil.Process, Path]]:
    """`wst producer` watching an engine, in its steady state, and its log; ended afterwards."""
    log = folder / "log"
    settings = {"DOCKER_HOST": engine.url, "WST_DATA_DIR": str(folder), "WST_JOURNAL": str(folder / "journal.sqlite")}
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "schemas.wst", "producer"], env={**os.environ, **settings}, stderr=out)
    try:
        wait_until(lambda: b"watching" in log.read_bytes(), "it watches")
        time.sleep(SETTLING_S)
        yield psutil.Process(process.pid), log
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measures."""
    containers, seconds = (int(sys.argv[n]) if len(sys.argv) > n else default for n, default in ((1, 100), (2, 130)))
    with engine_with(containers) as engine, tempfile.TemporaryDirectory() as folder:
        with producer(engine, Path(folder)) as (process, log):
            served = daemon(engine)
            began, used, used_by_daemon = time.monotonic(), cpu_s(process), cpu_s(*served)
            time.sleep(seconds)
            took_s = time.monotonic() - began
            share, daemons_share = (cpu_s(process) - used) / took_s, (cpu_s(*served) - used_by_daemon) / took_s
            memory = process.memory_info().rss / 2**20
        said = re.findall(r"last minute: (.*)", log.read_text())[-1]
    counted = {name: int(number) for name, number in re.findall(r"(\S+)=(\d+)", said)}
    calls = sum(number for name, number in counted.items() if name in ("calls.info", "calls.list", "calls.inspect"))
    print(
        f"{containers} containers, {engine.flavour} engine, {seconds} s: {100 * share:.2f} % of a core, {memory:.1f} MB resident; "
        f"the engine's daemon {100 * daemons_share:.2f} % beside it"
    )
    print(f"in the last minute: {counted['calls.stats'] / containers:.1f} stats calls a container")
    print(f"{calls / counted['syncs']:.1f} calls a sync")
    print(said)


if __name__ == "__main__":
    main()
