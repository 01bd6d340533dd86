"""What the fold of usage costs on one core, part by part: Avro in → fold → Avro out → value to bytes and back.

    python -m benchmarks.fold_usage                      # 500 workspaces × 4 containers
    python -m benchmarks.fold_usage --workspaces 100000 --ticks 4
    python -m benchmarks.fold_usage --profile

CPU time of this process, in µs per sample. "encoded value" parts are what a changed key costs once a commit (write) and what a key
that was not hot costs once a message (read): with few workspaces they vanish, with many they are paid for every message.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import random
from collections.abc import Callable, Iterator
from time import process_time
from typing import TypeVar

from schemas.codec import Record, codec
from schemas.counters import COLUMNS, pack
from schemas.tick_decoder import decode_tick
from schemas.usage_encoder import encode_samples
from streams.core.facts import Position
from streams.core.usage import UsageState, fold_tick, initial
from streams.core.usage_bytes import from_bytes, to_bytes

T = TypeVar("T")

PARTS = ("decode", "fold", "encode", "value write", "value read")

START_S = 1_764_000_000
TICK_S = 10
SECOND_NS = 10**9


class Fleet:
    """Made-up containers whose counters move as real ones do."""

    def __init__(self, workspaces: int, containers: int, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._workspaces = [
            (f"shop-{number:06d}@laptop", [f"{self._random.getrandbits(256):064x}" for _ in range(containers)])
            for number in range(workspaces)
        ]
        self._counters = {container: self._fresh() for _, ids in self._workspaces for container in ids}

    def _fresh(self) -> dict[str, int]:
        counters = dict.fromkeys(COLUMNS, -1)
        counters |= {
            "started_at_ns": START_S * SECOND_NS - self._random.randrange(10**15),
            "online_cpus": 8,
            "cpu_total_ns": self._random.randrange(10**13),
            "system_cpu_ns": 10**15,
            "throttle_periods": 0,
            "throttled_periods": 0,
            "throttled_ns": 0,
            "memory_limit_bytes": 1 << 34,
            "memory_inactive_file_bytes": self._random.randrange(1 << 24),
            "page_faults": 10**6,
            "pids": 12,
            "network_rx_bytes": 10**9,
            "network_tx_bytes": 10**8,
            "block_read_bytes": 10**8,
            "block_write_bytes": 10**8,
            "interfaces_hash": 0x1234567890ABCDEF,
            "devices_hash": 0x1234567890ABCDEF,
            "network_namespace": self._random.getrandbits(62),
        }
        return counters

    def _move(self, counters: dict[str, int], read_ns: int, interval_s: float) -> bytes:
        draw = self._random.randrange
        counters["read_ns"] = read_ns + draw(40_000_000)
        counters["cpu_total_ns"] += draw(4 * SECOND_NS)
        counters["system_cpu_ns"] += round(8 * interval_s * SECOND_NS)
        counters["memory_usage_bytes"] = (1 << 28) + draw(1 << 26)
        counters["page_faults"] += draw(1000)
        counters["network_rx_bytes"] += draw(10**6)
        counters["network_tx_bytes"] += draw(10**5)
        counters["block_write_bytes"] += draw(10**5)
        return pack(list(counters.values()))

    def tick(self, number: int) -> Iterator[Record]:
        """One tick of all workspaces."""
        at_ns = (START_S + TICK_S * number) * SECOND_NS
        for which in range(len(self._workspaces)):
            yield self.tick_of(which, at_ns)

    def tick_of(self, which: int, at_ns: int, interval_s: float = TICK_S) -> Record:
        """One workspace's tick, so long after its last one."""
        workspace_id, containers = self._workspaces[which]
        return {
            "workspace_id": workspace_id,
            "workspace_name": "shop",
            "engine_id": "9f1a3c52-6f4b-4f0e-8a57-2d1f7c0b9e11",
            "engine_name": "laptop",
            "generation": 0,
            "tick_at_ns": at_ns,
            "interval_ms": round(1000 * interval_s),
            "part": 0,
            "parts": 1,
            "host_cpus": 8,
            "host_memory_bytes": 1 << 34,
            "labels": {},
            "samples": [
                {
                    "container_id": container,
                    "container_name": f"shop-web-{index}",
                    "service": "web",
                    "counters": self._move(self._counters[container], at_ns, interval_s),
                }
                for index, container in enumerate(containers)
            ],
        }


