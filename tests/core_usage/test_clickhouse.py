"""ClickHouse itself, over the derived samples, gives exactly the windows that the stream published."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import pytest

from streams.core import samples
from streams.core.histogram import Histogram, from_bytes
from streams.core.usage import publish_owed
from streams.core.windows import METRICS
from tests.core_usage.logs import made_log
from tests.core_usage.ticks import HOUR_S, NOON_S, Log, Record, container_windows, outcomes, windows
from tests.platform.process import PATIENCE_S

pytest.importorskip("chdb", reason="the ClickHouse engine in process: pip install 'workspace-status[embedded]'")

EMPTY = Histogram().to_bytes()
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


def asked(query: str) -> list[Record]:
    """Rows of a query."""
    query += " SETTINGS output_format_json_quote_64bit_integers = 0"
    done = subprocess.run([sys.executable, "-c", QUERY], input=query, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return [json.loads(line) for line in done.stdout.splitlines()]


def aggregated(file: str, path: Path, length_s: int) -> list[Record]:
    """Windows of a length as ClickHouse sees them."""
    sql = Path(__file__).with_name(file).read_text("utf-8")
    types = "engine_id String, container_id String, outcome String, epoch Int64, offset Int64, part Int32"
    table = f"file('{path}', JSONEachRow, '{types}, {', '.join(f'{name} Int64' for name in samples.COLUMNS)}')"
    return asked(sql.replace("{length}", str(length_s)).replace("{samples}", table))


def stated(windows: Iterable[Record], metrics: Sequence[str], path: Path) -> list[Record]:
    """Windows with their histograms as states of ClickHouse, which it has read and written again."""
    hexes = [from_bytes(one["histograms"].get(metric, EMPTY)).to_clickhouse().hex() for one in windows for metric in metrics]
    path.write_text("\n".join(json.dumps({"n": number, "s": text}) for number, text in enumerate(hexes)), "utf-8")
    state = "CAST(unhex(s), 'AggregateFunction(quantilesDD(0.01, 0.5), Float64)')"
    again = f"hex(CAST(quantilesDDMergeState(0.01, 0.5)({state}) AS String)) AS state"
    found = iter(asked(f"SELECT n, {again} FROM file('{path}', JSONEachRow, 'n UInt32, s String') GROUP BY n ORDER BY n"))
    left_out = {"grain", "container_name", "service", "final", "sketches", "histograms"}
    return [
        {name: value for name, value in one.items() if name not in left_out} | {metric: next(found)["state"] for metric in metrics}
        for one in windows
    ]


@pytest.mark.parametrize(("grain", "length_s"), [("hour", HOUR_S), ("day", 24 * HOUR_S)])
def test_clickhouse_over_the_samples_gives_the_windows_the_stream_published(tmp_path: Path, grain: str, length_s: int) -> None:
    log = Log()
    for message in made_log(Random(37), 400, engines=3):
        log.fold(message)
    log.records += publish_owed(log.state, 1000 * (NOON_S + 10**7))
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows(log.records)), "utf-8")
    states = tmp_path / "states.jsonl"

    of_workspace = {key: {"engine_id": key[0], **one} for key, one in sorted(windows(log.records).items()) if key[1] == grain}
    expected = stated(of_workspace.values(), METRICS, states)
    assert aggregated("windows.sql", path, length_s) == [
        {name: value for name, value in one.items() if name != "container_id"} for one in expected
    ]
    of_containers = {key: {"engine_id": key[0], **one} for key, one in sorted(container_windows(log.records).items()) if key[1] == grain}
    assert aggregated("container_windows.sql", path, length_s) == stated(of_containers.values(), METRICS[:2], states)
    assert set(outcomes(log.records)) == set(samples.OUTCOMES)
