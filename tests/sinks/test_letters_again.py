"""Dead letters to their end in a cluster: what the archive refuses is put aside and shown, and after a fix it is given again, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.publish import make_record, partition_of
from tests.core_state.makers import event
from tests.e2e.parts import Part, json_lines, wst
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse_http]


@pytest.fixture
def settings(kafka: KafkaBroker, clickhouse_http: ClickHouseHttpServer, unique: str, tmp_path: Path) -> dict[str, str]:
    port = free_port()
    return {
        "WST_BROKERS": kafka.bootstrap,
        "WST_TOPIC_PREFIX": f"{unique}.",
        "WST_PARTITIONS": "2",
        "WST_CLICKHOUSE_URL": clickhouse_http.url,
        "WST_CLICKHOUSE_DATABASE": unique,
        "WST_DATA_DIR": str(tmp_path),
        "WST_API_PORT": str(port),
        "WST_API": f"http://127.0.0.1:{port}",
    }


@pytest.fixture
def parts(settings: dict[str, str]) -> Iterator[None]:
    wst("topics", "apply", settings=settings)
    wst("migrate", settings=settings)
    with ExitStack() as stack:
        for arguments in (("sink",), ("api",), ("worker", "state")):
            stack.enter_context(Part(arguments, settings))
        yield


def publish(settings: dict[str, str], *facts: dict[str, object]) -> None:
    producer = Producer({"bootstrap.servers": settings["WST_BROKERS"]})
    for fact in facts:
        record = make_record(
            topics.DOCKER_EVENTS,
            settings["WST_TOPIC_PREFIX"],
            str(fact["workspace_id"]),
            fact,
            kind="engine_event",
            record_id=str(fact["id"]),
            timestamp_ms=1,
        )
        headers: list[tuple[str, str | bytes | None]] = list(record.headers)
        producer.produce(record.topic, record.value, record.key, partition_of(record.key, 2), headers=headers)
    assert producer.flush(60) == 0


def test_what_the_archive_refused_is_shown_and_after_the_fix_given_again_once(
    clickhouse_http: ClickHouseHttpServer, settings: dict[str, str], parts: None
) -> None:
    created, started = event("create", 0), event("start", 1)
    workspace = created["workspace_id"]
    client = clickhouse_http.client(database=settings["WST_CLICKHOUSE_DATABASE"])

    def archived() -> list[str]:
        return [str(action) for (action,) in client.query("SELECT action FROM docker_events ORDER BY at").result_rows]

    def told() -> list[tuple[int, str]]:
        found = json_lines(wst("events", "--workspace", workspace, "--json", "--since", "2000-01-01T00:00:00Z", settings=settings))
        return sorted((one["seq"], one["type"]) for one in found)

    def letters() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(wst("dead-letters", "list", "--json", settings=settings, check=False) or "[]")
        return found

    client.command("ALTER TABLE docker_events_rows ADD CONSTRAINT no_starts CHECK action != 'start'")
    publish(settings, created, started)
    wait_until(lambda: len(letters()) == 1, "the letter of what was refused")
    (letter,) = letters()
    assert (letter["stage"], letter["code"], letter["topic"]) == ("sink", "refused", f"{settings['WST_TOPIC_PREFIX']}docker.events")
    assert "no_starts" in str(letter["reason"])
    assert "no_starts" in wst("dead-letters", "show", str(letter["id"]), settings=settings)
    wait_until(lambda: archived() == ["create"], "the row of what was taken")
    wait_until(lambda: len(told()) > 1, "what the worker told")
    before = told()

    client.command("ALTER TABLE docker_events_rows DROP CONSTRAINT no_starts")
    assert "1 given to their topics again" in wst("dead-letters", "replay", "--all", "--stage", "sink", settings=settings)
    wait_until(lambda: archived() == ["create", "start"], "the row of what was given again")
    # Twice is harmless, and the fold had it already: a fact is known by what it says.
    wst("dead-letters", "replay", "--all", settings=settings)
    created, started = event("create", 2, "db"), event("start", 3, "db")
    publish(settings, created, started)
    wait_until(lambda: archived() == ["create", "start", "create", "start"], "the rows of what came after")
    wait_until(lambda: len(told()) > len(before), "what the worker told of what came after")
    assert told()[: len(before)] == before
    assert [seq for seq, _ in told()] == list(range(1, len(told()) + 1))
    client.close()
