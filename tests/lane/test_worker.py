"""`wst worker` as a process: on an embedded tree's wire, on a real cluster, and where something is missing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import topics
from schemas.codec import codec
from schemas.journal import Journal
from schemas.publish import Record, make_record, partition_of
from schemas.topics import Topic
from streams.core import changes, workspace
from streams.core.facts import Position, parse_fact
from streams.topology import STATE_APP
from tests.core_state import makers
from tests.embedded.wire import BrokerProcess
from tests.platform.disk import SmallDisk
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, ROOT, free_port, wait_until

PARTITIONS = 4
Json = dict[str, Any]


def life(seed: int, workspaces: int, steps: int) -> list[Json]:
    """Facts of containers that come, go, fail and are observed, in the order of the log."""
    draw = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201  # shown when the test fails
    facts = []
    for step in range(steps):
        number = draw.randrange(workspaces)
        name = f"c{number}-{draw.randrange(3)}"
        where: Json = {"workspace_id": f"ws-{number}@laptop", "workspace_name": f"ws-{number}", "container": makers.who(name)}
        action = draw.choice(["create", "start", "start", "die", "pause", "unpause", "oom", "destroy", "attach"])
        code = draw.choice([0, 1, 137]) if action == "die" else None
        facts.append(makers.event(action, step, name, exit_code=code, **where))
    return facts


def fact_record(fact: Mapping[str, Any], prefix: str = "wst.") -> Record:
    at_ms = int(time.time() * 1000)
    return make_record(
        topics.DOCKER_EVENTS, prefix, fact["workspace_id"], fact, kind=fact["kind"], record_id=fact["id"], timestamp_ms=at_ms
    )


class Reference:
    """The fold of the facts, here and undisturbed."""

    def __init__(self, facts: Sequence[tuple[Json, Position]], prefix: str = "wst.") -> None:
        states: dict[str, Any] = {}
        self.events: dict[str, Json] = {}
        for fact, position in facts:
            state = states.get(fact["workspace_id"]) or workspace.initial(fact["workspace_id"])
            states[fact["workspace_id"]], told = workspace.fold(state, parse_fact(fact), position)
            for change in told:
                encoder = codec("event")
                record = changes.to_record(change, topics.DOCKER_EVENTS.full(prefix))
                self.events[change.id] = encoder.decode(encoder.encode(record))
        encoder = codec("state")
        found = {key: workspace.to_record(state) for key, state in states.items()}
        self.states = {key: encoder.decode(encoder.encode(record)) for key, record in found.items() if record is not None}


class Readings:
    """What a topic said: events by id, states by workspace, the last one counting."""

    def __init__(self, records: Sequence[tuple[Topic, bytes | None, bytes | None]]) -> None:
        self.events: dict[str, Json] = {}
        self.states: dict[str, Json] = {}
        self.dead: list[Json] = []
        for topic, key, value in records:
            if value is None:
                self.states.pop((key or b"").decode(), None)
                continue
            record = codec(topic.subject).decode(value)
            if topic is topics.WORKSPACE_CHANGES:
                assert self.events.setdefault(record["id"], record) == record
            elif topic is topics.WORKSPACE_STATE:
                self.states[record["workspace_id"]] = record
            else:
                self.dead.append(record)


OUTPUTS = (topics.WORKSPACE_CHANGES, topics.WORKSPACE_STATE, topics.DEAD_LETTERS)


class Embedded:
    """A journal, a wire and workers, as `wst up` has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = os.environ | {"WST_JOURNAL": str(folder / "journal.sqlite"), "WST_DATA_DIR": str(folder), "WST_PARTITIONS": "4"}
        self.journal = Journal(folder / "journal.sqlite", PARTITIONS)
        self.broker = BrokerProcess(folder / "journal.sqlite", self.env)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.facts: list[tuple[Json, Position]] = []

    def start(self, app: str = "state") -> subprocess.Popen[bytes]:
        self.env["WST_BROKERS"] = self.broker.bootstrap
        worker = subprocess.Popen([sys.executable, "-m", "schemas.wst", "worker", app], env=self.env, cwd=ROOT)
        self.workers.append(worker)
        return worker

    def append(self, facts: Sequence[Json]) -> None:
        for fact in facts:
            record = fact_record(fact)
            seq = self.journal.append([record])
            self.facts.append((fact, Position(self.journal.epoch, partition_of(record.key, PARTITIONS), seq)))

    def read(self) -> Readings:
        found = []
        for topic in OUTPUTS:
            full = topic.full("wst.")
            entries = [entry for number in range(PARTITIONS) for entry in self.journal.read_partition(full, number, 0, 1_000_000)]
            found += [(topic, entry.record.key, entry.record.value) for entry in entries]
        return Readings(found)

    def has_more_than(self, events: int) -> bool:
        return len(self.read().events) > events

    def settled(self) -> bool:
        """The state worker's cursors lie behind every fact."""
        cursors = {cursor.partition: cursor.next_seq for cursor in self.journal.cursors() if cursor.topic == "wst.docker.events"}
        last = {position.partition: position.offset for _, position in self.facts}
        return all(cursors.get(number, 0) > seq for number, seq in last.items())

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        self.broker.kill()
        self.journal.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    with ExitStack() as stack:
        tree = Embedded(tmp_path)
        stack.callback(tree.close)
        yield tree


