"""State events at a steady rate: is every change published, how late is it, and what does a workspace take in the table?

    python -m benchmarks.sustained                            # 1,000 workspaces × 4 containers, 200 events/s for 5 minutes, embedded
    python -m benchmarks.sustained --on kafka --seconds 60

Each event is the start or end of a container, so that each makes at least one change; it is stamped when it is handed to the log,
and its change is timed when a consumer of workspace.changes has it.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import topics
from schemas.codec import codec
from schemas.identity import event_fact_id
from schemas.journal import Journal
from schemas.publish import Record, make_record, partition_of
from streams.embedded.readers import READERS
from tests.core_state import makers
from tests.embedded.wire import BrokerProcess
from tests.platform.kafka import KafkaBroker

PARTITIONS: Final = 4
CONTAINERS: Final = 4
_QUIET_S: Final = 20.0

Put = Callable[[list[Record]], Any]


def fact(which: int, action: str) -> tuple[Record, int]:
    """An event of one of all containers, of now, and its time."""
    workspace, container = divmod(which, CONTAINERS)
    workspace_id, name = f"ws-{workspace:04d}@laptop", f"service-{container}"
    who = makers.who(name, id=makers.cid(f"{which:06d}"))
    now_ns = time.time_ns()
    said: dict[str, Any] = {"exit_code": which % 3} if action == "die" else {}
    found = makers.event(action, 0, container=who, **said) | {
        "workspace_id": workspace_id, "workspace_name": f"ws-{workspace:04d}", "time_ns": now_ns, "recorded_at_ns": now_ns,
        "id": event_fact_id(makers.ENGINE, 0, now_ns, action, who["id"]),
    }  # fmt: skip
    record = make_record(
        topics.DOCKER_EVENTS, "wst.", workspace_id, found, kind="engine_event", record_id=found["id"], timestamp_ms=now_ns // 10**6
    )
    return record, now_ns


class Watch:
    """Notes for each event's time when its first change was there, ns.

    Args:
        poll: the values of changes that came since it was asked last; waits a moment for some.
    """

    def __init__(self, poll: Callable[[], list[bytes]]) -> None:
        self._poll = poll
        self.came_ns: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        decode = codec("event").decode
        while not self._stop.is_set():
            values = self._poll()
            now_ns = time.time_ns()
            for value in values:
                self.came_ns.setdefault(decode(value)["timestamp_ns"], now_ns)

    def wait_for(self, count: int) -> None:
        """Until so many events have a change, or none came for a while."""
        known, since = -1, time.monotonic()
        while len(self.came_ns) < count and time.monotonic() - since < _QUIET_S:
            if len(self.came_ns) != known:
                known, since = len(self.came_ns), time.monotonic()
            time.sleep(0.1)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def run(name: str, poll: Callable[[], list[bytes]], put: Put, asked: argparse.Namespace) -> None:
    """Fills the table, then sends at the rate."""
    everything = asked.workspaces * CONTAINERS
    watch = Watch(poll)
    try:
        for begin in range(0, everything, 200):
            part = range(begin, min(begin + 200, everything))
            put([fact(which, action)[0] for which in part for action in ("create", "start")])
            watch.wait_for(2 * part.stop)
        sent = list(paced(put, everything, asked.rate, asked.seconds))
        watch.wait_for(everything * 2 + len(sent))
    finally:
        watch.close()
    took_ms = sorted((watch.came_ns[at_ns] - at_ns) / 1e6 for at_ns in sent if at_ns in watch.came_ns)
    if not took_ms:
        sys.exit(f"{name}: no change came")
    quantiles = ", ".join(f"p{q} {took_ms[min(len(took_ms) - 1, len(took_ms) * q // 100)]:.0f}" for q in (50, 90, 99))
    print(f"{name}: {asked.workspaces:,} workspaces × {CONTAINERS}, {len(sent):,} events at {asked.rate}/s for {asked.seconds:g} s")
    print(f"{'':>10}: {len(sent) - len(took_ms)} without a change; event → change, ms: {quantiles}, max {took_ms[-1]:.0f}")


def paced(put: Put, everything: int, rate: int, seconds: float, first: int = 0) -> Iterator[int]:
    """Ends and starts containers in turn, ten times a second; yields the events' times.

    Args:
        first: how many were made before: what they began is gone on with.
    """
    began, number, batch = time.monotonic(), first, max(1, rate // 10)
    while time.monotonic() - began < seconds:
        made = [fact((number + n) % everything, "start" if (number + n) // everything % 2 else "die") for n in range(batch)]
        put([record for record, _ in made])
        yield from (at_ns for _, at_ns in made)
        number += batch
        time.sleep(max(0.0, began + (number - first) / rate - time.monotonic()))


def of_journal(path: Path) -> Callable[[], list[bytes]]:
    """Changes as they become durable; the wire behind the journal adds a few milliseconds, and drops what nobody's cursor holds."""
    after = [0] * PARTITIONS
    opened: list[Journal] = []

    def poll() -> list[bytes]:
        if not opened:
            opened.append(Journal(path, PARTITIONS))  # of the thread that asks
        values: list[bytes] = []
        for partition in range(PARTITIONS):
            entries = opened[0].read_partition(topics.WORKSPACE_CHANGES.full("wst."), partition, after[partition], 5_000)
            values += [entry.record.value or b"" for entry in entries]
            after[partition] = entries[-1].seq if entries else after[partition]
            for topic in READERS["sink"]:  # no sink runs here: without its cursors the wire would wait for it
                opened[0].set_cursor("sink", topic.full("wst."), partition, opened[0].last_seq())
        if not values:
            time.sleep(0.005)
        return values

    return poll


