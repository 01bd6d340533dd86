"""Windows that are to be published, from the bytes they rest in to those they are published as: `window_record` and its encoding in one."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.usage_encoder import encode_window, window_content
from streams.core import window_bytes
from streams.core.window_set import OTHERS, Due
from streams.core.windows import METRICS, NO_NAME


def encode_due(windows: Sequence[Due]) -> list[bytes]:
    """Windows as in a record of kind `windows`. An hour that is all of its day so far has the same content: it is encoded once."""
    contents: dict[tuple[bytes, int, bool], bytes] = {}
    found: list[bytes] = []
    for due in windows:
        packed = due.whole()
        others = due.container_id == OTHERS
        key = packed, due.container_count if due.container_id is None else 0, others
        content = contents.get(key)
        if content is None:
            content = contents[key] = _content(packed, due)
        found.append(encode_window(due.grain, due.container_id, due.start_ns // 1_000_000, due.final, content))
    return found


def _content(packed: bytes, due: Due) -> bytes:
    numbers, name, histograms = window_bytes.split(packed)
    (
        samples, ticks, observed, covered, cpu_ns, held, rx, tx, read, written, throttled, faults, late, first, last, cpu_min, cpu_max,
        used_min, used_max, _, cpu_last, _, used_last,
    ) = numbers  # fmt: skip
    if due.container_id is not None:
        ticks, covered = samples, observed
    _, container_name, service = name if due.container_id != OTHERS else NO_NAME
    return window_content(
        (
            samples, ticks, observed, covered, cpu_ns, held, rx, tx, read, written, throttled, faults, first, last, cpu_min, cpu_max,
            cpu_last, used_min, used_max, used_last, due.container_count, late,
        ),
        (container_name, service),
        {metric: packed for metric, packed in zip(METRICS, histograms, strict=True) if packed},
    )  # fmt: skip
