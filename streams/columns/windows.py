"""A window that is to be published, from the bytes it rests in to those it is published as: `window_record` and its encoding in one."""

from __future__ import annotations

from schemas.usage_encoder import encode_window
from streams.core import window_bytes
from streams.core.window_set import OTHERS, Due
from streams.core.windows import METRICS, NO_NAME


def encode_due(due: Due) -> bytes:
    """A window as in a record of kind `windows`."""
    numbers, name, histograms = window_bytes.split(due.packed)
    (
        samples, ticks, observed, covered, cpu_ns, held, rx, tx, read, written, throttled, faults, late, first, last, cpu_min, cpu_max,
        used_min, used_max, _, cpu_last, _, used_last,
    ) = numbers  # fmt: skip
    if due.container_id is not None:
        ticks, covered = samples, observed
    _, container_name, service = name if due.container_id != OTHERS else NO_NAME
    return encode_window(
        due.grain,
        due.container_id,
        due.start_ns // 1_000_000,
        due.final,
        (
            samples, ticks, observed, covered, cpu_ns, held, rx, tx, read, written, throttled, faults, first, last, cpu_min, cpu_max,
            cpu_last, used_min, used_max, used_last, due.container_count, late,
        ),
        (container_name, service),
        {metric: packed for metric, packed in zip(METRICS, histograms, strict=True) if packed},
    )  # fmt: skip
