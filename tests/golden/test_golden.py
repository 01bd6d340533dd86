"""From an engine's JSON to the row in the archive, through everything that is between: producer, fold, sink, views."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from producers.sample import Context, counters
from schemas import topics
from schemas.codec import codec
from streams.core.facts import Position
from streams.core.usage import fold_tick, initial
from tests.golden.docker_stats import docker_shows
from tests.sinks.archives import Real
from tests.sinks.records import arrive, position, rows_of

Json = dict[str, Any]
CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())
HOST_MEMORY_BYTES = 1 << 34


def read(case: Path, name: str) -> Json:
    found: Json = json.loads((case / f"{name}.json").read_text("utf-8"))
    return found


async def through_everything(case: Path, archive: Real) -> Json:
    """The row of `samples` that the later answer becomes."""
    context = Context(**read(case, "context"))
    state = initial("shop@laptop")
    for offset, name in enumerate(("before", "after")):
        answer = read(case, name)
        packed = counters(answer, context)
        assert isinstance(packed, bytes)
        at_ns = int.from_bytes(packed[:8], "little")
        sample = {"container_id": "c" * 64, "container_name": "shop-web-1", "service": "web", "counters": packed}
        tick = {
            "workspace_id": "shop@laptop", "workspace_name": "shop", "engine_id": "E1", "engine_name": "laptop", "generation": 0,
            "tick_at_ns": at_ns, "interval_ms": 10_000, "part": 0, "parts": 1, "host_cpus": answer["cpu_stats"]["online_cpus"],
            "host_memory_bytes": HOST_MEMORY_BYTES, "labels": {}, "samples": [sample],
        }  # fmt: skip
        tick = codec("stats_tick").decode(codec("stats_tick").encode(tick))
        state, told = fold_tick(state, tick, Position(1, 0, offset), at_ns // 10**6)
        arrivals = [arrive(topics.WORKSPACE_USAGE, record, position(offset)) for record in told]
        await archive.write(rows_of(topics.WORKSPACE_USAGE, *arrivals))
    sql = f"SELECT * FROM `{archive.address.database}`.samples ORDER BY read_at DESC LIMIT 1 FORMAT JSONEachRow"
    text = archive.client.raw_query(sql, settings={"output_format_json_quote_64bit_integers": 0})
    row: Json = json.loads(text)
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_an_engines_answers_become_the_row_that_is_expected(case: Path, chdb_archive: Real) -> None:
    # Recorded answers grow older than the tables keep rows.
    chdb_archive.client.command(f"ALTER TABLE `{chdb_archive.address.database}`.samples_rows REMOVE TTL")
    row = await through_everything(case, chdb_archive)
    expected = case / "expected.json"
    if os.environ.get("WST_REGENERATE"):
        expected.write_text(json.dumps(row, indent=1, sort_keys=True) + "\n", "utf-8")
    assert row == read(case, "expected")
    shown = docker_shows(read(case, "before"), read(case, "after"))
    assert {name: row[name] for name in shown} == pytest.approx(shown, rel=1e-9)
