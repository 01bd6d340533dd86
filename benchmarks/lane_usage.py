"""The usage fold on the batch lane, and plain Faust doing the same beside it: from Avro, with outputs and changelog, results checked.

    python -m benchmarks.lane_usage                                       # 500 workspaces × 4 containers, lane and plain Faust
    python -m benchmarks.lane_usage --workspaces 100000 --ticks 4 --plain-ticks 0

A real Kafka broker (`tests/kafka/pom.xml`) holds the topics; each worker is a process of its own on one core. `samples/s of a core`
is samples by CPU seconds of that process, all its threads counted, from its first batch to its last commit: what one core
does when the broker is not what it waits for. `samples/s` is by the clock, with the broker on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.fold_usage import Fleet
from schemas import topics
from schemas.codec import codec
from schemas.publish import partition_of
from streams.core.facts import Position
from streams.core.usage import fold_tick, initial
from streams.core.usage_bytes import from_bytes, to_bytes

PARTITIONS: Final = 4
EPOCH: Final = 1
CONTAINERS: Final = 4
STATS: Final = topics.DOCKER_STATS
USAGE: Final = topics.WORKSPACE_USAGE
PLAIN: Final = "plain"
LANE: Final = "lane"


def app_id(kind: str) -> str:
    return f"{kind}.usage"


def changelog(kind: str) -> str:
    return f"{app_id(kind)}-usage-changelog"


class Expected:
    """What a fold of the ticks comes to, computed here while they are produced.

    Attributes:
        ids: of all outputs.
        ticks: how many were taken.
    """

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}
        self._next = [0] * PARTITIONS
        self.ids: set[bytes] = set()
        self.ticks = 0

    def take(self, tick: dict[str, Any]) -> None:
        workspace_id = tick["workspace_id"]
        number = partition_of(workspace_id.encode(), PARTITIONS)
        position = Position(EPOCH, number, self._next[number])
        self._next[number] += 1
        self.ticks += 1
        state = self._states.get(workspace_id) or initial(workspace_id)
        self._states[workspace_id], records = fold_tick(state, tick, position, tick["tick_at_ns"] // 10**6)
        self.ids |= {f"usage.{EPOCH}.{position.offset}.{which}.{workspace_id}".encode() for which in range(len(records))}

    def values(self) -> Iterator[tuple[bytes, bytes]]:
        """The encoded value of each key."""
        for workspace_id, state in self._states.items():
            yield workspace_id.encode(), to_bytes(state)


def fill(bootstrap: str, kind: str, workspaces: int, ticks: int) -> Expected:
    """Produces the ticks of a made-up fleet, and folds them for reference."""
    from confluent_kafka import Producer

    settings = {"bootstrap.servers": bootstrap, "linger.ms": 20, "batch.size": 500_000, "queue.buffering.max.messages": 1_000_000}
    producer = Producer(settings)
    encode = codec(STATS.subject).encode
    decode = codec(STATS.subject).decode
    expected = Expected()
    fleet = Fleet(workspaces, CONTAINERS)
    began = time.perf_counter()
    for number in range(ticks):
        for tick in fleet.tick(number):
            value = encode(tick)
            key = tick["workspace_id"].encode()
            at_ms = tick["tick_at_ns"] // 10**6
            while True:
                try:
                    producer.produce(STATS.full(f"{kind}."), value, key, partition_of(key, PARTITIONS), timestamp=at_ms)
                    break
                except BufferError:
                    producer.poll(0.1)
            expected.take(decode(value))
        producer.poll(0)
    producer.flush()
    took_s = time.perf_counter() - began
    print(f"  {expected.ticks:,} ticks, {expected.ticks * CONTAINERS:,} samples produced and folded for reference in {took_s:.0f} s")
    return expected


def read(bootstrap: str, topic: str) -> Iterator[Any]:
    """Everything a topic holds."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-check", "enable.auto.commit": False})
    ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1] for number in range(PARTITIONS)}
    left = {number for number, end in ends.items() if end}
    consumer.assign([TopicPartition(topic, number, 0) for number in left])
    while left:
        for message in consumer.consume(5_000, 5.0):
            yield message
            number, offset = message.partition(), message.offset()
            if number is not None and offset is not None and offset + 1 >= ends[number]:
                left.discard(number)
    consumer.close()


