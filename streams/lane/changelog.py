"""Durability in a cluster: Faust's changelog topics, and behind each copy a record that says how far it goes.

Faust's own recovery reads the topic back into the table. Position and values share a partition and a producer that
keeps their order, so a position that is there has all its values before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP

from streams.lane.batch import Batch
from streams.lane.durability import Copy, Mark
from streams.lane.kafka import Row, send_rows
from streams.lane.table import Table

#: Key of the record that carries the position; no workspace or engine id begins with a zero byte.
MARK_KEY: Final = b"\x00mark"


def _packed(copy: Copy) -> bytes:
    return b"%d %d" % (copy.epoch, copy.next_position)


def _unpacked(value: bytes) -> Mark:
    epoch, next_position = value.split()
    return Mark(int(epoch), int(next_position))


class ChangelogTable(faust.Table[bytes, bytes]):
    """What Faust assigns, recovers and revokes for a table of the lane."""

    def __init__(self, app: Any, table: Table[Any], partitions: int) -> None:
        # A buffer of 1 has a meaning of its own to Faust; each of these "events" is a whole batch.
        super().__init__(app, name=table.name, key_type=bytes, value_type=bytes, partitions=partitions, recovery_buffer_size=2)
        self.table = table
        self.marks: dict[int, Mark] = {}

    async def on_start(self) -> None:
        """Nothing: neither the store nor the declaring of topics is Faust's here."""

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Takes over what recovery has read."""
        for event in batch:
            read: Batch = event.value
            # All tables share one queue; Faust applies what came late to whichever table was last.
            if read.tp.topic == self.changelog_topic_name:
                self.take_over(read.tp.partition, ((record.key, record.value) for record in read.records))

    def take_over(self, partition: int, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Takes over records of a partition, in their order."""
        values = []
        for key, value in items:
            if key == MARK_KEY:
                self.marks[partition] = _unpacked(value)
            else:
                values.append((key, value))
        self.table.restore(partition, values)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Lets go of partitions that are another worker's now."""
        owned = {tp.partition for tp in active_tps}
        for partition in self.table.partitions():
            if partition not in owned:
                self.table.drop(partition)
                self.marks.pop(partition, None)


class Changelog:
    """Writes copies to changelog topics.

    Args:
        producer: a way to the lane's producer.
        tables: the tables, by name.
    """

    def __init__(self, producer: Callable[[], AIOKafkaProducer], tables: dict[str, ChangelogTable]) -> None:
        self._producer = producer
        self._tables = tables

    async def write(self, copy: Copy) -> None:
        """Sends values, then their position; an input without a table has nothing to keep but its offset."""
        table = self._tables.get(copy.table)
        if table is None:
            return
        rows: list[Row] = [(key, value, (), None) for key, value in copy.values.items()]
        rows.append((MARK_KEY, _packed(copy), (), None))
        await send_rows(self._producer(), table.changelog_topic_name, copy.tp.partition, rows)
        table.marks[copy.tp.partition] = Mark(copy.epoch, copy.next_position)

    async def recover(self, tp: TP, table: Table[Any] | None) -> Mark | None:
        """Faust has filled the table; what was folded and never committed is forgotten."""
        if table is None:
            return None
        table.revert(tp.partition)
        return self._tables[table.name].marks.get(tp.partition)
