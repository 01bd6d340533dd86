"""What a hundred callbacks cost the fold: the state worker at a steady rate of events, without a program, with one without and with 100.

    python -m benchmarks.callbacks                          # 200 events/s, stretches of 20 s, each kind three times in turn
    python -m benchmarks.callbacks --rate 400 --rounds 5

A program with a `Tracker` on Kafka runs beside the worker, in a process of its own as programs do. Of its 100 callbacks half are async; one
raises and one hangs for ever. Printed for each stretch: CPU of the worker per 1,000 events, and how late changes are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.sustained import CONTAINERS, PARTITIONS, Watch, fact, of_kafka, paced, writer
from schemas import topics
from schemas.settings import Settings
from streams import Tracker
from tests.platform.kafka import KafkaBroker

MANY: Final = 100
NOBODY: Final = -1


async def listen(bootstrap: str, callbacks: int) -> None:
    """A program with so many callbacks, until SIGTERM; it says how often they were called."""
    calls = 0
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def make(number: int) -> Callable[..., object]:
        async def later(workspace_id: str, old: object, new: object) -> None:
            nonlocal calls
            calls += 1

        def at_once(workspace_id: str, old: object, new: object) -> None:
            nonlocal calls
            calls += 1
            if number == 1:
                raise ValueError("one that raises")
            if number == 3:
                threading.Event().wait()

        return at_once if number % 2 else later

    async with Tracker(Settings(brokers=bootstrap, partitions=PARTITIONS, _env_file=None)) as tracker:
        for number in range(callbacks):
            tracker.on_state_change(make(number))
        print("ready", flush=True)
        await stop.wait()
        print(f"{calls:,} calls", flush=True)


def listener(bootstrap: str, callbacks: int) -> subprocess.Popen[str] | None:
    """The program in its process, connected."""
    if callbacks == NOBODY:
        return None
    command = [sys.executable, "-m", "benchmarks.callbacks", "--listen", bootstrap, "--callbacks", str(callbacks)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def cpu_s(pid: int) -> float:
    """CPU time a process has used, s."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def run(broker: KafkaBroker, worker: subprocess.Popen[bytes], asked: argparse.Namespace) -> None:
    """Stretches in turn, in an order of their own each round, so that no kind always comes first."""
    put = writer(broker.bootstrap)
    everything, watch = asked.workspaces * CONTAINERS, Watch(of_kafka(broker.bootstrap))
    costs: dict[int, list[float]] = defaultdict(list)
    late: dict[int, list[float]] = defaultdict(list)
    try:
        for begin in range(0, everything, 200):
            part = range(begin, min(begin + 200, everything))
            put([fact(which, action)[0] for which in part for action in ("create", "start")])
            watch.wait_for(2 * part.stop)
        known = 0
        for number in range(asked.rounds):
            kinds = [NOBODY, 0, MANY]
            for kind in kinds[number % 3 :] + kinds[: number % 3]:
                process = listener(broker.bootstrap, kind)
                before = cpu_s(worker.pid)
                sent = list(paced(put, everything, asked.rate, asked.seconds, known))
                known += len(sent)
                watch.wait_for(everything * 2 + known)
                cost_ms = (cpu_s(worker.pid) - before) * 1e6 / len(sent)
                took = sorted((watch.came_ns[at_ns] - at_ns) / 1e6 for at_ns in sent)
                said = "no program"
                if process is not None:
                    process.terminate()
                    said = f"{kind} callbacks, {(process.communicate()[0] or '').strip()}"
                shown = f"p50 {took[len(took) // 2]:.0f}, p99 {took[len(took) * 99 // 100]:.0f} ms"
                print(f"{cost_ms:7.0f} ms of CPU per 1,000 events, changes {shown}: {said}", flush=True)
                costs[kind].append(cost_ms)
                late[kind].append(took[len(took) * 99 // 100])
    finally:
        watch.close()
    for kind in (NOBODY, 0):
        ratio = statistics.median(costs[MANY]) / statistics.median(costs[kind])
        print(
            f"the worker with {MANY} callbacks against {'no program' if kind == NOBODY else 'a program with none'}: {ratio:.3f} of the CPU"
        )


def main() -> None:
    """Measures, or is the program that listens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a stretch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workspaces", type=int, default=200)
    parser.add_argument("--listen", help=argparse.SUPPRESS)
    parser.add_argument("--callbacks", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.listen:
        asyncio.run(listen(asked.listen, asked.callbacks))
        return
    with KafkaBroker() as broker:
        for topic in topics.ALL:
            config = {name.replace(".", "_"): value for name, value in topic.kafka_config().items()}
            broker.create_topic(topic.full("wst."), PARTITIONS, **config)
        env = os.environ | {"WST_BROKERS": broker.bootstrap, "WST_PARTITIONS": str(PARTITIONS), "WST_DATA_DIR": tempfile.mkdtemp()}
        worker = subprocess.Popen([sys.executable, "-m", "schemas.wst", "worker", "state"], env=env)
        try:
            run(broker, worker, asked)
        finally:
            worker.terminate()
            worker.wait(20)


if __name__ == "__main__":
    main()