def of_the_fold(value: bytes) -> bytes:
    """A value without what was told beside samples and windows: events are not what is compared here."""
    state = from_bytes(value)
    return to_bytes(replace(initial(state.workspace_id), position=state.position, engines=state.engines))


def check(bootstrap: str, kind: str, expected: Expected) -> None:
    """The changelog's last values and the outputs are those of the reference, byte for byte and one for one."""
    durable = {message.key(): message.value() for message in read(bootstrap, changelog(kind))}
    wrong = [key for key, value in expected.values() if key not in durable or of_the_fold(durable[key]) != value]
    assert not wrong, f"{len(wrong)} of {len(durable)} values differ"
    ids = {dict(message.headers())["wst-id"] for message in read(bootstrap, USAGE.full(f"{kind}."))}
    assert ids == expected.ids, (
        f"of {len(expected.ids)} outputs {len(expected.ids - ids)} are missing; {len(ids - expected.ids)} are others"
    )


# ── the workers, each in a process of its own ────────────────────────────────────────────────────


class Meter:
    """Clock and CPU of this process since its first batch."""

    def __init__(self) -> None:
        self._since: tuple[float, float] | None = None

    def start(self) -> None:
        if self._since is None:
            self._since = (time.perf_counter(), time.process_time())

    def end(self, **more: Any) -> None:
        assert self._since is not None
        wall, cpu = self._since
        peak_kb = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
        found = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "peak_mb": peak_kb // 1024, **more}
        os.write(1, json.dumps(found).encode() + b"\n")  # Faust's worker takes sys.stdout over
        os._exit(0)


async def run_lane(bootstrap: str, ticks: int) -> None:
    from schemas.memory import calm_collector
    from schemas.settings import Settings
    from streams.app import usage_app
    from streams.lane import LaneSettings
    from streams.topology import USAGE_APP

    lane = LaneSettings(
        app_id=app_id(LANE), brokers=bootstrap, partitions=PARTITIONS, epoch=EPOCH, commit_interval_s=USAGE_APP.commit_interval_s
    )
    app = usage_app(Settings(topic_prefix=f"{LANE}.", partitions=PARTITIONS), lane)
    meter = Meter()
    calm_collector()
    starting = asyncio.create_task(app.start())
    while sum(app.progress.committed_offset.values()) < ticks:
        await asyncio.sleep(0.01)
        if app.progress.batches:
            meter.start()
    await starting
    progress = app.progress
    meter.end(
        longest_slice_ms=progress.slice_seconds_max * 1000,
        longest_commit_ms=progress.commit_seconds_max * 1000,
        largest_batch=progress.batch_records_max,
        values_written=progress.values_written,
    )


def run_plain(bootstrap: str, ticks: int) -> None:
    """One agent, one table write and its outputs per message: Faust as its documentation has it."""
    import faust

    from streams.agents import Writer
    from streams.dead_letters import DeadLetters
    from streams.lane import Input

    app = faust.App(
        app_id(PLAIN), broker=f"kafka://{bootstrap}", store="memory://", topic_partitions=PARTITIONS, topic_allow_declare=False,
        topic_disable_leader=True, web_enabled=False, table_standby_replicas=0, worker_redirect_stdouts=False, value_serializer="raw",
        producer_max_batch_size=900_000, datadir=tempfile.mkdtemp(prefix="wst-bench-"),
    )  # fmt: skip
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    table = app.Table("usage", partitions=PARTITIONS, key_type=bytes, value_type=bytes, default=bytes)
    source, out = app.topic(STATS.full(f"{PLAIN}."), **raw), app.topic(USAGE.full(f"{PLAIN}."), **raw)
    live: dict[bytes, Any] = {}
    decode = codec(STATS.subject).decode
    meter = Meter()
    done = 0

    @app.agent(source)
    async def consume(stream: Any) -> None:
        nonlocal done
        async for event in stream.events():
            meter.start()
            message = event.message
            key, at_ms = message.key, int(message.timestamp * 1000)
            tick = decode(event.value)
            position = Position(EPOCH, message.partition, message.offset)
            stored = table[key]
            state = live.get(key) or (from_bytes(stored) if stored else initial(tick["workspace_id"]))
            live[key], records = fold_tick(state, tick, position, at_ms)
            table[key] = to_bytes(state)
            sent: list[Any] = []
            writer = Writer(f"{PLAIN}.", sent.append, DeadLetters("usage", f"{PLAIN}.", sent.append))
            cause = Input(message.topic, position, key, event.value, (), at_ms)
            for number, record in enumerate(records):
                record_id = f"usage.{EPOCH}.{message.offset}.{number}.{state.workspace_id}"
                writer.write(USAGE, state.workspace_id, record, record["kind"], record_id, cause)
            for record in sent:
                await out.send(key=record.key, value=record.value, headers=dict(record.headers))
            done += 1

    @app.task  # type: ignore[untyped-decorator]
    async def finish() -> None:
        consumer: Any = app.consumer
        while done < ticks or sum(consumer._committed_offset[tp] or 0 for tp in consumer.assignment() if tp.topic == str(source)) < ticks:
            await asyncio.sleep(0.05)
            if done == ticks:
                await app.producer.flush()
                await consumer.commit()
        meter.end()

    sys.argv = [sys.argv[0], "worker", "--without-web", "-l", "warn"]
    app.main()


