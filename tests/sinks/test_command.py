"""`wst sink`: what keeps it from starting is one line and an exit status."""

from __future__ import annotations

import pytest

from schemas import topics
from streams.sinks.rows import TOPICS
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port
from tests.sinks.process import wst


def refused(status: int, *words: str, **settings: str) -> list[str]:
    """Has the sink refuse to start; returns all that it said."""
    done = wst("sink", **settings)
    lines = done.stderr.splitlines()
    assert done.returncode == status, done.stderr
    assert lines[-1].startswith("wst: ")
    assert all(word in lines[-1] for word in words), lines[-1]
    assert "Traceback" not in done.stderr
    return lines


@pytest.fixture
def migrated(clickhouse_http: ClickHouseHttpServer, unique: str) -> dict[str, str]:
    there = {"WST_CLICKHOUSE_URL": clickhouse_http.url, "WST_CLICKHOUSE_DATABASE": unique, "WST_TOPIC_PREFIX": f"{unique}."}
    assert wst("migrate", **there).returncode == 0
    return there


def test_an_archive_out_of_reach_is_status_3() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert len(refused(3, "ClickHouse", "Connection refused", "WST_CLICKHOUSE_URL", WST_CLICKHOUSE_URL=nobody)) == 1


def test_a_wrong_password_is_status_3_and_is_not_shown() -> None:
    with ClickHouseHttpServer(password="right") as server:
        refused(3, "refuses the user or password", WST_CLICKHOUSE_URL=server.url.replace("http://", "http://default:wrong-one@"))


def test_a_database_without_tables_is_status_2_and_says_migrate(clickhouse_http: ClickHouseHttpServer, unique: str) -> None:
    refused(2, unique, "run `wst migrate`", WST_CLICKHOUSE_URL=clickhouse_http.url, WST_CLICKHOUSE_DATABASE=unique)


def test_a_broker_out_of_reach_is_status_3(migrated: dict[str, str]) -> None:
    refused(3, "no Kafka broker answers", "WST_BROKERS", WST_BROKERS=f"127.0.0.1:{free_port()}", **migrated)


def test_missing_topics_are_status_3_and_say_so(kafka: KafkaBroker, migrated: dict[str, str], unique: str) -> None:
    refused(3, f"no topic {unique}.docker.events", "run `wst topics apply`", WST_BROKERS=kafka.bootstrap, **migrated)
    for name in TOPICS:
        kafka.create_topic(f"{unique}.{name}", 4)
    refused(3, f"no topic {unique}.{topics.WORKSPACE_CONTROL.name}", WST_BROKERS=kafka.bootstrap, **migrated)