class Run:
    """Folds ticks the way a worker does, timing each part."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PARTS, 0.0)
        self.quietest = dict.fromkeys(PARTS, float("inf"))
        self.values: dict[str, bytes | UsageState] = {}
        self.samples = self.outputs = self.offset = 0
        self._now: dict[str, float] = {}

    def continued(self) -> Run:
        """The same values, nothing measured yet."""
        run = Run()
        run.values, run.offset = self.values, self.offset
        return run

    def tick(self, ticks: list[bytes], *, cold: bool) -> None:
        """Folds the ticks of one instant; cold: values are read before and written after each."""
        usage_codec = codec("usage")
        timed = self._timed
        decoded = timed("decode", lambda: [decode_tick(data) for data in ticks])
        states = timed("value read", lambda: [self._value(tick["workspace_id"]) for tick in decoded])
        first = self.offset
        outputs = timed(
            "fold",
            lambda: [
                fold_tick(state, tick, Position(1, 0, first + number), tick["tick_at_ns"] // 1_000_000)[1]
                for number, (state, tick) in enumerate(zip(states, decoded, strict=True))
            ],
        )
        encoded = timed(
            "encode",
            lambda: [
                encode_samples(record) if record["kind"] == "samples" else usage_codec.encode(record)
                for records in outputs
                for record in records
            ],
        )
        kept = timed("value write", lambda: [to_bytes(state) for state in states] if cold else states)
        self.values.update(zip((tick["workspace_id"] for tick in decoded), kept, strict=True))
        self.offset += len(ticks)
        samples = sum(len(tick["samples"]) for tick in decoded)
        self.samples += samples
        for part, spent in self._now.items():
            self.quietest[part] = min(self.quietest[part], spent / samples)
        self.outputs += len(encoded)

    def _value(self, workspace_id: str) -> UsageState:
        value = self.values.get(workspace_id)
        if value is None:
            return initial(workspace_id)
        return from_bytes(value) if isinstance(value, bytes) else value

    def _timed(self, part: str, work: Callable[[], T]) -> T:
        before = process_time()
        result = work()
        spent = process_time() - before
        self.spent[part] += spent
        self._now[part] = spent
        return result


def measure(workspaces: int, containers: int, ticks: int, *, cold: bool) -> Run:
    """Folds `ticks` ticks of a fleet after one that only sets baselines."""
    fleet = Fleet(workspaces, containers)
    stats_tick = codec("stats_tick")
    run = Run()
    for number in range(ticks + 1):
        messages = [stats_tick.encode(tick) for tick in fleet.tick(number)]
        if number == 1:
            run = run.continued()
        for begin in range(0, len(messages), 500):
            run.tick(messages[begin : begin + 500], cold=cold)
    return run


def report(run: Run, title: str) -> None:
    """Prints µs per sample, part by part."""
    print(f"{title}: {run.samples:,} samples, {run.outputs:,} records out; µs per sample, mean and in the quietest 500 messages")
    for part, spent in run.spent.items():
        print(f"  {part:<12} {spent / run.samples * 1e6:6.2f} {run.quietest[part] * 1e6:6.2f}")
    mean, least = sum(run.spent.values()) / run.samples, sum(run.quietest.values())
    print(f"  {'all':<12} {mean * 1e6:6.2f} {least * 1e6:6.2f} = {1 / mean:,.0f} to {1 / least:,.0f} samples/s on one core")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=500)
    parser.add_argument("--containers", type=int, default=4, help="per workspace")
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--cold", action="store_true", help="read and write each value at each message, as with more keys than stay hot")
    parser.add_argument("--profile", action="store_true", help="where the time goes, by function")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    if profile:
        profile.enable()
    run = measure(options.workspaces, options.containers, options.ticks, cold=options.cold or options.workspaces > 10_000)
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)
    report(run, f"{options.workspaces:,} workspaces × {options.containers} containers")


if __name__ == "__main__":
    main()
