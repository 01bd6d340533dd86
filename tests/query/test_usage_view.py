"""What a workspace uses now: the latest samples of its running containers, added up."""

from __future__ import annotations

from typing import Any

import pytest

from streams.query.metrics import Metrics
from streams.query.usage_view import UsageView
from tests.sinks import records
from tests.sinks.records import T0_NS

GIB = 1 << 30


def tick(at: int, *samples: dict[str, Any], engine_id: str = "E1", **more: Any) -> dict[str, Any]:
    return records.usage(samples=list(samples), tick_at_ns=T0_NS + at, engine_id=engine_id, **more)


def sample(container_id: str, outcome: str = "folded", **values: Any) -> dict[str, Any]:
    return records.sample(container_id, T0_NS, outcome, **values)


def metrics(view: UsageView, *containers: str) -> Metrics:
    found = view.metrics("shop@laptop", set(containers))
    assert found is not None
    return found


def test_containers_are_added_up_and_what_is_not_counted_is_left_out() -> None:
    view = UsageView()
    view.apply(tick(0, sample("c1", memory_used_bytes=GIB, pids=2), sample("c2", memory_used_bytes=GIB, pids=3), sample("old", pids=100)))
    both = metrics(view, "c1", "c2")
    assert (both.cpu_percent, both.memory_used_bytes, both.pids) == (100.0, 2 * GIB, 5)
    assert metrics(view, "c1").cpu_percent == 50.0
    assert view.metrics("shop@laptop", ()) is None
    assert view.metrics("nobody", {"c1"}) is None


def test_a_newer_tick_replaces_the_older_whole_and_a_late_one_changes_nothing() -> None:
    view = UsageView()
    assert view.apply(tick(10, sample("c1", pids=1), sample("c2", pids=1)))
    assert view.apply(tick(20, sample("c1", pids=7)))
    assert not view.apply(tick(10, sample("c2", pids=1)))
    assert metrics(view, "c1", "c2").pids == 7


def test_parts_of_one_tick_and_engines_of_one_workspace_stand_beside_each_other() -> None:
    view = UsageView()
    view.apply(tick(10, sample("c1", pids=1)))
    view.apply(tick(10, sample("c2", pids=2), part=1))
    view.apply(tick(3, sample("c3", pids=4), engine_id="E2"))
    assert metrics(view, "c1", "c2", "c3").pids == 7


@pytest.mark.parametrize("outcome", ["out_of_order", "late", "future", "absurd"])
def test_a_reading_that_says_nothing_about_now_is_not_shown(outcome: str) -> None:
    view = UsageView()
    assert not view.apply(tick(10, sample("c1", outcome)))
    assert view.metrics("shop@laptop", {"c1"}) is None


def test_a_first_reading_has_totals_but_no_rates() -> None:
    view = UsageView()
    view.apply(tick(10, sample("c1", "baseline", interval_ns=0, cpu_ns=-1, block_read_total_bytes=5, memory_used_bytes=GIB)))
    first = metrics(view, "c1")
    assert (first.cpu_percent, first.network_rx_bytes_per_second) == (None, None)
    assert (first.block_read_total_bytes, first.memory_used_bytes) == (5, GIB)


def test_a_shared_network_namespace_is_counted_once_and_the_hosts_not_at_all() -> None:
    shared: dict[str, Any] = {"network_namespace": 7, "network_rx_total_bytes": 1000, "network_tx_total_bytes": 10}
    view = UsageView()
    view.apply(
        tick(
            0,
            sample("db", **shared, network_rx_counted_bytes=100),
            sample("app", **shared, network_rx_counted_bytes=0),
            sample("own", network_namespace=8, network_rx_total_bytes=5, network_rx_counted_bytes=5),
            sample("host", network_namespace=0, network_rx_total_bytes=10**9),
        )
    )
    found = metrics(view, "db", "app", "own", "host")
    assert (found.network_rx_total_bytes, found.network_tx_total_bytes) == (1005, 10)
    assert found.network_rx_bytes_per_second == 105.0


def test_limits_add_up_but_never_above_the_hosts_memory() -> None:
    view = UsageView()
    limited = [sample(name, memory_limit_bytes=4 * GIB, memory_used_bytes=GIB, cpu_limit_nanocpus=10**9) for name in ("c1", "c2", "c3")]
    view.apply(tick(0, *limited, host_memory_bytes=8 * GIB))
    two = metrics(view, "c1", "c2")
    assert (two.memory_limit_bytes, two.memory_percent, two.cpu_limit_cores, two.cpu_percent_of_limit) == (8 * GIB, 25.0, 2.0, 50.0)
    assert metrics(view, "c1", "c2", "c3").memory_limit_bytes == 8 * GIB
    view.apply(tick(1, *limited, sample("free"), host_memory_bytes=8 * GIB))
    assert metrics(view, "c1", "free").cpu_limit_cores is None


def test_only_running_and_paused_containers_of_a_state_count() -> None:
    view = UsageView()
    view.apply(tick(0, *(sample(name, pids=number) for number, name in ((1, "a"), (2, "b"), (4, "c")))))
    containers = [records.container_state("a"), records.container_state("b", "paused"), records.container_state("c", "exited")]
    found = view.metrics_of(records.state(containers=containers))
    assert found is not None
    assert found.pids == 3
    view.forget("shop@laptop")
    assert view.metrics_of(records.state(containers=containers)) is None
