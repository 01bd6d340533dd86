"""What a sample costs on the wire: 38 counters as Avro longs, or packed into one field.

python -m benchmarks.codec
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from schemas.counters import COLUMNS, pack, unpack

ROUNDS, PER_MESSAGE = 10_000, 4


def _schema(counters: list[dict[str, Any]]) -> Any:
    sample = {"type": "record", "name": "Sample", "fields": [{"name": "container_id", "type": "string"}, *counters]}
    return parse_schema({"type": "record", "name": "Tick", "fields": [{"name": "samples", "type": {"type": "array", "items": sample}}]})


def _best_us(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(ROUNDS):
            work()
        best = min(best, (time.perf_counter() - began) / ROUNDS / PER_MESSAGE * 1e6)
    return best


def main() -> None:
    """Prints bytes and µs per sample of both forms."""
    rng = random.Random(7)
    values = [rng.randrange(10 ** rng.randrange(1, 14)) for _ in COLUMNS]
    longs = _schema([{"name": name, "type": "long"} for name in COLUMNS])
    packed = _schema([{"name": "counters", "type": "bytes"}])
    forms = {
        "Avro longs": (longs, {"container_id": "ab" * 32, **dict(zip(COLUMNS, values, strict=True))}),
        "packed": (packed, {"container_id": "ab" * 32, "counters": pack(values)}),
    }
    for name, (schema, sample) in forms.items():
        record = {"samples": [sample] * PER_MESSAGE}
        out = io.BytesIO()
        schemaless_writer(out, schema, record)
        wire = out.getvalue()

        def read(schema: Any = schema, wire: bytes = wire) -> None:
            decoded: Any = schemaless_reader(io.BytesIO(wire), schema, None)
            for one in decoded["samples"]:
                if "counters" in one:
                    unpack(one["counters"])

        def write(schema: Any = schema, record: Any = record) -> None:
            schemaless_writer(io.BytesIO(), schema, record)

        print(f"{name:12} {len(wire) / PER_MESSAGE:5.0f} bytes  read {_best_us(read):5.2f} µs  write {_best_us(write):5.2f} µs  per sample")


if __name__ == "__main__":
    main()