def test_embedded_facts_become_states_and_changes_with_the_journals_positions(embedded: Embedded) -> None:
    embedded.append(life(1, 20, 400))
    worker = embedded.start()
    wait_until(embedded.settled, "the facts to be folded")
    reference, found = Reference(embedded.facts), embedded.read()
    assert found.events == reference.events
    assert found.states == reference.states
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 0


def test_embedded_killed_and_started_again_it_goes_on_where_it_was(embedded: Embedded) -> None:
    seed = random.randrange(10**6)
    facts = life(seed, 20, 900)
    for part in range(3):
        embedded.append(facts[part * 300 : part * 300 + 150])
        worker = embedded.start()
        wait_until(partial(embedded.has_more_than, len(embedded.read().events)), "progress")
        embedded.append(facts[part * 300 + 150 : part * 300 + 300])
        worker.kill()
        worker.wait()
    embedded.start()
    wait_until(embedded.settled, "the facts to be folded")
    reference, found = Reference(embedded.facts), embedded.read()
    assert found.events == reference.events
    assert found.states == reference.states


def test_embedded_with_a_new_wire_nothing_is_missed_and_nothing_said_twice_under_another_name(embedded: Embedded) -> None:
    facts = life(random.randrange(10**6), 20, 600)
    embedded.append(facts[:300])
    worker = embedded.start()
    wait_until(lambda: len(embedded.read().events) > 0, "progress")
    embedded.broker.kill()
    worker.kill()
    worker.wait()
    embedded.append(facts[300:])
    embedded.broker = BrokerProcess(embedded.folder / "journal.sqlite", embedded.env)
    embedded.start()
    wait_until(embedded.settled, "the facts to be folded")
    reference, found = Reference(embedded.facts), embedded.read()
    assert found.events == reference.events
    assert found.states == reference.states


def stop_between_writes(worker: subprocess.Popen[Any], journal: Path) -> None:
    """Stops a worker where it holds no lock of the journal: in the middle of a write it would keep all others out."""
    with closing(sqlite3.connect(journal, timeout=0, isolation_level=None)) as database:
        while True:
            worker.send_signal(signal.SIGSTOP)
            assert os.WIFSTOPPED(os.waitpid(worker.pid, os.WUNTRACED)[1]), "all of its threads stand still"
            try:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
                return
            except sqlite3.OperationalError:
                worker.send_signal(signal.SIGCONT)
                time.sleep(0.01)


