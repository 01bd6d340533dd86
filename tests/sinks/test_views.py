"""The views are exact at every moment: whatever is written twice, late or out of order, before and after a merge."""

from __future__ import annotations

import random
from typing import Any

import pytest

from schemas import topics
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import HOSTILE, T0_NS, arrive, position, rows_of

VIEWS = (
    "alerts",
    "container_usage_daily",
    "container_usage_hourly",
    "dead_letters",
    "docker_events",
    "samples",
    "state_gaps",
    "state_intervals",
    "usage_daily",
    "usage_hourly",
    "workspace_changes",
    "workspaces",
)

NOT_FILLED = ("alerts", "container_usage_daily", "container_usage_hourly", "usage_daily")
"""By the records below."""


def test_every_column_of_every_table_and_view_says_what_it_is(chdb_archive: Real) -> None:
    silent = "SELECT table, name FROM system.columns WHERE database = {d:String} AND comment = ''"
    assert chdb_archive.rows(silent, d=chdb_archive.address.database) == []
    known = chdb_archive.rows("SELECT DISTINCT table FROM system.columns WHERE database = {d:String}", d=chdb_archive.address.database)
    assert {name for (name,) in known} >= set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_can_be_read_when_nothing_is_in_it(chdb_archive: Real, view: str) -> None:
    assert chdb_archive.rows(f"SELECT * FROM {{db}}.{view}") == []


def _one_of_each(offset: int = 5) -> list[Any]:
    at = position(offset)
    forgetting = records.forgotten_by(position(6))
    return [
        *rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, records.fact(), at)),
        *rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, records.state(), at)),
        *rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, records.state("gone", position(5), last_updated_ns=T0_NS - 1), at)),
        *rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, None, at, "gone", forgetting)),
        *rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, records.event(), at)),
        *rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, records.usage(samples=[records.sample()]), at)),
        *rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, records.usage(windows=[records.window()]), at)),
        *rows_of(topics.DEAD_LETTERS, arrive(topics.DEAD_LETTERS, records.dead_letter(), at)),
    ]


async def test_rows_written_again_and_again_show_once_before_and_after_a_merge(chdb_archive: Real) -> None:
    for offset in (9, 5, 7, 5):
        await chdb_archive.write(_one_of_each(offset))
    views = {view: chdb_archive.rows(f"SELECT * FROM {{db}}.{view}") for view in VIEWS if view not in NOT_FILLED}
    # The second interval is that of the workspace that was there for a nanosecond.
    assert {view: len(rows) for view, rows in views.items()} == dict.fromkeys(views, 1) | {"state_intervals": 2, "state_gaps": 0}
    chdb_archive.merge()
    assert {view: chdb_archive.rows(f"SELECT * FROM {{db}}.{view}") for view in views} == views


async def test_of_a_repeated_fact_the_earliest_position_survives_in_any_order(chdb_archive: Real) -> None:
    """die@10 … and again die@12: the fold took the one at 10, so the archive must say 10."""
    positions = [position(n, epoch, partition) for epoch in (1, 2) for partition in (0, 3) for n in (0, 1, 255, 256, 2**40)]
    random.Random(4).shuffle(positions)
    for at in positions:
        await chdb_archive.write(rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, records.fact(), at)))
    kept = "SELECT log_epoch, log_partition, log_offset FROM {db}.docker_events"
    assert chdb_archive.rows(kept) == [(1, 0, 0)]
    chdb_archive.merge()
    assert chdb_archive.rows(kept) == [(1, 0, 0)]


async def test_a_command_sent_again_carries_another_time_and_is_still_the_same(chdb_archive: Real) -> None:
    command = {"name": "archive", "by": "me", "why": "old", "arguments": {}}
    for offset, time_ns in ((3, T0_NS), (4, T0_NS + 40 * 86_400 * 10**9)):
        sent = records.fact("cmd", kind="command", engine_event=None, container=None, command=command, time_ns=time_ns)
        await chdb_archive.write(rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, sent, position(offset))))
    assert chdb_archive.rows("SELECT action, reason, by, at FROM {db}.docker_events") == [("archive", "old", "me", T0_NS)]


