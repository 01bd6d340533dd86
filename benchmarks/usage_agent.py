"""The whole usage agent in process, one partition with very many workspaces: Avro in → fold → Avro out, and values copied for commits.

    python -m benchmarks.usage_agent                          # 25,000 workspaces × 4 containers: a fourth of 100,000
    python -m benchmarks.usage_agent --workspaces 1000 --ticks 60

CPU time of this process, in µs per sample: no broker, no lane. `digest` is of all outputs and of the values at the end, in their order: the
same for any two versions that say the same.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import Final

from benchmarks.fold_usage import Fleet
from schemas.codec import codec
from schemas.memory import calm_collector
from schemas.publish import Record
from schemas.settings import Settings
from streams.agents import Writer
from streams.core.facts import Position
from streams.core.usage_bytes import to_bytes
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.rules import threshold_rules
from streams.topology import usage_table
from streams.usage_agent import UsageAgent
from streams.usage_telling import UsageTelling, update_policy

#: Bytes of ticks in a slice: as many as the agent folds together.
_SLICE_BYTES: Final = 620_000


def resident_mb() -> float:
    """Memory of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Run:
    """An agent, its table, and what both cost.

    Args:
        commit_s: CPU time between two commits.
    """

    def __init__(self, commit_s: float) -> None:
        chosen = Settings()
        self.table = usage_table()
        refused = DeadLetters("usage", "wst.", self._sent)
        writer = Writer("wst.", self._sent, refused)
        self.agent = UsageAgent(self.table, writer, refused, UsageTelling(writer, update_policy(chosen), threshold_rules(chosen)))
        self.agent.begin(0)
        self.digest = hashlib.sha256()
        self.fold_s = self.commit_s = self.longest_slice_s = self.longest_commit_s = 0.0
        self.values = 0
        self._every_s = commit_s
        self._since_s = 0.0

    def _sent(self, record: Record) -> None:
        self.digest.update((record.key or b"") + (record.value or b""))

    def fold(self, records: Sequence[Input]) -> None:
        """Folds one tick of all workspaces, slice by slice."""
        for some in slices(records):
            began = process_time()
            for record in some:
                self.agent.fold(record)
            self.agent.finish()
            took_s = process_time() - began
            self.fold_s += took_s
            self.longest_slice_s = max(self.longest_slice_s, took_s)
            self._since_s += took_s
            if self._since_s >= self._every_s:
                self.commit()

    def commit(self) -> None:
        """Copies what changed, as a commit does."""
        began = process_time()
        copy = {key: self.table.take(0, key) for key in self.table.dirty(0)}
        self.table.confirm(0, copy)
        took_s = process_time() - began
        self.commit_s += took_s
        self.longest_commit_s = max(self.longest_commit_s, took_s)
        self.values += len(copy)
        self._since_s = 0.0

    def said(self) -> str:
        """A digest of all outputs and values."""
        for key in sorted(self.table.keys(0)):
            value = self.table.peek(0, key)
            self.digest.update(to_bytes(value) if value is not None else b"")
        return self.digest.hexdigest()[:16]


def slices(records: Sequence[Input]) -> Iterator[Sequence[Input]]:
    """Records cut where a slice of the lane would end."""
    begin = size = 0
    for number, record in enumerate(records, 1):
        size += len(record.value or b"")
        if size >= _SLICE_BYTES or number == len(records):
            yield records[begin:number]
            begin, size = number, 0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=25_000)
    parser.add_argument("--containers", type=int, default=4, help="per workspace")
    parser.add_argument("--ticks", type=int, default=8)
    parser.add_argument("--commit", type=float, default=0.75, help="s of CPU between two commits: of one partition among four")
    asked = parser.parse_args()
    fleet = Fleet(asked.workspaces, asked.containers)
    encode = codec("stats_tick").encode
    run = Run(asked.commit)
    calm_collector()
    empty_mb = resident_mb()
    samples = asked.workspaces * asked.containers
    offset = 0
    for number in range(asked.ticks):
        records: list[Input] = []
        for tick in fleet.tick(number):
            key, at_ms = tick["workspace_id"].encode(), tick["tick_at_ns"] // 10**6
            records.append(Input("wst.docker.stats", Position(1, 0, offset), key, encode(tick), (), at_ms))
            offset += 1
        fold_s, commit_s, ordinary = run.fold_s, run.commit_s, run.agent.ordinary
        run.fold(records)
        print(
            f"tick {number}: fold {(run.fold_s - fold_s) / samples * 1e6:.2f}, commit {(run.commit_s - commit_s) / samples * 1e6:.2f} µs a "
            f"sample; {run.agent.ordinary - ordinary:,} of {len(records):,} ordinary; {resident_mb() - empty_mb:,.0f} MiB"
        )
    run.commit()
    every = samples * asked.ticks
    print(
        f"{every:,} samples: {(run.fold_s + run.commit_s) / every * 1e6:.2f} µs each, fold {run.fold_s / every * 1e6:.2f}, commit "
        f"{run.commit_s / every * 1e6:.2f}; {run.values:,} values; longest slice {run.longest_slice_s * 1000:,.0f}, copy "
        f"{run.longest_commit_s * 1000:,.0f} ms; {(resident_mb() - empty_mb) * 1024 / samples:.1f} KiB a container; digest {run.said()}"
    )


if __name__ == "__main__":
    main()