@pytest.mark.disk
def test_embedded_on_a_disk_that_is_full_it_ends_and_its_successor_misses_and_doubles_nothing(tmp_path: Path) -> None:
    facts = life(random.randrange(10**6), 20, 600)
    with SmallDisk(tmp_path / "data", 32) as disk, ExitStack() as stack:
        embedded = Embedded(disk.folder)
        stack.callback(embedded.close)
        embedded.append(facts[:300])
        worker = embedded.start()
        wait_until(lambda: len(embedded.read().events) > 0, "progress")
        stop_between_writes(worker, embedded.journal.path)
        embedded.append(facts[300:])
        disk.fill()
        worker.send_signal(signal.SIGCONT)
        assert worker.wait(PATIENCE_S) == 70
        disk.free()
        embedded.start()
        wait_until(embedded.settled, "the facts to be folded")
        reference, found = Reference(embedded.facts), embedded.read()
    assert found.events == reference.events
    assert found.states == reference.states


def test_embedded_garbage_among_facts_becomes_dead_letters_and_the_flow_goes_on(embedded: Embedded) -> None:
    embedded.append(life(2, 5, 50))
    embedded.journal.append(
        [Record("wst.docker.events", b"ws-%d@laptop" % n, b"\x00garbage", (), int(time.time() * 1000)) for n in range(5)]
    )
    embedded.append(life(3, 5, 50))
    embedded.start()
    wait_until(embedded.settled, "the facts to be folded")
    found = embedded.read()
    assert len(found.dead) == 5
    assert {letter["code"] for letter in found.dead} == {"undecodable"}
    assert found.states == Reference(embedded.facts).states


