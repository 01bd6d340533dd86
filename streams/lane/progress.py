"""What the lane counts: read by tests, by benchmarks, by /metrics and a watchdog."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from faust.types import TP


@dataclass(slots=True)
class Progress:
    """Counters since the worker's start, and the state of each partition.

    Attributes:
        batches: batches folded, cumulative.
        records: records folded, cumulative.
        skipped: records below what was durable already, cumulative.
        slices: stretches of folding without a pause, cumulative.
        slice_seconds: time spent in them, s, cumulative.
        slice_seconds_max: longest of them, s: how long the fold ever held the loop.
        commits: commits of a partition, cumulative.
        commit_seconds: time spent in them, s, cumulative.
        commit_seconds_max: longest of them, s.
        values_written: values made durable, cumulative.
        batch_records_max: largest batch, records.
        committed_offset: offset last committed, by partition.
        end_offset: end of the partition on the broker as last fetched, by partition.
        newest_ms: timestamp of the newest record folded, by partition, ms since the Unix epoch.
        delay_s: how old that record was when it was folded, by partition, s.
        moved_at: steady clock when a partition was last folded or committed, s: what a watchdog looks at.
    """

    batches: int = 0
    records: int = 0
    skipped: int = 0
    slices: int = 0
    slice_seconds: float = 0.0
    slice_seconds_max: float = 0.0
    commits: int = 0
    commit_seconds: float = 0.0
    commit_seconds_max: float = 0.0
    values_written: int = 0
    batch_records_max: int = 0
    committed_offset: dict[TP, int] = field(default_factory=dict)
    end_offset: dict[TP, int] = field(default_factory=dict)
    newest_ms: dict[TP, int] = field(default_factory=dict)
    delay_s: dict[TP, float] = field(default_factory=dict)
    moved_at: dict[TP, float] = field(default_factory=dict)

    def folded(self, tp: TP, records: int, skipped: int, seconds: float) -> None:
        """A slice was folded."""
        self.slices += 1
        self.records += records
        self.skipped += skipped
        self.slice_seconds += seconds
        self.slice_seconds_max = max(self.slice_seconds_max, seconds)
        self.moved_at[tp] = time.monotonic()

    def fetched(self, tp: TP, records: int, end_offset: int | None) -> None:
        """A batch came."""
        self.batches += 1
        self.batch_records_max = max(self.batch_records_max, records)
        if end_offset is not None:
            self.end_offset[tp] = end_offset

    def reached(self, tp: TP, timestamp_ms: int) -> None:
        """A slice ended with a record of that time."""
        self.newest_ms[tp] = timestamp_ms
        self.delay_s[tp] = max(0.0, time.time() - timestamp_ms / 1000)

    def committed(self, tp: TP, offset: int, values: int, seconds: float) -> None:
        """A partition was committed."""
        self.commits += 1
        self.values_written += values
        self.commit_seconds += seconds
        self.commit_seconds_max = max(self.commit_seconds_max, seconds)
        self.committed_offset[tp] = offset
        self.moved_at[tp] = time.monotonic()

    def lag(self) -> dict[TP, int]:
        """Records between what is committed and the end of each partition, as last fetched."""
        return {tp: max(0, end - self.committed_offset.get(tp, 0)) for tp, end in self.end_offset.items()}
