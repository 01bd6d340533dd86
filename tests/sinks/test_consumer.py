"""The sink's loop in process: what is committed when, what an archive that is away or refuses does to it, what is refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas import topics
from schemas.codec import codec
from schemas.errors import SettingError, WstError
from schemas.publish import Record
from streams.dead_letters import Cap
from streams.query.memory import MemoryArchive
from streams.sinks.clickhouse import Busy, Unfit
from streams.sinks.consumer import Sink, SinkConsumer
from streams.sinks.counters import Policy
from streams.sinks.rows import Block
from streams.sinks.source import Batches, Raw
from tests.platform.process import PATIENCE_S
from tests.sinks import records
from tests.sinks.records import T0_NS, position

PLACE = TopicPartition("wst.docker.events", 0)
QUICK = Policy(linger_s=0.02, first_wait_s=0.001, longest_wait_s=0.002)


def raw(offset: int, value: bytes | None = None, topic: str = "wst.docker.events", key: bytes = b"shop@laptop") -> Raw:
    value = codec("fact").encode(records.fact(f"f{offset}")) if value is None else value
    return Raw(topic, position(offset), key, value, (), T0_NS // 10**6, offset)


class Script:
    """A source that hands out what it was given, and stops the consumer when the last of it was committed."""

    def __init__(self, *fetches: list[Raw], loses_at: int = -1) -> None:
        self._fetches = list(fetches)
        self._last = max(one.offset for fetch in fetches for one in fetch)
        self._loses_at = loses_at
        self.lost = 0
        self.committed: list[int] = []
        self.handed = 0
        self.consumer: SinkConsumer | None = None

    async def start(self) -> None: ...

    async def fetch(self, wait_s: float, limit: int) -> Batches:
        assert limit > 0
        if not self._fetches:
            await asyncio.sleep(wait_s)
            return {}
        if self.handed == self._loses_at:
            self.lost += 1
        self.handed += 1
        batch: dict[TopicPartition, list[Raw]] = {}
        for one in self._fetches.pop(0):
            batch.setdefault(TopicPartition(one.topic, one.position.partition), []).append(one)
        return batch

    async def commit(self, batches: Batches) -> None:
        self.committed += [records[-1].offset for records in batches.values()]
        if self._last in self.committed:
            assert self.consumer is not None
            self.consumer.stop()

    def lag(self) -> dict[TopicPartition, int]:
        return {}

    async def end(self) -> int:
        return 1_000

    async def stop(self) -> None: ...


class Failing(MemoryArchive):
    """An archive that fails so often before it takes anything."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self._errors = list(errors)
        self.failed = asyncio.Event()

    async def write(self, blocks: Sequence[Block]) -> None:
        if self._errors:
            self.failed.set()
            raise self._errors.pop(0)
        await super().write(blocks)

    @property
    def facts(self) -> list[str]:
        return sorted(row["id"] for row in self.rows("docker_events_rows"))


class Letters:
    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> None:
        self.records += records

    async def close(self) -> None: ...


def assembled(source: Script, archive: Sink, policy: Policy = QUICK, cap: Cap | None = None) -> tuple[SinkConsumer, Letters]:
    letters = Letters()
    consumer = SinkConsumer(source, archive, letters, "wst.", policy, cap)
    source.consumer = consumer
    return consumer, letters


async def test_an_archive_that_is_away_is_waited_for_said_once_and_nothing_is_committed_before(caplog: pytest.LogCaptureFixture) -> None:
    source, archive = Script([raw(1), raw(2)], [raw(3)]), Failing(*[Busy("away")] * 20)
    consumer, _ = assembled(source, archive)
    with caplog.at_level(logging.WARNING, "wst.sink"):
        await consumer.run()
    assert archive.facts == ["f1", "f2", "f3"]
    assert source.committed[-1] == 3
    assert [record.message for record in caplog.records] == ["away; nothing is lost, trying again", "the archive answers again"]
    assert (consumer.counters.retries, consumer.counters.away) == (20, False)
    assert consumer.counters.rows == {"docker_events_rows": 3}
    assert consumer.counters.records == 3


async def test_told_to_stop_while_the_archive_is_away_it_ends_at_once_and_commits_nothing() -> None:
    source = Script([raw(1)])
    archive = Failing(*[Busy("away")] * 10_000)
    consumer, _ = assembled(source, archive, Policy(linger_s=0.01, first_wait_s=60, longest_wait_s=60))
    running = asyncio.create_task(consumer.run())
    await asyncio.wait_for(archive.failed.wait(), PATIENCE_S)
    consumer.stop()
    await asyncio.wait_for(running, PATIENCE_S)
    assert source.committed == []


async def test_a_statement_refused_again_and_again_ends_the_sink_and_a_setting_at_once() -> None:
    for error, attempts in ((WstError("refused"), QUICK.refusals), (SettingError("no table"), 1)):
        source, archive = Script([raw(1)]), Failing(*[error] * 100)
        consumer, _ = assembled(source, archive)
        with pytest.raises(type(error), match=str(error)):
            await consumer.run()
        assert len(archive._errors) == 100 - attempts
        assert source.committed == []