class Cluster:
    """Topics of the product on a real broker."""

    def __init__(self, broker: KafkaBroker, prefix: str, folder: Path) -> None:
        self.broker, self.prefix = broker, prefix
        for topic in topics.ALL:
            config = {name.replace(".", "_"): value for name, value in topic.kafka_config().items()}
            broker.create_topic(topic.full(prefix), PARTITIONS, **config)
        env = {name: value for name, value in os.environ.items() if not name.startswith("WST_")}
        self.env = env | {
            "WST_BROKERS": broker.bootstrap, "WST_TOPIC_PREFIX": prefix, "WST_PARTITIONS": str(PARTITIONS), "WST_DATA_DIR": str(folder),
        }  # fmt: skip
        self._next = [0] * PARTITIONS
        self.facts: list[tuple[Json, Position]] = []

    def append(self, facts: Sequence[Json], epoch: int = 0, compression: str = "none") -> None:
        settings = {"bootstrap.servers": self.broker.bootstrap, "enable.idempotence": True, "log_level": 2}
        producer = Producer(settings | {"compression.type": compression})
        for fact in facts:
            record = fact_record(fact, self.prefix)
            number = partition_of(record.key, PARTITIONS)
            producer.produce(record.topic, record.value, record.key, number, timestamp=record.timestamp_ms, headers=list(record.headers))
            self.facts.append((fact, Position(epoch, number, self._next[number])))
            self._next[number] += 1
        assert producer.flush(20) == 0

    def read(self) -> Readings:
        found = []
        for topic in OUTPUTS:
            settings = {"bootstrap.servers": self.broker.bootstrap, "group.id": f"{self.prefix}check", "enable.auto.commit": False}
            consumer = Consumer(settings)
            full = topic.full(self.prefix)
            ends = {number: consumer.get_watermark_offsets(TopicPartition(full, number), 10)[1] for number in range(PARTITIONS)}
            left = {number for number, end in ends.items() if end}
            consumer.assign([TopicPartition(full, number, 0) for number in left])
            patience = time.monotonic() + PATIENCE_S
            while left and time.monotonic() < patience:
                for message in consumer.consume(1_000, 1.0):
                    key, value = message.key(), message.value()
                    assert isinstance(key, bytes)
                    assert value is None or isinstance(value, bytes)
                    found.append((topic, key, value))
                    if (message.offset() or 0) + 1 >= ends[message.partition() or 0]:
                        left.discard(message.partition() or 0)
            consumer.close()
            assert not left
        return Readings(found)

    def run(self, app: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "schemas.wst", "worker", app]
        return subprocess.Popen(command, env=self.env | more, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.mark.kafka
def test_in_a_cluster_it_makes_its_changelogs_folds_and_leaves_when_asked(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka, f"{unique}.", tmp_path)
    cluster.append(life(4, 20, 400))
    worker = cluster.run("state")
    expected = Reference(cluster.facts, cluster.prefix)
    wait_until(lambda: cluster.read().events == expected.events, "all events")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    assert cluster.read().states == expected.states
    described = kafka.admin().list_topics(timeout=10).topics
    assert set(STATE_APP.changelogs(cluster.prefix)) <= set(described)
    again = cluster.run("state")
    cluster.append(life(5, 20, 200))
    expected = Reference(cluster.facts, cluster.prefix)
    wait_until(lambda: cluster.read().events == expected.events, "the events after the restart")
    again.kill()
    again.wait()


@pytest.mark.kafka
def test_what_others_or_the_broker_compress_is_read_whatever_the_codec(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka, f"{unique}.", tmp_path)
    worker = cluster.run("state")
    for seed, compression in enumerate(("gzip", "snappy", "lz4", "zstd")):
        cluster.append(life(seed, 5, 100), compression=compression)
        expected = Reference(cluster.facts, cluster.prefix)
        wait_until(lambda: cluster.read().events == expected.events, f"the events of facts compressed by {compression}")  # noqa: B023
    worker.kill()
    worker.wait()


@pytest.mark.kafka
def test_all_runs_both_apps_as_children_and_starts_a_dead_one_again(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka, f"{unique}.", tmp_path)
    parent = cluster.run("all")

    def children() -> list[int]:
        return children_of(parent.pid)

    wait_until(lambda: len(children()) == 2, "two children")
    before = children()
    cluster.append(life(6, 5, 50))
    expected = Reference(cluster.facts, cluster.prefix)
    wait_until(lambda: cluster.read().events == expected.events, "all events")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(children()) == 2 and children() != before, "the child that replaces the dead one")
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(PATIENCE_S) == 0


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.kafka
def test_the_children_of_one_that_is_killed_end_with_it(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    parent = Cluster(kafka, f"{unique}.", tmp_path).run("all")
    wait_until(lambda: len(children_of(parent.pid)) == 2, "two children")
    children = children_of(parent.pid)
    try:
        parent.kill()
        parent.wait()
        wait_until(lambda: not any(_runs(child) for child in children), "the end of both")
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _runs(pid: int) -> bool:
    """Whether it is there, and not only waits for somebody to take note of its end."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_a_broker_it_says_so_in_one_line_and_exits_with_3(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("WST_")}
    for more in ({}, {"WST_JOURNAL": str(tmp_path / "journal.sqlite")}):
        command = [sys.executable, "-m", "schemas.wst", "worker", "state"]
        settings = env | {"WST_BROKERS": address, "WST_DATA_DIR": str(tmp_path), **more}
        done = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert f"no Kafka broker answers at {address}" in done.stderr


@pytest.mark.kafka
def test_missing_topics_and_another_partition_count_are_named(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("WST_")}
    env |= {"WST_BROKERS": kafka.bootstrap, "WST_TOPIC_PREFIX": f"{unique}.", "WST_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "schemas.wst", "worker", "usage"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, "lacks the topics" in done.stderr) == (3, True), done.stderr
    assert "wst topics apply" in done.stderr
    cluster = Cluster(kafka, f"{unique}.", tmp_path)
    refused = subprocess.run(
        command, env=cluster.env | {"WST_PARTITIONS": "7"}, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert refused.returncode == 3
    assert "has 4 partitions, WST_PARTITIONS says 7" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
