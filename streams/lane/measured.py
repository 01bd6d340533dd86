"""What a worker's lane shows to Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.metrics import Figure, system
from streams.lane.app import LaneApp
from streams.lane.outputs import MAX_WAITING_BYTES


def lane_figures(app: LaneApp) -> Iterator[Figure]:
    """Progress of the partitions it reads now, folding, commits, outputs."""
    progress, read = app.progress, app.ledger.partitions()
    yield system.LANE_PARTITIONS.at(len(read))
    for tp in read:
        where = tp.topic, str(tp.partition)
        yield system.LANE_LAG.at(app.lag_of(tp), *where)
        if tp in progress.newest_ms:
            yield system.LANE_DELAY.at(progress.delay_s[tp], *where)
            yield system.LANE_WATERMARK.at(progress.newest_ms[tp] / 1000, *where)
    yield system.LANE_RECORDS.at(progress.records)
    yield system.LANE_SKIPPED.at(progress.skipped)
    yield system.LANE_BATCHES.at(progress.batches)
    yield system.LANE_SLICES.at(progress.slices)
    yield system.LANE_FOLD_SECONDS.at(progress.slice_seconds)
    yield system.LANE_FOLD_MAX.at(progress.slice_seconds_max)
    yield system.LANE_COMMITS.at(progress.commits)
    yield system.LANE_COMMIT_SECONDS.at(progress.commit_seconds)
    yield system.LANE_COMMIT_MAX.at(progress.commit_seconds_max)
    yield system.LANE_VALUES.at(progress.values_written)
    yield system.LANE_OUTPUTS.at(app.outputs.sent_records)
    yield system.LANE_BUFFER.at(app.outputs.waiting_bytes)
    yield system.LANE_BUFFER_LIMIT.at(MAX_WAITING_BYTES)
