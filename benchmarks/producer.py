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
from pathlib import Path

import psutil

from tests.platform.engine import DockerEngine, missing_trixie
from tests.platform.process import wait_until


def cpu_s(process: psutil.Process) -> float:
    """CPU time used so far, s."""
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Measures."""
    containers, seconds = (int(sys.argv[n]) if len(sys.argv) > n else default for n, default in ((1, 100), (2, 130)))
    with DockerEngine("host" if missing_trixie() else "trixie") as engine, tempfile.TemporaryDirectory() as folder:
        for number in range(containers):
            engine.run(
                f"c{number}", "sleep", "100000", options=["--label", f"com.docker.compose.project=p{number // 4}", "--network", "none"]
            )
        log = Path(folder) / "log"
        settings = {"DOCKER_HOST": engine.url, "WST_DATA_DIR": folder, "WST_JOURNAL": f"{folder}/journal.sqlite"}
        with log.open("wb") as out:
            producer = subprocess.Popen([sys.executable, "-m", "schemas.wst", "producer"], env={**os.environ, **settings}, stderr=out)
        process = psutil.Process(producer.pid)
        wait_until(lambda: b"watching" in log.read_bytes(), "it watches")
        time.sleep(12)  # the first listing inspects all: that is no steady state
        began, used = time.monotonic(), cpu_s(process)
        time.sleep(seconds)
        share = (cpu_s(process) - used) / (time.monotonic() - began)
        memory = process.memory_info().rss / 2**20
        producer.terminate()
        producer.wait()
        said = re.findall(r"last minute: (.*)", log.read_text())[-1]
    counted = {name: int(number) for name, number in re.findall(r"(\S+)=(\d+)", said)}
    calls = sum(number for name, number in counted.items() if name in ("calls.info", "calls.list", "calls.inspect"))
    print(f"{containers} containers, {engine.flavour} engine, {seconds} s: {100 * share:.2f} % of a core, {memory:.1f} MB resident")
    print(f"in the last minute: {counted['calls.stats'] / containers:.1f} stats calls a container")
    print(f"{calls / counted['syncs']:.1f} calls a sync")
    print(said)


if __name__ == "__main__":
    main()
