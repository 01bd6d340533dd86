"""What becomes of the fold when its process dies: SIGKILL in mid-run, a new process, and what the check finds in the end.

    python -m benchmarks.peers --kills 3

Each framework runs as it is measured, with its own default of how soon a dead member's partitions are given away; the topic of its outputs
says how far it is. Values and outputs are compared with the reference one by one. All fold with `fold_tick`, whose state remembers the last
position folded into it and skips what comes again: that guard is given to all.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.lane_usage import LANE, PARTITIONS, PLAIN, STATS, USAGE, Expected, app_id, of_the_fold, read
from tests.platform.process import wait_until

_ENDLESS: Final = str(10**9)
_PATIENCE_S: Final = 600.0
#: Outputs that come no more for so long are all there are.
_QUIET_S: Final = 5.0


@dataclass(slots=True)
class Damage:
    """What is not as if nothing had happened.

    Attributes:
        wrong: keys whose durable value is not the reference's.
        lost: outputs of the reference that nobody published.
        strange: outputs the reference does not have.
        repeated: outputs that were published again under the id they had: a consumer that drops known ids never sees them.
        contradicting: ids under which two different outputs were published.
        away_s: from the start of each new process to the next output.
    """

    wrong: int = 0
    lost: int = 0
    strange: int = 0
    repeated: int = 0
    contradicting: int = 0
    away_s: list[float] = field(default_factory=list)


class Victim:
    """A worker of some kind on topics that are filled; started and killed as often as one likes."""

    def __init__(self, kind: str, bootstrap: str, folder: Path, environment: dict[str, str], has_group: bool) -> None:
        if kind in (LANE, PLAIN):
            self._command = ["benchmarks.lane_usage", "--worker", kind, "--brokers", bootstrap, "--count", _ENDLESS]
        else:
            self._command = ["benchmarks.peers.workers", kind, bootstrap, _ENDLESS, str(folder)]
        self._environment = os.environ | environment
        self._has_group = has_group
        self._source, self._out = STATS.full(f"{kind}."), USAGE.full(f"{kind}.")
        self._asking = Consumer({"bootstrap.servers": bootstrap, "group.id": app_id(kind), "enable.auto.commit": False})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A new process, on the last core."""
        command = ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0))), sys.executable, "-m", *self._command]
        self._process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def outputs(self) -> int:
        """Outputs published so far, repeated ones too."""
        return sum(self._asking.get_watermark_offsets(TopicPartition(self._out, number), 10)[1] for number in range(PARTITIONS))

    def is_done(self, ticks: int) -> bool:
        """Everything is folded; without a group only its end says so."""
        assert self._process is not None
        if not self._has_group:
            return self._process.poll() is not None
        try:
            found = self._asking.committed([TopicPartition(self._source, number) for number in range(PARTITIONS)], timeout=30)
        except KafkaException:  # nobody coordinates the group yet
            return False
        return sum(max(0, one.offset) for one in found) == ticks

    def close(self) -> None:
        self.kill()
        self._asking.close()


def suffer(victim: Victim, expected: Expected, kills: int) -> list[float]:
    """Kills a worker that many times, evenly over its outputs, and lets it come to its end; returns how long it was away each time, s."""
    away: list[float] = []
    victim.start()
    for number in range(kills):
        enough = len(expected.ids) * (number + 1) // (kills + 1)
        wait_until(lambda: victim.outputs() >= enough, "outputs before the kill", _PATIENCE_S)  # noqa: B023
        victim.kill()
        time.sleep(1.0)  # what it had sent arrives
        before, began = victim.outputs(), time.monotonic()
        victim.start()
        wait_until(lambda: victim.outputs() > before, "outputs after the kill", _PATIENCE_S)  # noqa: B023
        away.append(time.monotonic() - began)
    wait_until(lambda: victim.is_done(expected.ticks), "all to be folded", _PATIENCE_S)
    known, since = victim.outputs(), time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        time.sleep(0.2)
        if (now := victim.outputs()) != known:
            known, since = now, time.monotonic()
    return away


def compare(kind: str, bootstrap: str, durable: dict[bytes, bytes], expected: Expected) -> Damage:
    """What was published and kept beside the reference."""
    copies: Counter[bytes] = Counter()
    bodies: defaultdict[bytes, set[int]] = defaultdict(set)
    for message in read(bootstrap, USAGE.full(f"{kind}.")):
        name = dict(message.headers())["wst-id"]
        copies[name] += 1
        bodies[name].add(hash(message.value()))
    return Damage(
        wrong=sum(key not in durable or of_the_fold(durable[key]) != value for key, value in expected.values()),
        lost=len(expected.ids - copies.keys()),
        strange=len(copies.keys() - expected.ids),
        repeated=copies.total() - len(copies),
        contradicting=sum(len(different) > 1 for different in bodies.values()),
    )


def table(found: dict[str, Damage], names: dict[str, str], kills: int, keys: int) -> Iterator[str]:
    """Markdown."""
    heads = ("values wrong, of " + str(keys), "outputs lost", "others than expected", "ids told in two ways", "repeated", "back after, s")
    yield f"| {kills} × SIGKILL | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    for kind, one in found.items():
        yield (
            f"| {names[kind]} | {one.wrong:,} | {one.lost:,} | {one.strange:,} | {one.contradicting:,} | {one.repeated:,} "
            f"| {statistics.median(one.away_s):.1f} |"
        )