def measure(bootstrap: str, kind: str, ticks: int) -> dict[str, Any]:
    """Runs a worker on one core and returns what it measured."""
    command = [sys.executable, "-m", "benchmarks.lane_usage", "--worker", kind, "--brokers", bootstrap, "--count", str(ticks)]
    last_core = max(os.sched_getaffinity(0))
    pin: Callable[[], None] = lambda: os.sched_setaffinity(0, {last_core})  # noqa: E731
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800, preexec_fn=pin)
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"the {kind} worker failed ({done.returncode}):\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return found


def bench(bootstrap: str, create: Callable[[str], None], kind: str, workspaces: int, ticks: int) -> float:
    """One worker over a fleet's ticks; returns samples by CPU second."""
    written = (USAGE, topics.WORKSPACE_CHANGES, topics.DOCKER_EVENTS, topics.DEAD_LETTERS)
    for topic in (*(each.full(f"{kind}.") for each in (STATS, *written)), changelog(kind)):
        create(topic)
    print(f"{kind}: {workspaces:,} workspaces × {CONTAINERS} containers × {ticks} ticks")
    expected = fill(bootstrap, kind, workspaces, ticks)
    found = measure(bootstrap, kind, expected.ticks)
    check(bootstrap, kind, expected)
    samples = expected.ticks * CONTAINERS
    rest = ", ".join(f"{name} {value:,.0f}" for name, value in found.items() if name not in ("wall_s", "cpu_s"))
    print(
        f"  {samples / found['cpu_s']:,.0f} samples/s of a core ({found['cpu_s'] / samples * 1e6:.2f} µs each), "
        f"{samples / found['wall_s']:,.0f} samples/s by the clock; {len(expected.ids):,} outputs; "
        f"values and outputs equal the reference; {rest}"
    )
    return float(samples / found["cpu_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=500)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--plain-ticks", type=int, default=20, help="ticks for plain Faust, which takes its time; 0: leave it out")
    parser.add_argument("--worker", choices=[LANE, PLAIN], help=argparse.SUPPRESS)
    parser.add_argument("--brokers", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker == LANE:
        asyncio.run(run_lane(asked.brokers, asked.count))
    elif asked.worker == PLAIN:
        run_plain(asked.brokers, asked.count)
    else:
        from tests.platform.kafka import KafkaBroker

        # Event times of the fleet lie in the past: keep the broker from deleting them as old.
        with KafkaBroker({"log.retention.hours": "-1"}) as broker:
            create = lambda name: broker.create_topic(name, PARTITIONS, max_message_bytes="17000000")  # noqa: E731
            lane = bench(broker.bootstrap, create, LANE, asked.workspaces, asked.ticks)
            if asked.plain_ticks:
                plain = bench(broker.bootstrap, create, PLAIN, asked.workspaces, asked.plain_ticks)
                print(f"the lane does {lane / plain:.1f} times as much on a core")


if __name__ == "__main__":
    main()
