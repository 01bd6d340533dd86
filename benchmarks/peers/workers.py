"""The same fold in the frameworks a Python team would otherwise take, each as its own documentation has it.

Every worker reads the stats topic of its kind, folds with `streams.core.usage.fold_tick`, publishes the same `usage` records with the
same ids, and keeps its state durable in the way that framework does. States stay as objects in all: none decodes its state for a message.
"""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.lane_usage import EPOCH, PARTITIONS, STATS, USAGE, Meter, app_id, changelog, read
from schemas.codec import codec
from schemas.publish import Record, partition_of
from streams.agents import Writer
from streams.core.facts import Position
from streams.core.usage import UsageState, fold_tick, initial
from streams.core.usage_bytes import from_bytes, to_bytes
from streams.dead_letters import DeadLetters
from streams.lane import Input

BARE: Final = "bare"
QUIX: Final = "quix"
BYTEWAX: Final = "bytewax"
_COMMIT_S: Final = 1.0


class Fold:
    """One message at a time: from Avro to the records to publish."""

    def __init__(self, kind: str) -> None:
        self._prefix = f"{kind}."
        self._decode = codec(STATS.subject).decode

    def __call__(
        self, state: UsageState | None, key: bytes, value: bytes, partition: int, offset: int, at_ms: int
    ) -> tuple[UsageState, list[Record]]:
        """The state after a message, and what it publishes."""
        tick = self._decode(value)
        position = Position(EPOCH, partition, offset)
        state, records = fold_tick(state or initial(tick["workspace_id"]), tick, position, at_ms)
        sent: list[Record] = []
        writer = Writer(self._prefix, sent.append, DeadLetters("usage", self._prefix, sent.append))
        cause = Input(STATS.full(self._prefix), position, key, value, (), at_ms)
        for number, record in enumerate(records):
            record_id = f"usage.{EPOCH}.{offset}.{number}.{state.workspace_id}"
            writer.write(USAGE, state.workspace_id, record, record["kind"], record_id, cause)
        return state, sent


# ── a loop over aiokafka ─────────────────────────────────────────────────────────────────────────


