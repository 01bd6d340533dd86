"""ClickHouse itself, over the derived samples, gives exactly the windows that the stream published."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from streams.core import samples
from streams.core.usage import publish_owed
from tests.core_usage.logs import made_log
from tests.core_usage.ticks import HOUR_S, NOON_S, Log, Record, outcomes, windows

pytest.importorskip("chdb", reason="the ClickHouse engine in process: pip install 'workspace-status[embedded]'")

# In a process of its own: one process can open one engine only, and other tests have theirs.
QUERY = "import sys, chdb; sys.stdout.write(str(chdb.query(sys.stdin.read(), 'JSONEachRow')))"


def rows(records: list[Record]) -> list[Record]:
    """Derived samples as flat rows."""
    return [
        {
            "engine_id": record["engine_id"],
            "epoch": record["epoch"],
            "offset": record["offset"],
            "part": record["part"],
            "container_id": one["container_id"],
            "outcome": one["outcome"],
            **dict(zip(samples.COLUMNS, samples.unpack(one["derived"]), strict=True)),
        }
        for record in records
        for one in record["samples"]
    ]


def aggregated(path: Path, length_s: int) -> list[Record]:
    """Windows of a length as ClickHouse sees them."""
    sql = Path(__file__).with_name("windows.sql").read_text("utf-8")
    types = "engine_id String, container_id String, outcome String, epoch Int64, offset Int64, part Int32"
    table = f"file('{path}', JSONEachRow, '{types}, {', '.join(f'{name} Int64' for name in samples.COLUMNS)}')"
    query = sql.replace("{length}", str(length_s)).replace("{samples}", table) + "SETTINGS output_format_json_quote_64bit_integers = 0"
    done = subprocess.run([sys.executable, "-c", QUERY], input=query, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_clickhouse_over_the_samples_gives_the_windows_the_stream_published(tmp_path: Path) -> None:
    log = Log()
    for message in made_log(Random(37), 400, engines=3):
        log.fold(message)
    log.records += publish_owed(log.state, 1000 * (NOON_S + 10**7))
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows(log.records)), "utf-8")
    found = windows(log.records)
    for grain, length_s in (("hour", HOUR_S), ("day", 24 * HOUR_S)):
        expected = [
            {
                "engine_id": engine,
                **{name: value for name, value in window.items() if name not in {"grain", "container_id", "final", "sketches"}},
            }
            for (engine, its, _), window in sorted(found.items())
            if its == grain
        ]
        assert aggregated(path, length_s) == expected
    assert set(outcomes(log.records)) == set(samples.OUTCOMES)
