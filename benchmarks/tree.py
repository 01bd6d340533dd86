"""What `wst up` costs while little happens: CPU and memory of each part, three containers on a real engine.

python -m benchmarks.tree
"""

from __future__ import annotations

import json
import tempfile
import time
from urllib.request import urlopen

import psutil

from tests.e2e.parts import Part, wst
from tests.platform.engine import DockerEngine
from tests.platform.process import free_port, wait_until

SECONDS = 20
CONTAINERS = 3


def cpu_s(process: psutil.Process) -> float:
    """Seconds of CPU a process has used, user and system."""
    return float(sum(process.cpu_times()[:2]))


def main() -> None:
    """Prints a line per part and one for all."""
    with DockerEngine() as engine, tempfile.TemporaryDirectory() as folder:
        for number in range(CONTAINERS):
            engine.run(f"idle-{number}", "sleep", "100000", options=("--label", f"com.docker.compose.project=idle{number}"))
        api = f"http://127.0.0.1:{(port := free_port())}"
        settings = {"WST_DATA_DIR": folder, "WST_ENGINES": engine.url, "WST_API": api}
        with Part(("up", "--port", str(port)), settings) as up:
            wait_until(lambda: "idle0" in wst("status", settings=settings, check=False), "the tree tracks", 60)
            time.sleep(10)  # groups have formed, the first windows are out
            with urlopen(f"{api}/healthz") as answer:  # noqa: S310  # our own, on loopback
                pids = {part["name"]: part["pid"] for part in json.load(answer)["parts"]}
            parts = {"up": psutil.Process(up.pid), **{name: psutil.Process(pid) for name, pid in pids.items()}}
            before = {name: cpu_s(process) for name, process in parts.items()}
            time.sleep(SECONDS)
            spent = {name: (cpu_s(process) - before[name]) / SECONDS * 100 for name, process in parts.items()}
            memory = {name: process.memory_info().rss / 2**20 for name, process in parts.items()}
    for name in parts:
        print(f"{name:14} {spent[name]:5.1f} % of a core  {memory[name]:6.0f} MiB resident")
    print(f"{'all':14} {sum(spent.values()):5.1f} % of a core  {sum(memory.values()):6.0f} MiB resident")


if __name__ == "__main__":
    main()