async def test_what_cannot_be_used_becomes_a_dead_letter_before_its_position_is_committed_and_the_rest_goes_in() -> None:
    unknown = codec("usage").encode(records.usage(windows=[records.window(grain="UNKNOWN")]))
    broken = codec("usage").encode(records.usage(samples=[{**records.sample(), "derived": b"12345"}]))
    bad = [(b"", "undecodable"), (b"junk", "undecodable"), (b"\xc3\x01" + bytes(8), "unknown_schema")]
    cases: list[tuple[str, bytes | None, str]] = [("wst.docker.events", value, code) for value, code in bad]
    cases += [("wst.workspace.usage", unknown, "invalid"), ("wst.workspace.usage", broken, "invalid")]
    cases += [("wst.dead.letters", b"junk", "undecodable")]
    others: list[tuple[str, str, dict[str, Any]]] = [
        ("wst.docker.events", "fact", records.fact()),
        ("wst.workspace.state", "state", records.state()),
    ]
    others += [("wst.workspace.changes", "event", records.event()), ("wst.workspace.usage", "usage", records.usage())]
    cases += [(topic, codec(subject).encode(record | {"workspace_id": "other"}), "key_mismatch") for topic, subject, record in others]
    for topic, value, code in cases:
        source, archive = Script([raw(1), raw(2, value, topic), raw(3)]), Failing()
        consumer, letters = assembled(source, archive)
        await consumer.run()
        assert archive.facts == ["f1", "f3"]
        (letter,) = [codec("dead_letter").decode(record.value) for record in letters.records]
        told: dict[str, Any] = {name: letter[name] for name in ("topic", "code", "stage", "epoch", "partition", "offset", "key", "value")}
        assert told == {
            "topic": topic, "code": code, "stage": "sink", "epoch": 1, "partition": 0, "offset": 2, "key": b"shop@laptop",
            "value": value,
        }  # fmt: skip
        assert (sorted(source.committed)[-1], consumer.counters.refused) == (3, 1)
        assert letters.records[0].topic == topics.DEAD_LETTERS.full("wst.")


async def test_too_many_refused_rows_end_the_sink_long_before_the_batch_is_judged_and_nothing_is_committed() -> None:
    class Picky(MemoryArchive):
        attempts = 0

        async def write(self, blocks: Sequence[Block]) -> None:
            self.attempts += 1
            raise Unfit("takes nothing")

    source, archive = Script([raw(n) for n in range(4_096)]), Picky()
    consumer, letters = assembled(source, archive, cap=Cap(run=20))
    with pytest.raises(WstError, match=r"the sink stops at wst\.docker\.events: 20 records in a row were refused"):
        await consumer.run()
    assert (source.committed, letters.records) == ([], [])
    assert archive.attempts < 60


async def test_an_archive_that_goes_away_while_a_culprit_is_looked_for_is_waited_for() -> None:
    class Flaky(Failing):
        attempts = 0

        async def write(self, blocks: Sequence[Block]) -> None:
            self.attempts += 1
            if self.attempts % 2:
                raise Busy("away")
            if any("f5" in block.columns[block.names.index("id")] for block in blocks):
                raise Unfit("no f5")
            await super().write(blocks)

    source, archive = Script([raw(n) for n in range(1, 9)]), Flaky()
    consumer, letters = assembled(source, archive)
    await consumer.run()
    assert archive.facts == [f"f{n}" for n in range(1, 9) if n != 5]
    assert [codec("dead_letter").decode(record.value)["offset"] for record in letters.records] == [5]
    assert (source.committed, consumer.counters.away, consumer.counters.refused) == ([8], False, 1)
    assert consumer.counters.rows == {"docker_events_rows": 7}


async def test_a_flood_of_garbage_ends_the_sink_loudly_and_is_not_committed() -> None:
    source, archive = Script([raw(n, b"junk") for n in range(50)]), Failing()
    consumer, _ = assembled(source, archive, cap=Cap(run=20))
    with pytest.raises(WstError, match=r"the sink stops at wst\.docker\.events: 20 records in a row were refused"):
        await consumer.run()
    assert source.committed == []


async def test_what_was_gathered_before_partitions_were_taken_away_is_dropped_as_it_comes_again() -> None:
    """Fetched 1 and 2; then the partition goes and comes back: reading begins at 1 again."""
    source, archive = Script([raw(1), raw(2)], [raw(1)], [raw(2), raw(3)], loses_at=1), Failing()
    consumer, _ = assembled(source, archive)
    await consumer.run()
    assert archive.facts == ["f1", "f2", "f3"]
    assert consumer.counters.records == 3


async def test_a_batch_is_bounded_by_records_and_by_bytes() -> None:
    for policy in (Policy(records=10, linger_s=0.05), Policy(size_bytes=200, linger_s=0.05)):
        source, archive = Script(*[[raw(n)] for n in range(40)]), Failing()
        consumer, _ = assembled(source, archive, policy)
        await consumer.run()
        assert len(archive.facts) == 40
        assert consumer.counters.batches >= 4


async def test_a_watchdog_judges_the_sink_only_while_it_is_its_own_turn() -> None:
    seen: list[dict[str, tuple[int, int]]] = []

    class Watched(Failing):
        async def write(self, blocks: Sequence[Block]) -> None:
            seen.append(dict(await consumer.standing()))
            await super().write(blocks)

    source = Script([raw(1), raw(2)])
    consumer, _ = assembled(source, Watched(Busy("away")))
    wait = consumer._told_to_stop

    async def waiting(wait_s: float) -> bool:
        seen.append(dict(await consumer.standing()))
        return await wait(wait_s)

    consumer._told_to_stop = waiting  # type: ignore[method-assign]  # between two attempts
    assert await consumer.standing() == {"the sink": (0, 1_000)}
    await consumer.run()
    assert seen == [{}, {}, {}]
    assert await consumer.standing() == {"the sink": (2, 1_000)}
