"""One contract for everything that keeps a table: memory, a checkpoint in SQLite, a changelog on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from schemas.errors import WstError
from streams.lane import Checkpoint
from streams.lane.changelog import Changelog
from streams.lane.durability import Copy, Durability, Mark, MemoryDurability
from streams.lane.kafka import MAX_VALUE_BYTES, TooLarge
from streams.lane.table import Table
from streams.topology import CHANGELOG_CONFIG
from tests.platform.kafka import KafkaBroker

PARTITIONS = 4
TOPIC = "src"


def plain_table(name: str = "tally") -> Table[bytes]:
    return Table(name, bytes, bytes)


def copy(
    values: dict[bytes, bytes], next_position: int, partition: int = 0, epoch: int = 5, topic: str = TOPIC, table: str = "tally"
) -> Copy:
    return Copy(TP(topic, partition), table, values, epoch, next_position, next_position)


class Keeps(Protocol):
    """An implementation under test, and how a new process would open it."""

    @property
    def durability(self) -> Durability:
        """As the writing process has it."""

    async def reopened(self, table: Table[bytes]) -> Durability:
        """What a successor recovers the table from."""


class Memory:
    def __init__(self) -> None:
        self.durability: Durability = MemoryDurability()

    async def reopened(self, table: Table[bytes]) -> Durability:
        return self.durability


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._checkpoint = Checkpoint(path)

    @property
    def durability(self) -> Durability:
        return self._checkpoint

    async def reopened(self, table: Table[bytes]) -> Durability:
        self._checkpoint.close()
        self._checkpoint = Checkpoint(self.path)
        return self._checkpoint


class Kafka:
    def __init__(self, bootstrap: str, app_id: str, producer: AIOKafkaProducer) -> None:
        self._bootstrap, self._app_id, self._producer = bootstrap, app_id, producer
        self._changelog = self._new()

    @property
    def durability(self) -> Durability:
        return self._changelog

    def _new(self) -> Changelog:
        return Changelog(self._app_id, lambda: self._producer, {"bootstrap_servers": self._bootstrap})

    async def reopened(self, table: Table[bytes]) -> Durability:
        await self._changelog.close()
        self._changelog = self._new()
        return self._changelog

    async def close(self) -> None:
        await self._changelog.close()


@pytest.fixture(params=["memory", "sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def keeps(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> AsyncIterator[Keeps]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield Memory()
        elif request.param == "sqlite":
            yield Sqlite(tmp_path / "state.sqlite")
        else:
            broker: KafkaBroker = request.getfixturevalue("kafka")
            broker.create_topic(f"{unique}-tally-changelog", PARTITIONS, **{k.replace(".", "_"): v for k, v in CHANGELOG_CONFIG.items()})
            settings: dict[str, Any] = {"enable_idempotence": True, "max_batch_size": 900_000, "max_request_size": 2 * MAX_VALUE_BYTES}
            producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **settings)
            await producer.start()
            stack.push_async_callback(producer.stop)
            changelog = Kafka(broker.bootstrap, unique, producer)
            stack.push_async_callback(changelog.close)
            yield changelog


async def recovered(keeps: Keeps, partition: int = 0, topic: str = TOPIC) -> tuple[dict[bytes, bytes], Mark | None]:
    table = plain_table()
    mark = await (await keeps.reopened(table)).recover(TP(topic, partition), table)
    return dict(table.items(partition)), mark


async def test_before_anything_was_written_there_is_nothing(keeps: Keeps) -> None:
    assert await recovered(keeps) == ({}, None)


async def test_what_was_written_comes_back_with_its_position(keeps: Keeps) -> None:
    await keeps.durability.write(copy({b"a": b"1", b"b": b"\x00\xff"}, 17))
    assert await recovered(keeps) == ({b"a": b"1", b"b": b"\x00\xff"}, Mark(5, 17))


async def test_the_last_value_of_a_key_wins_and_other_keys_stay(keeps: Keeps) -> None:
    await keeps.durability.write(copy({b"a": b"1", b"b": b"1"}, 1))
    await keeps.durability.write(copy({b"a": b"2"}, 2))
    assert await recovered(keeps) == ({b"a": b"2", b"b": b"1"}, Mark(5, 2))


async def test_partitions_are_apart(keeps: Keeps) -> None:
    await keeps.durability.write(copy({b"a": b"0"}, 1, partition=0))
    await keeps.durability.write(copy({b"a": b"3"}, 9, partition=3))
    assert await recovered(keeps, 0) == ({b"a": b"0"}, Mark(5, 1))
    assert await recovered(keeps, 3) == ({b"a": b"3"}, Mark(5, 9))
    assert await recovered(keeps, 1) == ({}, None)


async def test_a_copy_without_values_still_moves_the_position(keeps: Keeps) -> None:
    await keeps.durability.write(copy({b"a": b"1"}, 1))
    await keeps.durability.write(copy({}, 40))
    assert await recovered(keeps) == ({b"a": b"1"}, Mark(5, 40))


async def test_a_new_epoch_is_remembered(keeps: Keeps) -> None:
    await keeps.durability.write(copy({b"a": b"1"}, 90, epoch=5))
    await keeps.durability.write(copy({b"a": b"2"}, 3, epoch=6))
    assert await recovered(keeps) == ({b"a": b"2"}, Mark(6, 3))


async def test_values_of_many_batches_and_of_megabytes_survive(keeps: Keeps) -> None:
    values = {b"k%d" % number: b"%d" % number * 200 for number in range(3_000)} | {b"large": b"x" * 3_000_000, b"after": b"y"}
    await keeps.durability.write(copy(values, 4))
    assert await recovered(keeps) == (values, Mark(5, 4))


async def test_recovery_forgets_what_was_folded_and_never_committed(keeps: Keeps) -> None:
    table = plain_table()
    durability = await keeps.reopened(table)
    table.put(0, b"a", b"1")
    await durability.write(copy({b"a": table.take(0, b"a")}, 1))
    table.confirm(0, {b"a": b"1"})
    table.put(0, b"a", b"2")
    table.put(0, b"b", b"1")
    assert await durability.recover(TP(TOPIC, 0), table) == Mark(5, 1)
    assert dict(table.items(0)) == {b"a": b"1"}


@pytest.mark.kafka
async def test_a_value_no_topic_takes_is_refused_by_name_before_anything_of_it_is_sent(kafka: KafkaBroker, unique: str) -> None:
    kafka.create_topic(f"{unique}-tally-changelog", PARTITIONS)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    keeps = Kafka(kafka.bootstrap, unique, producer)
    with pytest.raises(TooLarge, match=r"b'huge'.*16,777,217 bytes"):
        await keeps.durability.write(copy({b"huge": b"x" * (MAX_VALUE_BYTES + 1)}, 1))
    assert await recovered(keeps) == ({}, None)
    await keeps.close()
    await producer.stop()


async def test_two_inputs_of_one_app_share_a_checkpoint(tmp_path: Path) -> None:
    keeps = Sqlite(tmp_path / "state.sqlite")
    await keeps.durability.write(copy({b"a": b"1"}, 1))
    await keeps.durability.write(copy({b"e": b"2"}, 8, topic="other", table="engines"))
    assert await recovered(keeps) == ({b"a": b"1"}, Mark(5, 1))
    engines = plain_table("engines")
    assert await (await keeps.reopened(engines)).recover(TP("other", 0), engines) == Mark(5, 8)
    assert dict(engines.items(0)) == {b"e": b"2"}


def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"no database at all, but long enough to look at" * 10)
    with pytest.raises(WstError, match="cannot be opened"):
        Checkpoint(path)


def test_a_checkpoint_has_one_writer(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path / "state.sqlite")
    with pytest.raises(WstError, match="another worker holds"):
        Checkpoint(tmp_path / "state.sqlite")
    first.close()
    Checkpoint(tmp_path / "state.sqlite").close()


@pytest.mark.kafka
async def test_what_others_wrote_meanwhile_is_read_when_a_partition_comes_back(kafka: KafkaBroker, unique: str) -> None:
    kafka.create_topic(f"{unique}-tally-changelog", PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        first, second = Kafka(kafka.bootstrap, unique, producer), Kafka(kafka.bootstrap, unique, producer)
        table = plain_table()
        assert await first.durability.recover(TP(TOPIC, 0), table) is None
        for key in (b"a", b"b"):
            table.put(0, key, b"1")
        values = {key: table.take(0, key) for key in table.dirty(0)}
        await first.durability.write(copy(values, 1))
        table.confirm(0, values)
        assert await first.durability.recover(TP(TOPIC, 0), table) == Mark(5, 1)
        await second.durability.write(copy({b"a": b"2"}, 2))
        assert await first.durability.recover(TP(TOPIC, 0), table) == Mark(5, 2)
        assert dict(table.items(0)) == {b"a": b"2", b"b": b"1"}
        first.durability.drop(0, table)
        assert dict(table.items(0)) == {}
        assert await first.durability.recover(TP(TOPIC, 0), table) == Mark(5, 2)
        assert dict(table.items(0)) == {b"a": b"2", b"b": b"1"}
        await first.close()
        await second.close()