def of_kafka(bootstrap: str) -> Callable[[], list[bytes]]:
    """Changes as a consumer gets them."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "sustained", "fetch.wait.max.ms": 5, "enable.auto.commit": False}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(topics.WORKSPACE_CHANGES.full("wst."), number, 0) for number in range(PARTITIONS)])

    def poll() -> list[bytes]:
        found = (message.value() for message in consumer.consume(500, 0.02) if message.error() is None)
        return [value for value in found if value is not None]

    return poll


@contextmanager
def worker(env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "schemas.wst", "worker", "state"], env=env)
    try:
        yield
        used = Path(f"/proc/{process.pid}/status").read_text()
        clock = os.sysconf("SC_CLK_TCK")
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        resident = next(line.split()[1] for line in used.splitlines() if line.startswith("VmRSS"))
        print(f"{'':>10}: worker {(int(user) + int(system)) / clock:.1f} s of CPU in all, {int(resident) // 1024} MB resident")
    finally:
        process.terminate()
        process.wait(10)


def embedded(asked: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="wst-sustained-"))
    env = os.environ | {"WST_JOURNAL": str(folder / "journal.sqlite"), "WST_DATA_DIR": str(folder), "WST_PARTITIONS": str(PARTITIONS)}
    journal = Journal(folder / "journal.sqlite", PARTITIONS)
    broker = BrokerProcess(folder / "journal.sqlite", env)
    try:
        with worker(env | {"WST_BROKERS": broker.bootstrap}):
            run("embedded", of_journal(folder / "journal.sqlite"), journal.append, asked)
        table = sqlite3.connect(folder / "state.sqlite")
        sizes = [size for (size,) in table.execute("SELECT length(value) FROM state WHERE table_name = 'workspaces'")]
        print(f"{'':>10}: {sum(sizes) / max(len(sizes), 1):,.0f} bytes a workspace in the table, {max(sizes, default=0):,} at most")
    finally:
        broker.kill()


def writer(bootstrap: str) -> Callable[[list[Record]], None]:
    """What puts records into Kafka, and returns when they are there."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "enable.idempotence": True})

    def put(records: list[Record]) -> None:
        for record in records:
            partition = partition_of(record.key, PARTITIONS)
            producer.produce(record.topic, record.value, record.key, partition, timestamp=record.timestamp_ms)
        producer.flush()

    return put


def kafka(asked: argparse.Namespace) -> None:
    with KafkaBroker() as broker:
        for topic in topics.ALL:
            config = {name.replace(".", "_"): value for name, value in topic.kafka_config().items()}
            broker.create_topic(topic.full("wst."), PARTITIONS, **config)
        env = os.environ | {"WST_BROKERS": broker.bootstrap, "WST_PARTITIONS": str(PARTITIONS), "WST_DATA_DIR": tempfile.mkdtemp()}
        with worker(env):
            run("kafka", of_kafka(broker.bootstrap), writer(broker.bootstrap), asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", choices=["embedded", "kafka"], default="embedded")
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    parser.add_argument("--seconds", type=float, default=300.0)
    asked = parser.parse_args()
    (embedded if asked.on == "embedded" else kafka)(asked)


if __name__ == "__main__":
    main()
