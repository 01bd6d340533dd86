"""What collection costs with `wst producer` and with Telegraf's Docker input: the same 100 containers, 10 s, in turn.

    python -m benchmarks.telegraf [--containers 100] [--seconds 60] [--rounds 3]

Telegraf is its published Go module with this one input and a file as output (`main.go` here; built into build/telegraf by `go build`,
which fetches some 200 modules once). What it leaves to choose was chosen in its favour: sums over CPUs, interfaces and devices only, no
line a CPU. It asks for stats of every container and lists them each interval; the producer lists every 30 s, and publishes events, listings
and samples into its outbox (SQLite). The daemon's share is that of dockerd and containerd, with nobody asking as the first figure.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from benchmarks.producer import SETTLING_S, cpu_s, daemon, engine_with, producer
from tests.platform.engine import DockerEngine

HERE: Final = Path(__file__).parent
BUILT: Final = HERE.parents[1] / "build" / "telegraf"
PROGRAM: Final = BUILT / "telegraf"
INTERVAL_S: Final = 10
CONFIGURATION: Final = """\
[agent]
  interval = "{interval_s}s"
  flush_interval = "{interval_s}s"
  round_interval = false
  omit_hostname = true
  skip_processors_after_aggregators = true
[[outputs.file]]
  files = ["{folder}/out"]
  data_format = "influx"
[[inputs.docker]]
  endpoint = "{url}"
  perdevice_include = []
  total_include = ["cpu", "blkio", "network"]
  container_state_include = ["running"]
  timeout = "9s"
"""


def build() -> None:
    """Builds Telegraf with this input alone, unless it was."""
    if PROGRAM.exists():
        return
    if shutil.which("go") is None:
        sys.exit("There is no Go to build Telegraf with; on Debian: apt-get install golang")
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in ("main.go", "go.mod"):
        shutil.copyfile(HERE / name, BUILT / name)
    subprocess.run(["go", "build", "-mod=mod", "-ldflags=-s -w", "-o", PROGRAM.name, "."], cwd=BUILT, check=True)


@contextmanager
def telegraf(engine: DockerEngine, folder: Path) -> Iterator[psutil.Process]:
    """Telegraf in its steady state."""
    told = folder / "telegraf.conf"
    told.write_text(CONFIGURATION.format(interval_s=INTERVAL_S, folder=folder, url=engine.url))
    with (folder / "telegraf.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, told], stderr=log, stdout=log)
    try:
        time.sleep(SETTLING_S)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def written(folder: Path) -> int:
    """Containers' readings Telegraf has written so far."""
    return (folder / "out").read_bytes().count(b"docker_container_cpu,")


def measure(engine: DockerEngine, seconds: float, process: psutil.Process | None) -> tuple[float, float, float]:
    """Percent of a core of a collector and of the daemon, and the collector's memory, MB."""
    collector, served = [process] if process else [], daemon(engine)
    began, used, used_by_daemon = time.monotonic(), cpu_s(*collector), cpu_s(*served)
    time.sleep(seconds)
    took_s = time.monotonic() - began
    memory = process.memory_info().rss / 2**20 if process else 0.0
    return 100 * (cpu_s(*collector) - used) / took_s, 100 * (cpu_s(*served) - used_by_daemon) / took_s, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    build()
    found: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    with engine_with(asked.containers) as engine:
        print(f"{asked.containers} containers at {INTERVAL_S} s, {engine.flavour} engine, {asked.rounds} × {asked.seconds:g} s each")
        for _ in range(asked.rounds):
            found["nobody"].append(measure(engine, asked.seconds, None))
            with tempfile.TemporaryDirectory() as name, producer(engine, Path(name)) as (process, _log):
                found["wst producer"].append(measure(engine, asked.seconds, process))
            with tempfile.TemporaryDirectory() as name, telegraf(engine, Path(name)) as process:
                before = written(Path(name))
                found["telegraf"].append(measure(engine, asked.seconds, process))
                readings = written(Path(name)) - before
                assert readings >= asked.containers * (asked.seconds // INTERVAL_S - 1), f"Telegraf wrote {readings} readings only"
    print("| asking | collector, % of a core | the daemon, % of a core | collector's memory, MB |\n|---|---|---|---|")
    for who, all_of_them in found.items():
        collector, of_daemon, memory = zip(*all_of_them, strict=True)
        each = "; ".join(" ".join(f"{one:.2f}" for one in figures) for figures in (collector, of_daemon))
        middle = [statistics.median(figures) for figures in (collector, of_daemon, memory)]
        print(f"| {who} | {middle[0]:.2f} | {middle[1]:.2f} | {middle[2]:.0f} |  ({each})")


if __name__ == "__main__":
    main()
