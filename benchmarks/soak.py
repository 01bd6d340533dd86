"""Does anything grow? All parts of `wst up` over a made-up fleet for long: memory, files and threads of each, every ten seconds.

    python -m benchmarks.soak --minutes 120
    python -m benchmarks.soak --minutes 30 --collect 0.5 --deeds 20        # more in less time

What is compressed in time: a fleet is sampled more often than every ten seconds, its containers come and go by the second, and beside it
some workspaces live through a week of hours, whose windows open, are corrected, close and are forgotten. What is not: whatever goes by
the wall clock, such as the age at which the journal lets go of records. Clients come and go all the while.

At the end a line is laid through each figure behind the warm-up, a third of the time. What rises by more than a twentieth of itself an
hour, and surely so, is named, and the status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from producers.fleet import FleetPlan
from schemas.journal import Journal
from schemas.publish import Record
from streams.embedded.broker import PARTITIONS
from streams.supervisor.plan import PRODUCER, Source, environment, parts
from streams.supervisor.tree import Tree
from tests.e2e.parts import answers, clean_environment
from tests.faults.traffic import Ticks, write_fleet
from tests.platform.process import free_port, wait_until

EVERY_S: Final = 10.0
#: Hours that some workspaces live through: no more than the log keeps.
PAST_H: Final = 160
WARM: Final = 1 / 3
#: What rises less in an hour, as a share of itself, does not grow; what rises by more has to be so many times its own uncertainty.
LEAST: Final = 0.05
SURE: Final = 4.0
_CLOCK: Final = os.sysconf("SC_CLK_TCK")


class Held(NamedTuple):
    """What a process has, at a time in s since the begin."""

    at_s: float
    memory_mb: float
    files: int
    threads: int
    cpu_s: float


class Trend(NamedTuple):
    """A line through a figure.

    Attributes:
        mean: of the figure.
        per_hour: how much it rises.
        sure: that, as a multiple of its standard error.
    """

    mean: float
    per_hour: float
    sure: float

    @property
    def grows(self) -> bool:
        """Whether that is more than the figure's own restlessness."""
        return self.per_hour > LEAST * self.mean and self.sure > SURE


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """Least squares over (seconds, figure); three points at least."""
    count = len(points)
    mean_s, mean = (sum(axis) / count for axis in zip(*points, strict=True))
    spread = sum((at - mean_s) ** 2 for at, _ in points)
    slope = sum((at - mean_s) * (value - mean) for at, value in points) / spread
    rest = sum((value - mean - slope * (at - mean_s)) ** 2 for at, value in points)
    error: float = (rest / (count - 2) / spread) ** 0.5
    return Trend(mean, slope * 3600, slope / error if error else float("inf") if slope else 0.0)


def held(pid: int, at_s: float) -> Held:
    """What a process has now.

    Raises:
        OSError, KeyError: it is no more, or has ended and nobody has heard of it yet.
    """
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Held(at_s, int(status["VmRSS"].split()[0]) / 1024, files, int(status["Threads"]), (int(user) + int(system)) / _CLOCK)


@dataclass(frozen=True, slots=True)
class Site:
    """The tree that runs.

    Attributes:
        folder: its data directory.
        api: its API.
        said: what its supervisor had to say: a part that died.
    """

    folder: Path
    api: str
    said: list[str]

    def pids(self) -> dict[str, int]:
        """Processes by part."""
        return {part["name"]: part["pid"] for part in json.loads((self.folder / "parts.json").read_text())}


