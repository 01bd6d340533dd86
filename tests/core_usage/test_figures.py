"""What an update tells is what the metrics of its samples say, figure by figure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.figures import figures_of
from streams.core.samples import COLUMNS, Row, pack
from streams.query.metrics import Metrics, Sampled, combine

FIGURES = {
    "block_read_bytes_total": "block_read_total_bytes",
    "block_write_bytes_total": "block_write_total_bytes",
    "cpu_percent": "cpu_percent",
    "memory_limit": "memory_limit_bytes",
    "memory_usage": "memory_used_bytes",
    "network_rx_bytes_per_second": "network_rx_bytes_per_second",
    "network_rx_bytes_total": "network_rx_total_bytes",
    "network_tx_bytes_per_second": "network_tx_bytes_per_second",
    "network_tx_bytes_total": "network_tx_total_bytes",
    "pids": "pids",
}
VALUE = st.sampled_from([-1, 0, 1]) | st.integers(-1, 1 << 40) | st.integers(-1, 1 << 62)
ROW = st.tuples(*[st.integers(-1, 3) if name == "network_namespace" else VALUE for name in COLUMNS])


@given(st.lists(ROW, max_size=6), st.sampled_from([0, 1 << 30, 1 << 50]))
def test_the_figures_of_a_tick_are_those_of_its_samples(rows: list[Row], host_memory_bytes: int) -> None:
    metrics = combine(Sampled("engine", host_memory_bytes, row) for row in rows) or Metrics()
    told = {name: getattr(metrics, source) for name, source in FIGURES.items()}
    found = figures_of([pack(*row) for row in rows], host_memory_bytes)
    assert found == {name: float(value) for name, value in told.items() if value is not None}
    assert list(found) == sorted(found)
    assert all(round(value, 3) == value for value in found.values())
