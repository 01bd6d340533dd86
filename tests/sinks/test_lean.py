"""What a sample is kept without comes back as it was, whatever it was; and rows of before are read as they are."""

from __future__ import annotations

import itertools
import random

from schemas import topics
from streams.core import samples
from streams.sinks.rows import Block, PackedBlock
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import T0_NS, arrive, position, rows_of

EDGES = (-(2**63), -(2**44), -2, -1, 0, 1, 999_999, 10**9, 10**10 + 7, 5 * 10**11, 2**44 - 1, 2**44, 9 * 10**13, 2**62, 2**63 - 1)
TOLD = (
    "interval_ns",
    "cpu_ns",
    "memory_used_bytes",
    "cpu_millipercent",
    "memory_byte_seconds",
    "network_rx_bytes",
    "network_rx_counted_bytes",
)
READ = ", ".join(name for name in samples.COLUMNS if name != "read_ns")


def made(rows: list[dict[str, int]]) -> list[Block]:
    told = [records.sample(f"c{n}", T0_NS, "folded", **values) for n, values in enumerate(rows)]
    return rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, records.usage(samples=told), position(1)))


async def test_any_integers_come_back(chdb_archive: Real) -> None:
    draw = random.Random(7)
    edges = [dict(zip(TOLD[:3], values, strict=True)) for values in itertools.product(EDGES, repeat=3)]
    rows = [row | {name: draw.choice(EDGES) for name in (*TOLD[3:], "memory_usage_bytes", "network_tx_counted_bytes")} for row in edges]
    await chdb_archive.write(made(rows))
    found = chdb_archive.rows(f"SELECT container_id, {READ} FROM {{db}}.samples_exact")
    names = [name for name in samples.COLUMNS if name != "read_ns"]
    read = {container: dict(zip(names, values, strict=True)) for container, *values in found}
    assert len(read) == len(rows)
    for n, row in enumerate(rows):
        assert {name: read[f"c{n}"][name] for name in row} == row


async def test_what_the_fold_computes_itself_is_kept_as_nothing(chdb_archive: Real) -> None:
    """Else all would be right, and as large as before."""
    used, interval = 17 * 2**30 + 1, 10_003 * 10**6
    row = {
        "interval_ns": interval, "cpu_ns": 12_345_678_901, "cpu_millipercent": 12_345_678_901 * 100_000 // interval,
        "memory_used_bytes": used, "memory_byte_seconds": used * interval // 10**9, "memory_usage_bytes": used,
        "network_rx_bytes": 5, "network_rx_counted_bytes": 5, "network_tx_bytes": 6, "network_tx_counted_bytes": 6,
    }  # fmt: skip
    baseline = {"interval_ns": 0, "cpu_ns": -1, "cpu_millipercent": -1, "memory_byte_seconds": -1, "memory_used_bytes": 7}
    await chdb_archive.write(made([row, baseline | {"memory_usage_bytes": 7}]))
    kept = chdb_archive.rows(
        "SELECT cpu_millipercent, memory_byte_seconds, memory_usage_bytes, network_rx_counted_bytes, network_tx_counted_bytes, lean"
        " FROM {db}.samples_rows"
    )
    assert kept == [(0, 0, 0, 0, 0, 1)] * 2


async def test_rows_of_before_are_read_as_they_are_beside_those_of_now(chdb_archive: Real) -> None:
    row = {
        "interval_ns": 10**10,
        "cpu_ns": 5,
        "cpu_millipercent": 77,
        "memory_used_bytes": 3,
        "memory_usage_bytes": 9,
        "memory_byte_seconds": 8,
    }
    (block,) = made([row, row])
    assert isinstance(block, PackedBlock)
    older = Block(block.table, block.names, [list(column)[:1] for column in block.columns])
    await chdb_archive.write([block])
    await chdb_archive.write([Block(older.table, older.names, [["before"] if name == "container_id" else column for name, column in
                                                             zip(older.names, older.columns, strict=True)])])  # fmt: skip
    found = chdb_archive.rows("SELECT cpu_millipercent, memory_usage_bytes, memory_byte_seconds FROM {db}.samples_exact")
    assert found == [(77, 9, 8)] * 3
    assert chdb_archive.rows("SELECT lean, count() FROM {db}.samples_rows GROUP BY lean ORDER BY lean") == [(0, 1), (1, 2)]
