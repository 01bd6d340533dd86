"""Follows `workspace.state` in a cluster, where states are folded by many workers and a listing concerns them all."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from schemas.codec import Undecodable
from schemas.kafka import client_arguments, leave
from schemas.settings import Settings
from streams.core.invalid import InvalidMessage
from streams.lane.ending import End
from streams.query.state_view import StateView

_POLL_MS: Final = 1_000

log = logging.getLogger("wst.state_follower")


class StateFollower:
    """Keeps a view at the end of `workspace.state`; reads the compacted topic from its start.

    Args:
        end: told why when the view cannot be kept: listings must not be compared with what stands still.
    """

    def __init__(self, settings: Settings, view: StateView, end: End) -> None:
        self._settings = settings
        self._view = view
        self._end = end
        self._following: asyncio.Task[None] | None = None
        self.refused = 0
        """Records that are no state: the sink puts them to the dead letters."""

    async def start(self) -> None:
        """Returns when the view has caught up with what the topic held; follows from then on."""
        consumer = AIOKafkaConsumer(**client_arguments(self._settings), auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        topic = topics.WORKSPACE_STATE.full(self._settings.topic_prefix)
        partitions = [TopicPartition(topic, number) for number in range(self._settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for tp in partitions:
            while await consumer.position(tp) < ends[tp]:
                await self._take(consumer)
        self._following = asyncio.create_task(self._follow(consumer), name="state-follower")

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                await self._take(consumer)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._end(f"states are not followed any more: {type(error).__name__}: {error}")
        finally:
            await leave(consumer)

    async def _take(self, consumer: AIOKafkaConsumer) -> None:
        for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                try:
                    self._view.apply_message(record.key, record.value, record.headers)
                except (Undecodable, InvalidMessage) as error:
                    self.refused += 1
                    log.warning("%s/%d at %d is no state: %s", record.topic, record.partition, record.offset, error)
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Stops following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
