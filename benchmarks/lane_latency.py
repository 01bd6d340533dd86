"""From a fact in the log to its change readable in workspace.changes, embedded and on a real Kafka broker.

    python -m benchmarks.lane_latency            # 500 facts, one after the other

Embedded: appended to the journal, relayed, folded, journaled, relayed, read from the wire. Kafka: produced, folded, read.
The producer's own part (engine → log) is not in it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import topics
from schemas.journal import Journal
from schemas.publish import Record, make_record, partition_of
from tests.core_state import makers
from tests.embedded.wire import BrokerProcess
from tests.platform.kafka import KafkaBroker

PARTITIONS: Final = 4
WORKSPACES: Final = 50


def fact(number: int) -> Record:
    """Start or end of one of fifty containers: a change each time."""
    which, turn = number % WORKSPACES, number // WORKSPACES
    workspace_id = f"ws-{which}@laptop"
    action = "die" if turn % 2 else "start"
    who = makers.who("web", id=makers.cid(f"c{which}"))
    found = makers.event(action, number, container=who, workspace_id=workspace_id, exit_code=1 if turn % 2 else None)
    at_ms = int(time.time() * 1000)
    return make_record(topics.DOCKER_EVENTS, "wst.", workspace_id, found, kind="engine_event", record_id=found["id"], timestamp_ms=at_ms)


def measure(name: str, bootstrap: str, put: Callable[[Record], Any], count: int) -> None:
    """Puts facts one after the other and waits for a change of each."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "latency", "fetch.wait.max.ms": 5, "enable.auto.commit": False}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(topics.WORKSPACE_CHANGES.full("wst."), number, 0) for number in range(PARTITIONS)])
    took_ms = []
    for number in range(-WORKSPACES, count):
        record = fact(number + WORKSPACES)
        began = time.perf_counter()
        put(record)
        patience = began + 30
        while True:
            message = consumer.poll(1.0)
            if message is not None and message.error() is None and message.key() == record.key:
                break
            if time.perf_counter() > patience:
                sys.exit(f"{name}: no change for fact {number}")
        if number >= 0:
            took_ms.append((time.perf_counter() - began) * 1000)
        while consumer.poll(0.005) is not None:
            pass  # further changes of the same fact
    took_ms.sort()
    quantiles = ", ".join(f"p{q} {took_ms[min(len(took_ms) - 1, len(took_ms) * q // 100)]:.1f}" for q in (50, 90, 99))
    print(f"{name}: {count} facts, ms: {quantiles}, max {took_ms[-1]:.1f}")
    consumer.close()


def start(env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "schemas.wst", "worker", "state"], env=env)


def stop(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGTERM)
    worker.wait(10)


def embedded(count: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="wst-latency-"))
    env = os.environ | {"WST_JOURNAL": str(folder / "journal.sqlite"), "WST_DATA_DIR": str(folder), "WST_PARTITIONS": str(PARTITIONS)}
    journal = Journal(folder / "journal.sqlite", PARTITIONS)
    broker = BrokerProcess(folder / "journal.sqlite", env)
    worker = start(env | {"WST_BROKERS": broker.bootstrap})
    try:
        measure("embedded", broker.bootstrap, lambda record: journal.append([record]), count)
    finally:
        stop(worker)
        broker.kill()


def cluster(count: int) -> None:
    with KafkaBroker() as broker:
        for topic in topics.ALL:
            config = {name.replace(".", "_"): value for name, value in topic.kafka_config().items()}
            broker.create_topic(topic.full("wst."), PARTITIONS, **config)
        env = os.environ | {"WST_BROKERS": broker.bootstrap, "WST_PARTITIONS": str(PARTITIONS), "WST_DATA_DIR": tempfile.mkdtemp()}
        worker = start(env)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0, "enable.idempotence": True})

        def put(record: Record) -> None:
            producer.produce(record.topic, record.value, record.key, partition_of(record.key, PARTITIONS), timestamp=record.timestamp_ms)
            producer.flush()

        try:
            measure("kafka", broker.bootstrap, put, count)
        finally:
            stop(worker)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    asked = parser.parse_args()
    embedded(asked.count)
    cluster(asked.count)


if __name__ == "__main__":
    main()