async def test_the_latest_state_is_that_of_the_latest_fact_whatever_came_last(chdb_archive: Real) -> None:
    for offset, running in ((30, 3), (10, 1), (20, 2)):
        state = records.state(at=position(offset), running=running, seq=running)
        await chdb_archive.write(rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, state, position(99 - offset))))
        # A later epoch of the log is later, whatever its offsets.
    assert chdb_archive.rows("SELECT workspace_id, running FROM {db}.workspaces") == [("shop@laptop", 3)]
    again = records.state(at=position(1, epoch=2), running=7)
    await chdb_archive.write(rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, again, position(0))))
    assert chdb_archive.rows("SELECT running FROM {db}.workspaces") == [(7,)]


async def test_a_forgotten_workspace_goes_and_comes_back_with_a_later_fact(chdb_archive: Real) -> None:
    async def write(record: dict[str, Any] | None, at: int) -> None:
        headers = records.forgotten_by(position(at)) if record is None else ()
        await chdb_archive.write(
            rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, record, position(1), "shop@laptop", headers))
        )

    await write(None, at=20)
    await write(records.state(at=position(10)), at=10)
    chdb_archive.merge()
    await write(records.state(at=position(11)), at=11)
    assert chdb_archive.rows("SELECT workspace_id FROM {db}.workspaces") == []
    await write(records.state(at=position(21)), at=21)
    assert chdb_archive.rows("SELECT workspace_id, log_offset FROM {db}.workspaces") == [("shop@laptop", 21)]


async def test_of_a_window_the_one_with_more_samples_survives_and_closed_beats_running(chdb_archive: Real) -> None:
    versions = [(10, True), (9, True), (10, False), (3, False), (11, False)]
    for count, final in versions:
        window = records.window(sample_count=count, final=final, cpu_core_ns=count * 10**9, covered_ns=10**9)
        arrival = arrive(topics.WORKSPACE_USAGE, records.usage(windows=[window, window | {"grain": "day"}]), position(count))
        await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrival))
        if count == 3:
            assert chdb_archive.rows("SELECT sample_count, final FROM {db}.usage_hourly") == [(10, True)]
    shown = [(11, False, 11.0, 1100.0)]
    assert chdb_archive.rows("SELECT sample_count, final, cpu_core_seconds, cpu_percent_mean FROM {db}.usage_hourly") == shown
    assert chdb_archive.rows("SELECT sample_count, final, cpu_core_seconds, cpu_percent_mean FROM {db}.usage_daily") == shown


async def test_a_workspace_on_two_engines_has_a_window_for_each(chdb_archive: Real) -> None:
    for engine in ("E1", "E2"):
        usage = records.usage(windows=[records.window()], engine_id=engine)
        await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(1))))
    assert chdb_archive.rows("SELECT engine_id FROM {db}.usage_hourly ORDER BY engine_id") == [("E1",), ("E2",)]


async def test_a_sample_is_shown_in_units_people_read(chdb_archive: Real) -> None:
    values = {
        "cpu_limit_nanocpus": 10**9,
        "memory_used_bytes": 256,
        "memory_limit_bytes": 1024,
        "network_rx_bytes": 500,
        "block_write_bytes": 0,
        "interval_ns": 2 * 10**9,
        "cpu_ns": 10**9,
        "system_cpu_ns": 8 * 10**9,
        "started_at_ns": T0_NS - 10**9,
        "throttled_ns": 10**9,
    }
    usage = records.usage(
        samples=[records.sample("c1", T0_NS, "folded", **values), records.sample("c2", outcome="baseline", interval_ns=0, cpu_ns=-1)]
    )
    await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(1))))
    columns = (
        "cpu_percent, cpu_cores, cpu_percent_of_limit, cpu_percent_of_host, memory_percent, network_rx_bytes_per_second,"
        " network_tx_bytes_per_second, block_write_bytes_per_second, throttled_percent, started_at"
    )
    shown = chdb_archive.rows(f"SELECT {columns} FROM {{db}}.samples ORDER BY container_id")
    assert shown[0] == (50.0, 0.5, 50.0, 12.5, 25.0, 250.0, None, 0.0, 50.0, T0_NS - 10**9)
    assert shown[1] == (None,) * 10


