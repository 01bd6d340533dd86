"""The log's epoch in a cluster: positions of different epochs do not compare by offset."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.kafka import client_arguments, leave
from schemas.settings import Settings


async def read_epoch(settings: Settings) -> int:
    """The log's epoch, the highest that `workspace.control` names; 0 where none was ever written."""
    control = codec(topics.WORKSPACE_CONTROL.subject)
    epoch = 0
    async for record in read_to_end(settings, topics.WORKSPACE_CONTROL.full(settings.topic_prefix)):
        # Whoever wrote bytes that are no control record wrote no epoch.
        with suppress(Undecodable):
            found = control.decode(record.value)
            if found["kind"] == "log_epoch" and found["log_epoch"] is not None:
                epoch = max(epoch, found["log_epoch"]["epoch"])
    return epoch


async def read_to_end(settings: Settings, topic: str) -> Any:
    """Yields every record a topic holds at present, in order per partition; tombstones too."""
    consumer = AIOKafkaConsumer(**client_arguments(settings), auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        left = {tp: end for tp, end in ends.items() if end > begins[tp]}
        while left:
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    yield record
                if records and tp in left and await consumer.position(tp) >= left[tp]:
                    del left[tp]
    finally:
        await leave(consumer)
