"""The producer with a real Kafka: facts out, requests in, a broker that is away at the start."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from producers.control import control_record
from schemas import topics
from schemas.codec import codec
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, wait_until
from tests.producers.scripted import scripted_engine
from tests.producers.test_cli import command, watches
from tests.producers.test_publisher_contract import consume

pytestmark = pytest.mark.kafka


def create(broker: KafkaBroker, prefix: str) -> None:
    for topic in topics.ALL:
        broker.create_topic(topic.full(prefix), 1)


def ask(broker: KafkaBroker, prefix: str, kind: str, section: dict[str, object]) -> None:
    record = control_record(prefix, "*", kind, section, time.time_ns())
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(record.topic, key=record.key, value=record.value)
    assert producer.flush(10) == 0


def test_facts_listings_and_samples_reach_kafka_and_requests_come_back(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    prefix = f"{unique}."
    create(kafka, prefix)
    ask(kafka, prefix, "interval", {"name": "collect", "interval_ms": 1000})
    with scripted_engine() as scripted:
        scripted.add("web")
        settings = {"WST_BROKERS": kafka.bootstrap, "WST_TOPIC_PREFIX": prefix, "WST_JOURNAL": "", "WST_SYNC_INTERVAL": "1h"}
        process = command("producer", data=tmp_path, WST_ENGINES=scripted.url, **settings)
        watches(process)
        consume(kafka, topics.DOCKER_SNAPSHOTS.full(prefix), 1)
        scripted.say("web", "pause")
        fact = codec("fact").decode(consume(kafka, topics.DOCKER_EVENTS.full(prefix), 1)[0].value)
        assert fact["engine_event"]["action"] == "pause"
        consume(kafka, topics.DOCKER_STATS.full(prefix), 3)  # a collect interval of 10 s would be too slow for it
        ask(kafka, prefix, "sync_request", {"id": "r1", "workspace_id": "", "expires_at_ns": time.time_ns() + 10**12, "by": ""})
        answer = codec("snapshot").decode(consume(kafka, topics.DOCKER_SNAPSHOTS.full(prefix), 2)[1].value)
        assert (answer["cause"], answer["request_id"]) == ("request", "r1")
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_a_broker_that_is_away_at_the_start_costs_no_fact(private_kafka: KafkaBroker, tmp_path: Path) -> None:
    create(private_kafka, "wst.")
    private_kafka.stop()
    with scripted_engine() as scripted:
        scripted.add("web")
        process = command("producer", data=tmp_path, WST_ENGINES=scripted.url, WST_BROKERS=private_kafka.bootstrap, WST_JOURNAL="")
        watches(process)
        wait_until(lambda: scripted.calls["list"] > 0, "it watches all the same")
        for action in ("pause", "unpause", "stop"):
            scripted.say("web", action)
        private_kafka.start()
        facts = [codec("fact").decode(record.value) for record in consume(private_kafka, "wst.docker.events", 3)]
        assert [fact["engine_event"]["action"] for fact in facts] == ["pause", "unpause", "stop"]
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
