"""The outbox through outages and deaths: nothing lost, order kept, samples bounded."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from producers.outbox import KafkaOutlet
from schemas.codec import codec
from schemas.journal import Journal
from schemas.topics import MAX_RECORD_BYTES
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port, wait_until
from tests.producers.test_publisher_contract import consume, make

#: Publishes numbers for ever, each journaled before the next is said on stdout.
WRITER = """
import asyncio, sys
from pathlib import Path
from producers.outbox import KafkaOutlet
from tests.producers.test_publisher_contract import make
async def main(bootstrap, journal, topic, first):
    outlet = KafkaOutlet({"bootstrap_servers": bootstrap}, Path(journal), "x.")
    outlet.start()
    number = int(first)
    while True:
        await outlet.publish([make(topic, number)])
        print(number, flush=True)
        number += 1
asyncio.run(main(*sys.argv[1:]))
"""


def write_until_killed(broker: KafkaBroker, journal: Path, topic: str, first: int, count: int, meanwhile: Callable[[], None]) -> int:
    """Runs a writer, kills it with SIGKILL after some records, and returns the last number it said was durable."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WRITER, broker.bootstrap, str(journal), topic, str(first)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout):
            if number == count // 2:
                meanwhile()
            if number == count:
                break
        os.kill(process.pid, signal.SIGKILL)
        said = process.stdout.read().split()
    return int(said[-1]) if said else first + count


def numbers(broker: KafkaBroker, topic: str, count: int = 0) -> list[int]:
    return [int(dict(record.headers)["wst-id"]) for record in consume(broker, topic, count)]


@pytest.mark.kafka
def test_a_producer_killed_between_journal_and_acknowledgement_loses_nothing(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    topic = f"{unique}.events"
    kafka.create_topic(topic)
    journal = tmp_path / "outbox.sqlite"
    last = -1
    for _ in range(3):
        last = write_until_killed(kafka, journal, topic, last + 1, 200, lambda: None)

    async def send_the_rest() -> None:
        outlet = KafkaOutlet({"bootstrap_servers": kafka.bootstrap}, journal, "x.")
        outlet.start()
        await outlet.publish([make(topic, last + 1)])
        await asyncio.to_thread(wait_until, lambda: outlet.waiting.records == 0, "the rest is sent")
        await outlet.close()

    asyncio.run(send_the_rest())
    wait_until(lambda: last + 1 in numbers(kafka, topic), "the last number arrives")
    arrived = numbers(kafka, topic)
    first_seen = list(dict.fromkeys(arrived))
    assert first_seen == list(range(last + 2)), "a number is missing, or came first after a later one"


@pytest.mark.kafka
def test_an_outage_of_the_broker_is_bridged(private_kafka: KafkaBroker, tmp_path: Path) -> None:
    private_kafka.create_topic("x.events")
    private_kafka.create_topic("x.samples")

    async def publish() -> int:
        outlet = KafkaOutlet({"bootstrap_servers": private_kafka.bootstrap}, tmp_path / "outbox.sqlite", "x.", samples_bytes=2_000)
        outlet.start()
        await outlet.publish([make("x.events", number) for number in range(10)])
        await asyncio.to_thread(consume, private_kafka, "x.events", 10)
        private_kafka.kill()
        await outlet.publish([make("x.events", number) for number in range(10, 500)])
        await outlet.offer([make("x.samples", number, size=100) for number in range(1_000)])
        dropped = outlet.dropped
        private_kafka.start()  # from this thread: a server ends with the thread that started it
        await asyncio.to_thread(wait_until, lambda: 499 in numbers(private_kafka, "x.events"), "the rest arrives", 60)
        await outlet.close()
        return dropped

    dropped = asyncio.run(publish())
    assert list(dict.fromkeys(numbers(private_kafka, "x.events", 500))) == list(range(500))
    samples = numbers(private_kafka, "x.samples", 19)
    assert dropped >= 980
    assert samples[-1] == 999, "the newest samples are worth most"
    assert len(set(samples)) + dropped == 1_000


@pytest.mark.kafka
def test_a_record_the_broker_finds_too_large_becomes_a_dead_letter(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    topic, letters = f"{unique}.docker.events", f"{unique}.dead.letters"
    kafka.create_topic(topic, 1, max_message_bytes="20000")
    kafka.create_topic(letters, 1, max_message_bytes=str(2 * MAX_RECORD_BYTES))

    async def publish() -> None:
        outlet = KafkaOutlet({"bootstrap_servers": kafka.bootstrap}, tmp_path / "outbox.sqlite", f"{unique}.")
        outlet.start()
        await outlet.publish([make(topic, 1), make(topic, 2, size=50_000), make(topic, 3)])
        await outlet.publish([make(topic, 4)])
        await asyncio.to_thread(wait_until, lambda: 4 in numbers(kafka, topic, 3), "the later ones arrive", 60)
        await outlet.close()

    asyncio.run(publish())
    assert set(numbers(kafka, topic, 3)) == {1, 3, 4}
    (letter,) = consume(kafka, letters, 1)
    assert codec("dead_letter").decode(letter.value)["topic"] == topic


def test_the_outbox_keeps_what_no_broker_took(tmp_path: Path) -> None:
    async def publish() -> None:
        outlet = KafkaOutlet({"bootstrap_servers": f"127.0.0.1:{free_port()}"}, tmp_path / "outbox.sqlite", "x.")
        outlet.start()
        await outlet.publish([make("x.events", number) for number in range(5)])
        await outlet.close()

    asyncio.run(publish())
    journal = Journal(tmp_path / "outbox.sqlite", 1)
    assert [int(dict(entry.record.headers)["wst-id"]) for entry in journal.read(0, 10)] == list(range(5))
    journal.close()
