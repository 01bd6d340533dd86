"""`wst doctor` of a cluster, lag and open ports: on a real broker and archive wherever one can be had."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.settings import Settings
from streams.api.guard import Guard
from streams.cli import checks, lag_checks, port_checks
from streams.topology import STATE_APP
from tests.face.api_parts import LOCAL, served, whole_state
from tests.face.test_cli import Done, wst
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.engine import DockerEngine
from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until

NO_API = "http://127.0.0.1:1"


def findings(done: Done, part: str) -> list[tuple[str, str, str]]:
    return [(one["level"], one["what"], one["fix"]) for one in json.loads(done.stdout) if one["part"] == part]


def doctor(tmp_path: Path, **settings: str) -> Done:
    return wst("doctor", "--json", WST_API=NO_API, WST_ENGINES="ssh://me@far", HOME=str(tmp_path), **settings)


def test_a_broker_and_an_archive_out_of_reach_are_named_each(tmp_path: Path) -> None:
    done = doctor(tmp_path, WST_BROKERS="127.0.0.1:1", WST_CLICKHOUSE_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    [(level, what, fix)] = findings(done, "kafka")
    assert (level, what, fix) == ("fault", "no Kafka broker answers at 127.0.0.1:1", "start it, or set WST_BROKERS")
    [(level, what, fix)] = findings(done, "clickhouse")
    assert level == "fault"
    assert "127.0.0.1:1" in what
    assert fix


@pytest.mark.kafka
def test_a_cluster_without_topics_is_told_what_to_run_and_another_partition_count_what_to_set(
    kafka: KafkaBroker, unique: str, tmp_path: Path
) -> None:
    told = {"WST_BROKERS": kafka.bootstrap, "WST_TOPIC_PREFIX": f"{unique}.", "WST_PARTITIONS": "2", "WST_CLICKHOUSE_URL": NO_API}
    empty = doctor(tmp_path, **told)
    assert findings(empty, "kafka") == [("ok", f"{kafka.bootstrap} answers", "")]
    assert {(level, fix) for level, _, fix in findings(empty, "topics")} == {("fault", "run `wst topics apply`")}
    kafka.create_topic(f"{unique}.workspace.state", 3)
    said: list[tuple[str, str, str]] = []

    def seen() -> bool:
        said[:] = findings(doctor(tmp_path, **told), "kafka")
        return said[0][0] == "fault"

    wait_until(seen, "the broker tells of the topic it has just made", 60)
    [(_, what, fix)] = said
    assert what == f"topic {unique}.workspace.state has 3 partitions, WST_PARTITIONS says 2"
    assert fix.startswith("set WST_PARTITIONS=3")


@pytest.mark.clickhouse_http
def test_an_archive_without_its_tables_is_told_to_migrate(clickhouse_http: ClickHouseHttpServer, unique: str, tmp_path: Path) -> None:
    told = {"WST_CLICKHOUSE_URL": clickhouse_http.url, "WST_CLICKHOUSE_DATABASE": unique, "WST_BROKERS": "127.0.0.1:1"}
    [(level, what, fix)] = findings(doctor(tmp_path, **told), "clickhouse")
    assert (level, fix) == ("fault", "run `wst migrate`")
    assert f"database {unique}" in what
    assert "lacks 0001_tables.sql" in what
    assert wst("migrate", **told).returncode == 0
    assert [level for level, *_ in findings(doctor(tmp_path, **told), "clickhouse")] == ["ok"]


def test_who_falls_back_is_a_fault_who_catches_up_a_warning_and_who_keeps_up_is_not_named() -> None:
    first = {"a (worker state)": 5_000, "b (sink)": 50_000, "c": 20_000, "d": 3}
    later = {"a (worker state)": 6_500, "b (sink)": 40_000, "c": 900, "d": 30}
    found = list(lag_checks.growing(first, later))
    assert [(one.level, one.what) for one in found] == [
        ("fault", "a (worker state): 6,500 records behind, and 1,500 more than just before"),
        ("warning", "b (sink): 40,000 records behind"),
    ]
    assert all(one.fix for one in found)
    looks, paused = iter([first, later]), list[float]()
    assert list(lag_checks.lag(lambda: next(looks), paused.append)) == found
    assert paused == [lag_checks.BETWEEN_S]
    assert list(lag_checks.lag(lambda: {"a": 999}, lambda _: pytest.fail("nobody is behind: there is nothing to wait for"))) == []


def test_lag_of_a_tree_is_that_of_its_api_its_sink_and_its_workers() -> None:
    assert lag_checks.of_health({"lag": {"t": 1}, "sink": {"lag": {"u": 2}}}) == {"t": 1, "u (sink)": 2}
    text = """# TYPE wst_lane_lag_records gauge