@contextmanager
def running(folder: Path, asked: argparse.Namespace) -> Iterator[Site]:
    """The parts of `wst up`, whose producer watches a made-up fleet."""
    plan = FleetPlan(
        seed=asked.seed, workspaces=asked.workspaces, containers=asked.containers, deeds=asked.deeds, seconds=asked.minutes * 60 + 600
    )
    write_fleet(folder / "fleet.json", plan, time.time_ns())
    source, port = Source(), free_port()
    settings = {
        "WST_FLEET": str(folder / "fleet.json"), "WST_COLLECT_INTERVAL": f"{asked.collect}s", "WST_SYNC_INTERVAL": "5s",
        "WST_METRICS_UPDATE_EVERY": "10s", "WST_ENGINE_NAME": "soak", "WST_ENGINE_ID": "soak-engine",
    }  # fmt: skip
    fleet = (sys.executable, "-m", "tests.faults.part", "producer")
    chosen = [replace(part, argv=fleet) if part.name == PRODUCER else part for part in parts(source)]
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)

    tree = Tree(chosen, environment(clean_environment(settings), folder, port, source), folder, say)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(tree.run(stop)))
    thread.start()
    try:
        api = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(api), "the tree to answer", 300)
        yield Site(folder, api, said)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def beside(*works: Callable[[], None]) -> Iterator[None]:
    """Does some things again and again in threads of their own."""
    stop = threading.Event()

    def keep_doing(work: Callable[[], None]) -> None:
        while not stop.is_set():
            work()

    threads = [threading.Thread(target=keep_doing, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def past(journal: Journal, minutes: float, seed: int) -> Callable[[], None]:
    """A second of workspaces whose hours pass quickly, 40 ticks an hour each."""
    waiting: list[Record] = []
    ticks = Ticks(waiting.append, "wst.", seed, past_h=PAST_H)
    # Of eight ticks seven go on in time.
    a_second = PAST_H * 40 * 12 / (minutes * 60) * 8 / 7

    def work() -> None:
        due = time.monotonic() + 1
        for _ in range(round(a_second)):
            ticks.step()
        journal.append(waiting)
        waiting.clear()
        time.sleep(max(0.0, due - time.monotonic()))

    return work


class Client:
    """Listens for a while, asks around and leaves, again and again.

    Attributes:
        answered, refused: questions; a machine that is busy with other things lets some take too long.
    """

    def __init__(self, api: str) -> None:
        self._api = api
        self.answered = self.refused = 0

    def work(self) -> None:
        """Comes once; an API that is being started again is left for a moment."""
        try:
            self._listen()
            with httpx.Client(base_url=f"{self._api}/api/v1", trust_env=False, timeout=60) as asking:
                for path in ("workspaces", "summary", "events?limit=100", "alerts", "top", "trends", "statistics"):
                    is_answered = asking.get(path).is_success
                    self.answered += is_answered
                    self.refused += not is_answered
        except (OSError, httpx.HTTPError, WebSocketException):
            self.refused += 1
            time.sleep(1)

    def _listen(self) -> None:
        with connect(f"ws{self._api.removeprefix('http')}/api/v1/stream?what=events,states,metrics", max_size=None) as socket:
            until = time.monotonic() + 5
            while time.monotonic() < until:
                socket.recv(timeout=60)


def watch(site: Site, minutes: float) -> dict[str, list[Held]]:
    """What each process had, over the time; a part that was started again begins anew."""
    seen: dict[str, list[Held]] = {}
    known: dict[str, int] = {}
    began = time.monotonic()
    while (at_s := time.monotonic() - began) < minutes * 60:
        for name, pid in site.pids().items():
            if known.setdefault(name, pid) != pid:
                known[name], seen[name] = pid, []
            with suppress(OSError, KeyError):  # it has just ended: the tree says so, and starts it again
                seen.setdefault(name, []).append(held(pid, at_s))
        time.sleep(EVERY_S)
    return seen


def report(seen: Mapping[str, Sequence[Held]], site: Site) -> int:
    """Prints a line per part, and returns how many figures grow."""
    growing = 0
    for name, points in seen.items():
        steady = [one for one in points if one.at_s >= points[-1].at_s * WARM]
        if len(steady) < 3:
            print(f"{name:14} ended before it was warm")
            growing += 1
            continue
        spent = (steady[-1].cpu_s - steady[0].cpu_s) / (steady[-1].at_s - steady[0].at_s)
        told = [f"{name:14} {100 * spent:5.1f} % of a core"]
        for figure in ("memory_mb", "files", "threads"):
            found = trend([(one.at_s, float(getattr(one, figure))) for one in steady])
            first, last = (float(getattr(one, figure)) for one in (steady[0], steady[-1]))
            told.append(f"{figure} {first:.0f} → {last:.0f} ({found.per_hour:+.1f} an hour{', GROWS' if found.grows else ''})")
            growing += found.grows
        print(", ".join(told))
    size = subprocess.run(["du", "-sm", str(site.folder)], capture_output=True, text=True, check=True).stdout.split()[0]
    print(f"data directory {size} MB; {growing} figures grow")
    return growing + len(site.said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--workspaces", type=int, default=50)
    parser.add_argument("--containers", type=int, default=4, help="of each workspace")
    parser.add_argument("--collect", type=float, default=1.0, help="seconds between two samples of a container")
    parser.add_argument("--deeds", type=float, default=5.0, help="things that happen to containers a second")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wst-soak-") as name, running(Path(name), asked) as site:
        journal = Journal(Path(name) / "journal.sqlite", PARTITIONS)
        client = Client(site.api)
        with beside(past(journal, asked.minutes, asked.seed), client.work):
            seen = watch(site, asked.minutes)
        journal.close()
        print(
            f"{asked.minutes:g} min: {asked.workspaces} × {asked.containers} containers every {asked.collect:g} s, "
            f"{asked.deeds:g} deeds/s, {PAST_H} hours of 12 workspaces more; "
            f"{client.answered} questions answered, {client.refused} not"
        )
        return int(report(seen, site) > 0)


if __name__ == "__main__":
    sys.exit(main())
