"""The fault campaign in short, and that its checker sees what it is there to see."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import clickhouse_connect
import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.codec import codec
from schemas.publish import make_record, partition_of
from tests.faults import campaign, checker
from tests.faults.keeper import Archive, Broker
from tests.faults.site import PARTITIONS

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse_http]


def test_a_round_of_kills_pauses_and_failures_is_clean_and_the_checker_would_have_seen_what_is_not(
    tmp_path: Path,
) -> None:
    found: list[str] = []
    with Broker() as broker, Archive() as archive:
        done = campaign.run_round(
            1, 12.0, [broker], archive, tmp_path, lambda where: found.extend(checker.check(forged(where)).differences)
        )
    assert done.violations == []
    assert done.kills.total() >= 3
    assert done.compared["changes of state"] > 300
    assert done.compared["final windows"] > 50
    for what in (
        "engine events in the log: lost",
        "changes: a repeat of",
        "archived changes: lost",
        "published states: 'ws-00000@fleet' is ",
        "windows: ('hours-00@past'",
    ):
        assert any(what in line for line in found), f"{what} is not among {found}"


def forged(where: checker.Site) -> checker.Site:
    """An event without a fact, a repeat that says another thing, a state and a window that no fold made, a row that is gone."""
    log = checker.Topics(where.bootstrap, where.prefix)
    events, states, usage = codec("event"), codec("state"), codec("usage")
    change = next(e for e in (events.decode(r.value) for r in log.read("workspace.changes")) if e["stream"] == "state")
    state = next(s for s in (states.decode(r.value) for r in log.read("workspace.state")) if s["workspace_id"] == "ws-00000@fleet")
    window = next(
        u for u in (usage.decode(r.value) for r in log.read("workspace.usage")) if u["workspace_id"] == "hours-00@past" and u["windows"]
    )
    more = [
        (topics.WORKSPACE_CHANGES, change["workspace_id"], change | {"message": "forged"}),
        (topics.WORKSPACE_STATE, state["workspace_id"], state | {"seq": 10_000}),
        (topics.WORKSPACE_USAGE, window["workspace_id"], window | {"windows": [window["windows"][0] | {"cpu_core_ns": 1}]}),
    ]
    producer = Producer({"bootstrap.servers": where.bootstrap})
    for topic, key, value in more:
        made = make_record(topic, where.prefix, key, value, kind="forged", record_id="forged", timestamp_ms=time.time_ns() // 10**6)
        producer.produce(made.topic, made.value, made.key, partition_of(made.key, PARTITIONS))
    assert producer.flush(30) == 0
    client = clickhouse_connect.get_client(dsn=where.clickhouse_url, database=where.database)
    client.command("DELETE FROM workspace_changes_rows WHERE seq = 2")
    client.close()
    last = where.heard[-1]
    return replace(where, heard=[*where.heard, last | {"timeNano": last["timeNano"] + 1}])
