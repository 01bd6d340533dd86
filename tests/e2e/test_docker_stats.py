"""`docker stats` beside us, on a real engine: the same containers, the same figures, as Docker writes them.

Twice: every sample against Docker's formulas over the very two answers it was made of, where nothing may differ but our rounding; and
against what the command prints, whose readings are of other moments: once for each container, within its digits or 2 %.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from producers.engine import DockerEngine as Reached
from producers.engine import EngineError
from producers.engine_json import time_ns
from producers.watch import Pace
from schemas import topics
from streams.core.facts import Position
from streams.core.samples import COLUMNS, unpack
from streams.core.usage import UsageState, fold_tick, initial
from streams.query.metrics import Sampled, combine
from tests.golden.docker_stats import docker_shows
from tests.platform.engine import DockerEngine
from tests.producers.watching import Watching, watching

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

Json = dict[str, Any]
BUSY: Final = ("sh", "-c", "while :; do :; done")
PATIENCE_S: Final = 180.0
#: Of a figure that moves: Docker's own is of another second than ours.
SLACK: Final = 0.02
#: Our percents have three digits behind the point.
ROUNDING: Final = 0.00051
#: Samples of each container that are compared with what they were made of.
COMPARED: Final = 5


class Noting(Reached):
    """An engine whose answers are kept, by container and by the millisecond they were read at."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout_s=20)
        self.answers: defaultdict[str, dict[int, Json]] = defaultdict(dict)

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        for container_id, answer in super().stats(container_ids, deadline):
            if isinstance(answer, dict) and (read_ns := time_ns(answer["read"])) is not None:
                self.answers[container_id][read_ns // 10**6] = answer
            yield container_id, answer


class Folded:
    """Derived samples: the latest of each container, by name, and those that have a difference, by its id."""

    def __init__(self, seen: Watching) -> None:
        self._seen = seen
        self._states: dict[str, UsageState] = {}
        self._count = 0
        self.latest: dict[str, Sampled] = {}
        self.compared: defaultdict[str, list[Sampled]] = defaultdict(list)

    def go_on(self) -> None:
        """Folds what came since."""
        ticks = self._seen.values(topics.DOCKER_STATS)
        for number, tick in enumerate(ticks[self._count :], self._count):
            name = tick["workspace_id"]
            state = self._states.get(name) or initial(name)
            self._states[name], told = fold_tick(state, tick, Position(1, 0, number), tick["tick_at_ns"] // 10**6)
            for sample in (one for record in told for one in record["samples"]):
                host = tick["host_memory_bytes"]
                derived = Sampled(tick["engine_id"], host, unpack(sample["derived"]))
                self.latest[sample["container_name"]] = derived
                if derived.value("interval_ns"):  # the first of a run has no difference yet
                    self.compared[sample["container_id"]].append(derived)
        self._count = len(ticks)

    def all_have(self, count: int, container_ids: Iterable[str]) -> bool:
        """Whether each of the containers has so many samples with a difference by now."""
        self.go_on()
        return all(len(self.compared[one]) >= count for one in container_ids)


async def stats(engine: DockerEngine) -> dict[str, Json]:
    """What `docker stats` shows, by container."""
    text = await asyncio.to_thread(engine.docker, "stats", "--no-stream", "--format", "{{json .}}")
    return {line["Name"]: line for line in map(json.loads, text.splitlines())}


def size(number: int, base: int, digits: int) -> str:
    """A number of bytes as Docker writes it: docker/go-units, `BytesSize` (1024, 4) and `HumanSizeWithPrecision` (1000, 3)."""
    names = ("B", "KiB", "MiB", "GiB", "TiB") if base == 1024 else ("B", "kB", "MB", "GB", "TB")
    value, at = float(number), 0
    while value >= base and at < len(names) - 1:
        value, at = value / base, at + 1
    return f"{value:.{digits}g}{names[at]}"


async def agree(engine: DockerEngine, folded: Folded, judged: Mapping[str, Callable[[Json, Sampled], bool]]) -> dict[str, Any]:
    """Waits until each container's figures were the same once; returns the last of those that were not."""
    left = dict(judged)
    last: dict[str, Any] = {}
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while left and asyncio.get_running_loop().time() < deadline:
        shown = await stats(engine)
        folded.go_on()
        for name, same in list(left.items()):
            ours = folded.latest.get(name)
            last[name] = shown.get(name), ours and dict(zip(COLUMNS, ours.row, strict=True))
            if name in shown and ours is not None and same(shown[name], ours):
                del left[name], last[name]
    return last


def same_cpu(shown: Json, ours: Sampled) -> bool:
    metrics = combine([ours])
    docker = float(shown["CPUPerc"].rstrip("%"))
    return (
        metrics is not None
        and metrics.cpu_percent is not None
        and docker > 1
        and abs(metrics.cpu_percent - docker) <= max(0.01, SLACK * docker)
    )


def same_memory(shown: Json, ours: Sampled) -> bool:
    used, limit = ours.value("memory_used_bytes"), ours.value("memory_limit_bytes")
    assert used is not None
    assert limit is not None
    percent = f"{used / limit * 100:.2f}%"
    return (shown["MemUsage"], shown["MemPerc"]) == (f"{size(used, 1024, 4)} / {size(limit, 1024, 4)}", percent) and used > 20 << 20


def same_totals(shown: Json, ours: Sampled) -> bool:
    totals = [
        ours.value(name)
        for name in ("network_rx_total_bytes", "network_tx_total_bytes", "block_read_total_bytes", "block_write_total_bytes")
    ]
    rx, tx, read, written = (size(max(one or 0, 0), 1000, 3) for one in totals)
    return (shown["NetIO"], shown["BlockIO"]) == (f"{rx} / {tx}", f"{read} / {written}") and (totals[1] or 0) > 100_000


def same_readings(ours: Sampled, answers: Mapping[int, Json]) -> bool:
    """Whether a sample is what Docker's formulas make of the two answers it comes from."""
    read_ns, interval_ns = ours.value("read_ns"), ours.value("interval_ns")
    assert read_ns
    assert interval_ns
    shown = docker_shows(answers[(read_ns - interval_ns) // 10**6], answers[read_ns // 10**6])
    metrics = combine([ours])
    assert metrics is not None
    for percent in ("cpu_percent", "memory_percent"):
        value = getattr(metrics, percent)
        if value is None or abs(value - shown.pop(percent)) > ROUNDING:
            return False
    return all(ours.value(name) == value for name, value in shown.items())


async def test_docker_stats_and_ours_are_the_same_for_cpu_memory_network_and_disk(engine: DockerEngine, tmp_path: Path) -> None:
    run = asyncio.to_thread
    await run(engine.run, "peer", "sh", "-c", "while :; do nc -l -p 9 > /dev/null; done")
    address = json.loads(await run(engine.docker, "inspect", "peer"))[0]["NetworkSettings"]["IPAddress"]
    held = "dd if=/dev/zero of=/dev/shm/held bs=1M count=24; exec sleep 1000"
    # Again until it was sent: on a busy machine the peer may not listen yet, or be done before there is anything to read.
    few_sent = "[ $(cat /sys/class/net/eth0/statistics/tx_bytes) -lt 200000 ]"
    sent = f"while {few_sent}; do dd if=/dev/zero bs=10k count=30 | nc -w 2 {address} 9; sleep 0.1; done"
    # Of what is written here all, some or nothing may go to a disk; it is to be Docker's figure.
    moved = f"{sent}; dd if=/dev/zero of=/tmp/f bs=64k count=40 conv=fsync; exec sleep 1000"
    for percent in (10, 50, 100):
        await run(engine.run, f"cpu{percent}", *BUSY, options=["--cpus", str(percent / 100)])
    await run(engine.run, "memory", "sh", "-c", held, options=["--memory", "100m"])
    await run(engine.run, "moved", "sh", "-c", moved)
    noting = Noting(engine.url)
    async with watching(noting, tmp_path, Pace(1, 60, 1)) as seen:
        judged: dict[str, Callable[[Json, Sampled], bool]] = {f"cpu{percent}": same_cpu for percent in (10, 50, 100)} | {
            "memory": same_memory,
            "moved": same_totals,
        }
        folded = Folded(seen)
        assert await agree(engine, folded, judged) == {}
        ids = {name: one["Id"] for name, one in engine.ps_inspect().items() if name in judged}
        await seen.until(lambda: folded.all_have(COMPARED, ids.values()), "more samples")
    for name, container_id in ids.items():
        answers, samples = noting.answers[container_id], folded.compared[container_id]
        assert [one.row for one in samples if not same_readings(one, answers)] == [], name