async def run_bare(bootstrap: str, ticks: int) -> None:
    """`getmany`, fold, send; once a second what changed goes to a changelog and the offsets are committed; the changelog is read first."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    fold, meter = Fold(BARE), Meter()
    states = {message.key(): from_bytes(message.value()) for message in read(bootstrap, changelog(BARE))}
    changed: set[bytes] = set()
    source, out, kept = STATS.full(f"{BARE}."), USAGE.full(f"{BARE}."), changelog(BARE)
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=bootstrap, group_id=app_id(BARE), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=5, max_batch_size=900_000)
    await consumer.start()
    await producer.start()
    done, due = 0, asyncio.get_running_loop().time() + _COMMIT_S
    while True:
        for messages in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
            meter.start()
            for message in messages:
                key = message.key
                states[key], sent = fold(states.get(key), key, message.value, message.partition, message.offset, message.timestamp)
                changed.add(key)
                for record in sent:
                    await producer.send(out, record.value, record.key, message.partition, headers=_headers(record))
            done += len(messages)
        if done == ticks or asyncio.get_running_loop().time() >= due:
            for key in changed:
                await producer.send(kept, to_bytes(states[key]), key, partition_of(key, PARTITIONS))
            changed.clear()
            await producer.flush()
            await consumer.commit()
            due = asyncio.get_running_loop().time() + _COMMIT_S
        if done == ticks:
            meter.end()


# ── Quix Streams ─────────────────────────────────────────────────────────────────────────────────


def run_quix(bootstrap: str, ticks: int, folder: Path) -> None:
    """A stateful `apply` that expands into records: RocksDB beside, a changelog topic behind it."""
    from quixstreams import Application, message_context

    app = Application(
        bootstrap, consumer_group=app_id(QUIX), auto_offset_reset="earliest", commit_interval=_COMMIT_S,
        state_dir=folder, loglevel="WARNING",
        producer_extra_config={"enable.idempotence": True, "linger.ms": 5, "batch.size": 900_000},
    )  # fmt: skip
    source = app.topic(STATS.full(f"{QUIX}."), key_deserializer="bytes", value_deserializer="bytes")
    out = app.topic(USAGE.full(f"{QUIX}."), key_serializer="bytes", value_serializer="bytes")
    fold, meter = Fold(QUIX), Meter()
    live: dict[bytes, UsageState] = {}
    done = 0

    def consume(value: bytes, key: bytes, at_ms: int, _headers: Any, state: Any) -> Iterable[Record]:
        nonlocal done
        meter.start()
        context = message_context()
        if key not in live and (stored := state.get_bytes("usage")) is not None:
            live[key] = from_bytes(stored)
        live[key], sent = fold(live.get(key), key, value, context.partition, context.offset, at_ms)
        state.set_bytes("usage", to_bytes(live[key]))
        done += 1
        if done == ticks:
            app.stop()
        return sent

    frame = app.dataframe(source).apply(consume, stateful=True, expand=True, metadata=True)
    frame = frame.set_headers(lambda record, _key, _at, _was: _headers(record)).apply(lambda record: record.value)
    frame.to_topic(out)
    app.run()
    meter.end()


def quix_values(bootstrap: str) -> dict[bytes, bytes]:
    """Values by workspace, from the changelog topic Quix Streams makes."""
    topic = f"changelog__{app_id(QUIX)}--{STATS.full(f'{QUIX}.')}--default"
    found = {}
    for message in read(bootstrap, topic):
        # Its keys are the message's key, a bar, and the name of the state in JSON.
        key, bar, name = message.key().rpartition(b"|")
        if bar and name == b'"usage"':
            found[key] = message.value()
    return found


# ── Bytewax ──────────────────────────────────────────────────────────────────────────────────────


def run_bytewax(bootstrap: str, folder: Path) -> None:
    """A `stateful_batch` per workspace: snapshots once a second into SQLite, up to the end of the topic."""
    from datetime import timedelta

    import bytewax.operators as op
    from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
    from bytewax.dataflow import Dataflow
    from bytewax.recovery import RecoveryConfig, init_db_dir
    from bytewax.testing import run_main

    fold, meter = Fold(BYTEWAX), Meter()

    class Logic(op.StatefulBatchLogic[Any, Any, bytes]):  # type: ignore[misc] # its package is not installed where types are checked
        def __init__(self, resumed: bytes | None) -> None:
            self.state = None if resumed is None else from_bytes(resumed)

        def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
            meter.start()
            sent: list[Record] = []
            for message in values:
                at_ms = message.timestamp[1]
                self.state, more = fold(self.state, message.key, message.value, message.partition, message.offset, at_ms)
                sent += more
            return [KafkaSinkMessage(record.key, record.value, headers=_headers(record)) for record in sent], False

        def snapshot(self) -> bytes:
            assert self.state is not None
            return to_bytes(self.state)

    flow = Dataflow("usage")
    heard = op.input("heard", flow, KafkaSource([bootstrap], [STATS.full(f"{BYTEWAX}.")], tail=False))
    keyed = op.key_on("by-workspace", heard, lambda message: message.key.decode())
    folded = op.stateful_batch("fold", keyed, Logic)
    op.output("told", op.key_rm("records", folded), KafkaSink([bootstrap], USAGE.full(f"{BYTEWAX}."), {"linger.ms": "5"}))
    if not any(folder.glob("*.sqlite3")):
        init_db_dir(folder, 1)
    run_main(flow, epoch_interval=timedelta(seconds=_COMMIT_S), recovery_config=RecoveryConfig(folder))
    meter.end()


def bytewax_values(folder: Path) -> dict[bytes, bytes]:
    """Values by workspace, from the last snapshot of each in the recovery store."""
    found: dict[bytes, bytes] = {}
    for path in folder.glob("*.sqlite3"):
        with sqlite3.connect(path) as database:
            rows = database.execute("SELECT state_key, ser_change FROM snaps WHERE step_id LIKE 'usage.fold%' ORDER BY snap_epoch")
            found |= {key.encode(): pickle.loads(change) for key, change in rows if change is not None}  # noqa: S301 - written by ourselves
    return found


def _headers(record: Record) -> list[tuple[str, bytes]]:
    return list(record.headers)


def main(kind: str, bootstrap: str, ticks: int, folder: Path) -> None:
    """Runs one worker to its end; prints what it measured."""
    if kind == BARE:
        asyncio.run(run_bare(bootstrap, ticks))
    elif kind == QUIX:
        run_quix(bootstrap, ticks, folder)
    else:
        run_bytewax(bootstrap, folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