async def test_an_alert_is_one_row_from_raise_to_resolve(chdb_archive: Real) -> None:
    section = {
        "rule": "cpu",
        "metric": "cpu_percent",
        "value": 93.5,
        "threshold": 80.0,
        "since_ns": T0_NS,
        "container_id": "c1",
        "labels": {"a": "b"},
    }
    for seq, kind, at in ((1, "alert_raised", 5), (2, "alert_resolved", 9)):
        alert = section | {"dedup_key": "k", "value": 93.5 if seq == 1 else 10.0}
        event = records.event(seq, kind=kind, at_ns=T0_NS + at, alert=alert, stream="usage")
        await chdb_archive.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, event, position(seq))))
        shown = chdb_archive.rows("SELECT rule, container_id, value, threshold, since, raised_at, resolved_at, labels FROM {db}.alerts")
        resolved = None if seq == 1 else T0_NS + 9
        assert shown == [("cpu", "c1", 93.5, 80.0, T0_NS, T0_NS + 5, resolved, {"a": "b"})]


async def test_hostile_names_come_back_as_they_went_in(chdb_archive: Real) -> None:
    named = records.container(name=HOSTILE, service=HOSTILE, image=HOSTILE, labels={HOSTILE: HOSTILE})
    fact = records.fact(HOSTILE, HOSTILE, container=named, workspace_name=HOSTILE, engine_name=HOSTILE)
    event = records.event(workspace_id=HOSTILE, message=HOSTILE)
    letter = records.dead_letter(reason=HOSTILE, key=bytes(range(256)), value=bytes(range(256)), headers={HOSTILE: b"\xff\x00"})
    await chdb_archive.write(rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, fact, position(1))))
    await chdb_archive.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, event, position(1))))
    await chdb_archive.write(rows_of(topics.DEAD_LETTERS, arrive(topics.DEAD_LETTERS, letter, position(1))))
    columns = "workspace_id, id, container_name, service, image, labels, workspace_name, engine"
    assert chdb_archive.rows(f"SELECT {columns} FROM {{db}}.docker_events") == [(*(HOSTILE,) * 5, {HOSTILE: HOSTILE}, HOSTILE, HOSTILE)]
    assert chdb_archive.rows("SELECT message FROM {db}.workspace_changes WHERE workspace_id = {w:String}", w=HOSTILE) == [(HOSTILE,)]
    whole = ("".join(f"{byte:02X}" for byte in range(256)),) * 2
    assert chdb_archive.rows("SELECT hex(key), hex(value) FROM {db}.dead_letters WHERE reason = {r:String}", r=HOSTILE) == [whole]


async def test_times_and_numbers_at_the_ends_of_64_bits_are_kept(chdb_archive: Real) -> None:
    ends = (-(2**63), -1, 0, 2**63 - 1)
    for offset, end in enumerate(ends):
        samples = [records.sample("c1", T0_NS + offset, cpu_ns=end, interval_ns=end), records.sample("c2", end)]
        windows = [records.window(T0_NS // 10**6 + offset, sample_count=end, cpu_core_ns=end), records.window(end)]
        for usage in (records.usage(samples=samples), records.usage(windows=windows)):
            await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(offset))))
        fact = records.fact(time_ns=end, recorded_at_ns=end)
        await chdb_archive.write(rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, fact, position(offset))))
    kept = [(end,) for end in ends]
    assert chdb_archive.rows("SELECT cpu_ns FROM {db}.samples WHERE container_id = 'c1' ORDER BY cpu_ns") == kept
    assert chdb_archive.rows("SELECT sample_count FROM {db}.usage_hourly WHERE cpu_core_seconds != 0 ORDER BY sample_count") == [
        kept[0],
        kept[1],
        kept[3],
    ]
    assert chdb_archive.rows("SELECT toUnixTimestamp64Nano(at) FROM {db}.docker_events ORDER BY at") == kept


async def test_rows_of_a_thousand_days_go_in_at_once(chdb_archive: Real) -> None:
    """A replay, or an engine whose clock jumps about, makes a block that lies in many partitions."""
    day_ns = 86_400 * 10**9
    facts = [arrive(topics.DOCKER_EVENTS, records.fact(str(n), time_ns=T0_NS - n * day_ns), position(n)) for n in range(4000)]
    await chdb_archive.write(rows_of(topics.DOCKER_EVENTS, *facts))
    assert chdb_archive.rows("SELECT count(), uniqExact(toYYYYMM(at)) FROM {db}.docker_events")[0][0] == 4000
