"""The sink's loop: fetch, make rows, insert, commit. Rows first, positions after, so that nothing is ever missing.

Records of all partitions of a topic go in together, each partition's contiguous: an insert per partition would make
as many parts in ClickHouse, and as inserting again is harmless, nothing hangs on which records share an insert.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from aiokafka import TopicPartition

from schemas.codec import Undecodable
from schemas.errors import WstError
from schemas.metrics import Figure, system
from schemas.publish import Publisher, Record
from streams.core.invalid import InvalidMessage
from streams.dead_letters import Cap, DeadLetters, TooManyDeadLetters
from streams.sinks.clickhouse import Busy, Unfit
from streams.sinks.counters import Counters, Policy
from streams.sinks.letters import BrokerAway
from streams.sinks.rows import Arrived, Block, arrived, blocks
from streams.sinks.source import Raw, Source
from streams.stall import Standing

_log: Final = logging.getLogger("wst.sink")


#: Why a record cannot be used: a code for programs, a reason in words.
_Fault = tuple[str, str]


class Sink(Protocol):
    """Takes rows; what `write` returned from is durable. Rows may come again, in any order."""

    async def write(self, blocks: Sequence[Block]) -> None:
        """Writes blocks.

        Raises:
            Busy: it may work later.
            Unfit: not with these rows; others may go in.
            WstError: it will not.
        """

    async def close(self) -> None:
        """Lets go of the connection."""


class SinkConsumer:
    """Carries records into the archive until it is told to stop.

    Args:
        letters: takes dead letters; durable when it returns.
        prefix: of the topics.
        alive: called after each fetch and each attempt to insert: the sink comes round with its work.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        letters: Publisher,
        prefix: str,
        policy: Policy | None = None,
        cap: Cap | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._letters = letters
        self._prefix = prefix
        self._alive = alive
        self._policy = policy or Policy()
        self._waiting: list[Record] = []
        self._refused = DeadLetters("sink", prefix, self._waiting.append, cap)
        self._gathered: dict[TopicPartition, list[Raw]] = {}
        self._size = 0
        self._inserting = False
        self._stop = asyncio.Event()
        self.counters = Counters()

    def stop(self) -> None:
        """Ends `run` after the batch under way."""
        self._stop.set()

    def lag(self) -> dict[str, int]:
        """Records not yet fetched, by full topic name, as far as is known."""
        lags: dict[str, int] = {}
        for partition, behind in self._source.lag().items():
            lags[partition.topic] = lags.get(partition.topic, 0) + behind
        return lags

    async def standing(self) -> Standing:
        """How many records were carried over, and the end of all that is read; nothing while the archive has its turn.

        All partitions together: while one of them moves, others may have to wait for a slow archive.
        """
        if self._inserting or self.counters.away or not (end := await self._source.end()):
            return {}
        return {"the sink": (self.counters.records, end)}

    def figures(self) -> Iterator[Figure]:
        """What the sink shows to Prometheus."""
        counters = self.counters
        for partition, behind in self._source.lag().items():
            yield system.SINK_LAG.at(behind, partition.topic, str(partition.partition))
        yield system.SINK_BEHIND.at(counters.behind_ms / 1000)
        yield system.SINK_RECORDS.at(counters.records)
        yield system.SINK_BATCHES.at(counters.batches)
        yield from (system.SINK_ROWS.at(rows, table) for table, rows in counters.rows.items())
        yield system.SINK_INSERT_SECONDS.at(counters.insert_seconds)
        yield system.SINK_RETRIES.at(counters.retries)
        yield system.SINK_BUFFER.at(self._size)
        yield system.SINK_UP.at(not counters.away)
        yield from self._refused.figures()

    async def run(self) -> None:
        """Consumes until `stop`.

        Raises:
            Unreachable: no broker answers at the start.
            WstError: ClickHouse refuses what it should take, or too much had to be refused.
        """
        await self._source.start()
        _log.info("reading")
        try:
            while not self._stop.is_set():
                await self._gather()
                await self._flush()
        finally:
            await self._source.stop()

    async def _gather(self) -> None:
        """Fetches until there is enough for an insert, or long enough after the first record."""
        policy, lost = self._policy, self._source.lost
        count, deadline = 0, float("inf")
        while count < policy.records and self._size < policy.size_bytes and not self._stop.is_set():
            wait_s = min(policy.linger_s, deadline - time.monotonic())
            if wait_s <= 0:
                return
            fetched = await self._source.fetch(wait_s, policy.records - count)
            self._alive()
            if self._source.lost != lost:
                # What was gathered comes again, to us or to the new owner; with what comes now it would not be contiguous.
                lost, count, deadline = self._source.lost, 0, float("inf")
                self._clear()
            for partition, records in fetched.items():
                self._gathered.setdefault(partition, []).extend(records)
                self._size += sum(len(raw.value or b"") for raw in records)
                count += len(records)
            if count and deadline == float("inf"):
                deadline = time.monotonic() + policy.linger_s

    def _clear(self) -> None:
        self._gathered.clear()
        self._size = 0

    async def _flush(self) -> None:
        """Rows in, dead letters out, positions committed: topic by topic."""
        by_topic: dict[str, dict[TopicPartition, list[Raw]]] = {}
        for partition, records in self._gathered.items():
            by_topic.setdefault(partition.topic, {})[partition] = records
        self._clear()
        for topic, batches in by_topic.items():
            if not await self._insert(topic.removeprefix(self._prefix), [raw for records in batches.values() for raw in records]):
                return
            if not await self._send_letters():
                return
            await self._source.commit(batches)
            self._count(batches)

    async def _insert(self, topic: str, raws: Sequence[Raw]) -> bool:
        """Puts in what can be used, judging records in their order; False: told to stop before.

        What is refused for what is in it is halved until the culprits are alone: the others go in.
        """
        waiting = [raws]
        while waiting:
            part = waiting.pop()
            # In a thread: decoding thousands of records must not hold up an API that shares the loop.
            faults, rows = await asyncio.to_thread(_rows, topic, part)
            try:
                if not await self._write(rows):
                    return False
            except Unfit as error:
                if len(part) > 1:
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
                    continue
                faults, rows = {0: ("refused", str(error))}, []
            self._judge(part, faults)
            for block in rows:
                self.counters.rows[block.table] = self.counters.rows.get(block.table, 0) + block.rows
        return True

    def _judge(self, raws: Sequence[Raw], faults: Mapping[int, _Fault]) -> None:
        for number, raw in enumerate(raws):
            if number in faults:
                self._refuse(raw, *faults[number])
            else:
                self._refused.accept()

    def _refuse(self, raw: Raw, code: str, reason: str) -> None:
        try:
            self._refused.refuse(raw, code, reason)
        except TooManyDeadLetters as error:
            raise WstError(
                f"the sink stops at {raw.topic}: {error}", "see `wst dead-letters`; is a producer of another version running?"
            ) from error

    async def _send_letters(self) -> bool:
        """Sends what was refused, however long the broker is away; False: told to stop before."""
        wait_s = self._policy.first_wait_s
        while self._waiting:
            try:
                await self._letters.publish(self._waiting)
            except BrokerAway as error:
                if wait_s == self._policy.first_wait_s:
                    _log.error("%s; nothing is lost, trying again", error)
                self._alive()
                if await self._told_to_stop(wait_s):
                    return False
                wait_s = min(2 * wait_s, self._policy.longest_wait_s)
            else:
                _log.warning("%d records could not be used; they are in the dead letters", len(self._waiting))
                self._waiting.clear()
        return True

    async def _write(self, rows: list[Block]) -> bool:
        """Writes until it is done; False: told to stop before."""
        wait_s, attempts = self._policy.first_wait_s, 0
        while True:
            started = time.perf_counter()
            self._inserting = True
            try:
                await self._sink.write(rows)
            except Busy as error:
                if not self.counters.away:
                    _log.error("%s; nothing is lost, trying again", error)
                self.counters.away = True
            except Unfit:
                raise
            except WstError as error:
                attempts += 1
                if attempts >= self._policy.refusals or error.exit_code != WstError.exit_code:
                    raise
                _log.warning("%s; attempt %d of %d", error, attempts, self._policy.refusals)
            else:
                self.counters.insert_seconds += time.perf_counter() - started
                if self.counters.away:
                    _log.warning("the archive answers again")
                    self.counters.away = False
                return True
            finally:
                self._inserting = False
                self._alive()
            self.counters.retries += 1
            if await self._told_to_stop(wait_s):
                return False
            wait_s = min(2 * wait_s, self._policy.longest_wait_s)

    async def _told_to_stop(self, wait_s: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), wait_s)
        except TimeoutError:
            return False
        return True

    def _count(self, batches: dict[TopicPartition, list[Raw]]) -> None:
        counters = self.counters
        counters.batches += 1
        counters.records += sum(map(len, batches.values()))
        counters.refused = self._refused.total
        newest_ms = max(records[-1].timestamp_ms for records in batches.values())
        counters.behind_ms = max(0, time.time_ns() // 10**6 - newest_ms)


def _rows(topic: str, raws: Sequence[Raw]) -> tuple[dict[int, _Fault], list[Block]]:
    """Why some records cannot be used, by their number, and the rows of the others."""
    faults: dict[int, _Fault] = {}
    usable: list[Arrived] = []
    for number, raw in enumerate(raws):
        try:
            usable.append(arrived(topic, raw.position, raw.key, raw.value, raw.headers, raw.timestamp_ms))
        except (Undecodable, InvalidMessage) as error:
            faults[number] = error.code, error.reason
    return faults, blocks(topic, usable)
