"""Percentiles are within 1 % of exact, whatever is merged with what; ClickHouse has the same buckets and reads our states."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.histogram import ACCURACY, Histogram, from_bytes, size_of
from tests.platform.process import PATIENCE_S

MOST = (1 << 63) - 1
QUERY = "import sys, chdb; sys.stdout.write(str(chdb.query(sys.stdin.read(), 'JSONCompactEachRow')))"

values = st.lists(st.integers(0, MOST) | st.integers(0, 300) | st.just(7), max_size=60)


def of(some: Sequence[int]) -> Histogram:
    made = Histogram()
    made.add_all(some)
    return made


@given(values, st.sampled_from([0.0, 0.25, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_within_one_percent_of_the_exact_one(some: list[int], ratio: float) -> None:
    said = of(some).quantile(ratio)
    if not some:
        assert said is None
        return
    exact = sorted(some)[int(ratio * (len(some) - 1))]
    assert said == pytest.approx(exact, rel=ACCURACY * (1 + 1e-9), abs=0)


@given(values, values, values)
def test_a_merge_is_the_histogram_of_all_and_no_order_changes_it(a: list[int], b: list[int], c: list[int]) -> None:
    whole = of([*a, *b, *c])
    for order in ((a, b, c), (c, b, a), (b, a, c)):
        total = Histogram()
        for part in order:
            total.merge(of(part))
        assert total == whole
        assert total.to_bytes() == whole.to_bytes()
    assert whole.count() == len(a) + len(b) + len(c)


@given(values)
def test_its_bytes_read_back_and_say_how_long_they_are(some: list[int]) -> None:
    data = of(some).to_bytes()
    assert from_bytes(data) == of(some)
    assert size_of(b"xx" + data + b"yy", 2) == len(data)


@pytest.mark.parametrize("count", [255, 256, 65_535, 65_536])
def test_counts_widen_as_they_grow_and_stay_exact(count: int) -> None:
    grown = of([500] * count)
    assert grown.count() == count
    assert from_bytes(grown.to_bytes()) == grown
    doubled = of([500] * count)
    doubled.merge(grown)
    assert doubled == of([500] * (2 * count))


@given(st.binary(max_size=40))
def test_bytes_that_are_no_histogram_are_refused(data: bytes) -> None:
    try:
        made = from_bytes(data)
    except ValueError:
        return
    assert from_bytes(made.to_bytes()).count() == made.count()


def asked(query: str) -> list[list[object]]:
    done = subprocess.run([sys.executable, "-c", QUERY], input=query, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_clickhouse_has_the_same_buckets_to_their_bounds() -> None:
    pytest.importorskip("chdb", reason="the ClickHouse engine in process: pip install 'workspace-status[embedded]'")
    around = {int((1.01 / 0.99) ** bucket) + by for bucket in range(2170) for by in (-1, 0, 1, 2)}
    some = sorted(value for value in around if value < 1 << 62)
    query = f"SELECT toString(x), quantileDD(0.01, 0.5)(toFloat64(x)) FROM (SELECT arrayJoin({some}) AS x) GROUP BY x"
    found = {int(str(value)): said for value, said in asked(query)}
    assert len(found) == len(some) > 7000
    for value, said in found.items():
        assert of([value]).quantile(0.5) == pytest.approx(said, rel=1e-9)


@pytest.mark.parametrize("some", [[], [0, 0], [1], [5] * 300, [0, 1, 2, 3, 10**6, 10**12, 1 << 62], [*range(2000)]])
def test_clickhouse_reads_a_state_as_if_it_had_seen_the_values(some: list[int]) -> None:
    pytest.importorskip("chdb", reason="the ClickHouse engine in process: pip install 'workspace-status[embedded]'")
    kind = "quantilesDD(0.01, 0.0, 0.5, 0.95, 0.99, 1.0)"
    ours = f"CAST(unhex('{of(some).to_clickhouse().hex()}'), 'AggregateFunction({kind}, Float64)')"
    each = f"(SELECT arrayJoin({some}::Array(UInt64)) AS x)"
    native = f"(SELECT hex(CAST(quantilesDDState(0.01, 0., 0.5, 0.95, 0.99, 1.)(toFloat64(x)) AS String)) FROM {each})"
    again = "hex(CAST(quantilesDDMergeState(0.01, 0., 0.5, 0.95, 0.99, 1.)(s) AS String))"
    [[merged, theirs, percentiles]] = asked(
        f"SELECT {again}, {native}, finalizeAggregation(any(s)) FROM (SELECT {ours} AS s) SETTINGS output_format_json_quote_denormals = 1"
    )
    assert merged == theirs
    assert isinstance(percentiles, list)
    if some:
        assert [of(some).quantile(ratio) for ratio in (0, 0.5, 0.95, 0.99, 1)] == pytest.approx(percentiles, rel=1e-9)
