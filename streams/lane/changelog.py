"""Durability in a cluster: a compacted topic per table, and behind each copy a record that says how far it goes.

The topics are named as Faust names its changelogs, but the lane reads them back itself: Faust's recovery keeps its place per
partition in a way that quick rebalances confuse, and a table that lacks a stretch of its changelog folds wrong states.
Position and values share a partition and a producer that keeps their order, so a position that is there has all its
values before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP

from streams.lane.durability import Copy, Mark
from streams.lane.kafka import Row, send_rows
from streams.lane.table import Table

#: Key of the record that carries the position; no workspace or engine id begins with a zero byte.
MARK_KEY: Final = b"\x00mark"
_POLL_MS: Final = 500


class Changelog:
    """Writes copies to changelog topics and recovers tables from them.

    Args:
        app_id: the consumer group: begin of the topics' names.
        producer: a way to the producer, which starts with the app.
        client: arguments of aiokafka's clients: bootstrap_servers and security.
    """

    def __init__(self, app_id: str, producer: Callable[[], AIOKafkaProducer], client: Mapping[str, Any]) -> None:
        self._app_id = app_id
        self._producer = producer
        self._client = client
        self._one_at_a_time = asyncio.Lock()
        self._reader: AIOKafkaConsumer | None = None
        #: Offset behind the last record a table has, per changelog partition: what lies before it is in the table.
        self._have: dict[TopicPartition, int] = {}
        self._marks: dict[TopicPartition, Mark] = {}

    def _partition(self, table: str, partition: int) -> TopicPartition:
        return TopicPartition(f"{self._app_id}-{table}-changelog", partition)

    async def write(self, copy: Copy) -> None:
        """Sends values, then their position; an input without a table has nothing to keep but its offset."""
        if not copy.table:
            return
        log = self._partition(copy.table, copy.tp.partition)
        rows: list[Row] = [(key, value, (), None) for key, value in copy.values.items()]
        rows.append((MARK_KEY, b"%d %d" % (copy.epoch, copy.next_position), (), None))
        self._have[log] = await send_rows(self._producer(), log.topic, log.partition, rows)
        self._marks[log] = Mark(copy.epoch, copy.next_position)

    async def recover(self, tp: TP, table: Table[Any] | None) -> Mark | None:
        """Reads what the table does not have yet: all of it, or what others wrote while the partition was theirs."""
        if table is None:
            return None
        log = self._partition(table.name, tp.partition)
        table.revert(tp.partition)
        async with self._one_at_a_time:
            await self._catch_up(log, table)
        return self._marks.get(log)

    async def _catch_up(self, log: TopicPartition, table: Table[Any]) -> None:
        reader = await self._started()
        end = (await reader.end_offsets([log]))[log]
        begin = (await reader.beginning_offsets([log]))[log]
        have = self._have.get(log, 0)
        if not begin <= have <= end:
            # Another topic under the same name: what the table has is of the old one.
            self.drop(log.partition, table)
            have = begin
        if have < end:
            reader.assign([log])
            reader.seek(log, have)
            while await reader.position(log) < end:
                for records in (await reader.getmany(log, timeout_ms=_POLL_MS)).values():
                    self._take_over(log, table, ((record.key, record.value) for record in records))
        self._have[log] = end

    def _take_over(self, log: TopicPartition, table: Table[Any], items: Iterable[tuple[bytes, bytes]]) -> None:
        values = []
        for key, value in items:
            if key == MARK_KEY:
                epoch, next_position = value.split()
                self._marks[log] = Mark(int(epoch), int(next_position))
            else:
                values.append((key, value))
        table.restore(log.partition, values)

    def drop(self, partition: int, table: Table[Any]) -> None:
        """Lets go of a partition that is another worker's now."""
        log = self._partition(table.name, partition)
        table.drop(partition)
        self._have.pop(log, None)
        self._marks.pop(log, None)

    async def _started(self) -> AIOKafkaConsumer:
        if self._reader is None:
            reader = AIOKafkaConsumer(**self._client, auto_offset_reset="earliest", enable_auto_commit=False)
            await reader.start()
            self._reader = reader
        return self._reader

    async def close(self) -> None:
        """Ends the reader's connection."""
        if self._reader is not None:
            await self._reader.stop()
            self._reader = None
