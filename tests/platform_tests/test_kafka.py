"""The broker: records survive kills, a pause is a silence, groups may time out quickly."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until


def produce(broker: KafkaBroker, topic: str, values: list[bytes], timeout_s: float = 20.0) -> int:
    """Produce and return how many records the broker acknowledged in time."""
    acknowledged: list[bytes] = []

    def delivered(error: object, message: object) -> None:
        if error is None:
            acknowledged.append(b"")

    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 2, "message.timeout.ms": int(timeout_s * 1000)})
    for value in values:
        producer.produce(topic, value, on_delivery=delivered)
    producer.flush(timeout_s + 5)
    return len(acknowledged)


def read(broker: KafkaBroker, topic: str) -> list[bytes | None]:
    """Read partition 0 of a topic from its beginning to its end."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.auto.commit": False, "log_level": 2})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        values: list[bytes | None] = []
        while len(values) < end:
            message = consumer.poll(10)
            assert message is not None, f"{len(values)} of {end} records, then silence"
            assert message.error() is None
            values.append(message.value())
        return values
    finally:
        consumer.close()


def test_records_survive_a_killed_broker_on_the_same_port(private_kafka: KafkaBroker) -> None:
    values = [f"record {number}".encode() for number in range(1000)]
    private_kafka.create_topic("facts")
    assert produce(private_kafka, "facts", values) == len(values)
    bootstrap = private_kafka.bootstrap
    private_kafka.kill()
    assert not private_kafka.is_running
    private_kafka.start()
    assert private_kafka.bootstrap == bootstrap
    assert read(private_kafka, "facts") == values


def test_a_paused_broker_answers_nothing_and_loses_nothing(private_kafka: KafkaBroker) -> None:
    private_kafka.create_topic("facts")
    private_kafka.pause()
    with pytest.raises(KafkaException):
        private_kafka.admin().list_topics(timeout=1)
    private_kafka.resume()
    assert produce(private_kafka, "facts", [b"after"]) == 1
    assert read(private_kafka, "facts") == [b"after"]


def test_a_topic_is_only_made_on_demand_and_with_the_settings_asked_for(kafka: KafkaBroker, unique: str) -> None:
    assert produce(kafka, f"{unique}.never", [b"x"], timeout_s=2) == 0
    kafka.create_topic(f"{unique}.state", partitions=3, cleanup_policy="compact")
    topics = kafka.admin().list_topics(timeout=10).topics
    assert len(topics[f"{unique}.state"].partitions) == 3
    assert f"{unique}.never" not in topics


def test_a_group_may_have_a_session_of_six_seconds_and_is_assigned_at_once(kafka: KafkaBroker, unique: str) -> None:
    kafka.create_topic(unique)
    settings = {"bootstrap.servers": kafka.bootstrap, "group.id": unique, "session.timeout.ms": 6000, "log_level": 2}
    consumer = Consumer(settings)
    try:
        consumer.subscribe([unique])
        # Kafka delays a first rebalance by 3 s by default: every test that starts a worker would wait.
        wait_until(lambda: consumer.poll(0.1) is None and bool(consumer.assignment()), "the group is assigned")
    finally:
        consumer.close()