wst_lane_lag_records{topic="wst.docker.events",partition="0",part="state"} 1200
wst_lane_lag_records{topic="wst.docker.events",partition="1",part="state"} 34
wst_lane_lag_records{topic="wst.docker.stats",partition="1",part="usage"} 1.5e+04
wst_lane_records_total{part="state"} 7
"""
    assert lag_checks.of_figures(text) == {"wst.docker.events (state)": 1_234, "wst.docker.stats (usage)": 15_000}
    with served(whole_state("shop@laptop"), health={"parts": [], "sink": {"lag": {"wst.docker.stats": 7}}}) as api:
        settings = Settings(api=api.url)
        look = lag_checks.look_of(settings, lambda: {"lag": {"t": 3}, "sink": {"lag": {"u": 7}}}, cluster=False)
        assert look() == {"t": 3, "u (sink)": 7}


@pytest.mark.kafka
async def test_lag_of_a_cluster_is_what_kafka_knows_of_its_groups(kafka: KafkaBroker, unique: str) -> None:
    settings = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=2)
    topic = f"{unique}.docker.events"
    await asyncio.to_thread(kafka.create_topic, topic, 2)
    assert await asyncio.to_thread(lag_checks.of_groups, settings) == {}
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    for number in range(10):
        await producer.send_and_wait(topic, b"x", partition=number % 2)
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=STATE_APP.app_id(f"{unique}."), enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(2)]
    consumer.assign(partitions)
    await consumer.commit({partitions[0]: 1, partitions[1]: 5})
    await consumer.stop()
    assert await asyncio.to_thread(lag_checks.of_groups, settings) == {f"{topic} (worker state)": 4}


def test_figures_that_everyone_could_read_are_a_fault(tmp_path: Path) -> None:
    [(level, what, fix)] = findings(doctor(tmp_path, WST_METRICS_PORT="9464", WST_METRICS_HOST="0.0.0.0"), "token")
    assert (level, what) == ("fault", "WST_METRICS_HOST: figures on 0.0.0.0 would be open to everyone")
    assert "WST_API_READ_TOKEN_FILE" in fix
    with_token = doctor(tmp_path, WST_METRICS_PORT="9464", WST_METRICS_HOST="0.0.0.0", WST_API_READ_TOKEN="r")
    assert findings(with_token, "token") == []


def test_an_api_that_tells_strangers_is_a_fault_where_strangers_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(whole_state("shop@laptop"), guard=Guard(None, None, None)) as open_one:
        assert port_checks.answers_strangers(open_one.url)
        assert list(port_checks.api(open_one.url)) == []
        monkeypatch.setattr(port_checks, "is_loopback", lambda _: False)  # as from another machine
        [found] = port_checks.api(open_one.url)
        assert (found.level, found.part) == ("fault", "token")
        assert "WST_API_TOKEN_FILE" in found.fix
    with served(whole_state("shop@laptop"), guard=Guard(None, "all", "read")) as closed:
        assert [found.level for found in port_checks.api(closed.url)] == ["ok"]
    with served(guard=LOCAL) as local:
        assert not port_checks.answers_strangers(local.url.replace("127.0.0.1", "127.0.0.2"))


@pytest.mark.engine
def test_a_socket_that_may_not_be_opened_is_told_apart_from_one_that_is_not_there(engine: DockerEngine) -> None:
    # Root opens everything: somebody else asks.
    engine.socket_path.chmod(0o660 if os.geteuid() == 0 else 0)
    before = os.geteuid()
    os.seteuid(65534 if before == 0 else before)
    try:
        [found] = list(checks.engine_at(engine.url, "WST_ENGINES"))
    finally:
        os.seteuid(before)
        engine.socket_path.chmod(0o660)
    assert (found.level, found.what) == ("fault", f"the Docker Engine at {engine.url} (from WST_ENGINES) does not answer")
    assert found.fix.startswith("permission denied: add yourself to the group docker")
