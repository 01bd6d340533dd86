"""What a producer shows to Prometheus: its engines' calls, what it published, what waits for the broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from producers.counts import Counts
from producers.publisher import Outlet
from schemas.metrics import Figure, Metric, system

#: Counts of an engine that are shown as they are.
_PLAIN: Final[dict[str, Metric]] = {
    "retries": system.CALL_RETRIES,
    "events": system.EVENTS,
    "samples": system.SAMPLES,
    "syncs": system.SYNCS,
    "ticks_skipped": system.TICKS_SKIPPED,
    "reconnects": system.RECONNECTS,
    "clock_jumps": system.CLOCK_JUMPS,
    "malformed": system.MALFORMED,
}
#: Those with one more word behind a point.
_WORDED: Final[dict[str, Metric]] = {"calls": system.CALLS, "failures": system.CALL_FAILURES, "skipped": system.SKIPPED}


def producer_figures(counted: Sequence[Counts], outlet: Outlet) -> Iterator[Figure]:
    """All engines of a producer, and its outlet."""
    for counts in counted:
        yield from _of_engine(counts)
    yield system.DROPPED.at(outlet.dropped)
    if outlet.waiting is not None:
        yield system.OUTBOX.at(outlet.waiting.records)
        yield system.BUFFER.at(outlet.waiting.sample_bytes)
        yield system.BUFFER_LIMIT.at(outlet.waiting.sample_limit_bytes)


def _of_engine(counts: Counts) -> Iterator[Figure]:
    total = counts.total
    for name, metric in _PLAIN.items():
        yield metric.at(total[name], counts.engine)
    for name, number in total.items():
        kind, _, word = name.partition(".")
        if word and kind in _WORDED:
            yield _WORDED[kind].at(number, counts.engine, word)
    for call, seconds in counts.seconds.items():
        yield system.CALL_SECONDS.at(seconds, counts.engine, call)
        yield system.CALLS_TIMED.at(counts.timed[call], counts.engine, call)
    yield system.DEAD_LETTERS.at(total["dead_letters"], f"producer {counts.engine}")
