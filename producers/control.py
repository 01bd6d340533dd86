"""Requests to a producer: `workspace.control`, read from its beginning, from the journal or from Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Protocol

from producers.calls import backoff_s
from producers.engine_json import Json
from schemas.codec import Undecodable, codec
from schemas.journal import Journal
from schemas.requests import control_record
from schemas.topics import WORKSPACE_CONTROL

__all__ = ["Control", "JournalControl", "KafkaControl", "NoControl", "control_record"]

_log: Final = logging.getLogger("wst.producer")

_LOOK_EVERY_S: Final = 0.1
_PAGE: Final = 500


class Control(Protocol):
    """The topic as a stream."""

    def read(self) -> AsyncIterator[Json | None]:
        """All control records from the first on, for ever; None once, when what was there at the start is read."""


class NoControl:
    """Nobody asks: a recording that is made or played."""

    async def read(self) -> AsyncIterator[Json | None]:
        """Nothing, for ever."""
        yield None
        await asyncio.Event().wait()


class JournalControl:
    """Reads the shared journal of an embedded tree.

    Args:
        path: the journal's file.
    """

    def __init__(self, path: Path, partitions: int, prefix: str) -> None:
        self._journal = Journal(path, partitions)
        self._topic = WORKSPACE_CONTROL.full(prefix)

    async def read(self) -> AsyncIterator[Json | None]:
        """All control records, then None, then what comes."""
        after = [0] * self._journal.partitions
        version = -1
        began = False
        while True:
            newest = self._journal.data_version()
            if newest != version:
                version = newest
                for value in self._news(after):
                    if (record := _decoded(value)) is not None:
                        yield record
            if not began:
                began = True
                yield None
            await asyncio.sleep(_LOOK_EVERY_S)

    def _news(self, after: list[int]) -> list[bytes | None]:
        values: list[bytes | None] = []
        for partition in range(len(after)):
            while entries := self._journal.read_partition(self._topic, partition, after[partition], _PAGE):
                values.extend(entry.record.value for entry in entries)
                after[partition] = entries[-1].seq
        return values


class KafkaControl:
    """Reads the topic from Kafka, without a group: every producer reads all of it.

    Args:
        client: arguments of aiokafka's clients.
    """

    def __init__(self, client: dict[str, Any], prefix: str) -> None:
        self._client = client
        self._topic = WORKSPACE_CONTROL.full(prefix)

    async def read(self) -> AsyncIterator[Json | None]:
        """All control records, then None, then what comes; a broker that is away is waited for."""
        from aiokafka.errors import KafkaError

        attempt = 0
        while True:
            try:
                async for record in self._read_once():
                    attempt = 0
                    yield record
            except (KafkaError, OSError) as error:
                if attempt == 0:
                    _log.warning("requests to this producer cannot be read (%r): waiting for the broker", error)
                attempt += 1
                await asyncio.sleep(backoff_s(attempt))

    async def _read_once(self) -> AsyncIterator[Json | None]:
        from aiokafka import AIOKafkaConsumer

        consumer = AIOKafkaConsumer(**self._client, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=500)
        try:
            await consumer.start()
            while self._topic not in await consumer.topics():  # noqa: ASYNC110  # it may be made later
                await asyncio.sleep(1)
            # Without a group a subscription is all partitions; a client knows those of topics it subscribes to, and no others.
            consumer.subscribe([self._topic])
            while not (partitions := sorted(consumer.assignment())):  # noqa: ASYNC110  # aiokafka tells nobody
                await asyncio.sleep(0.05)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            began = False
            while True:
                if not began and all([await consumer.position(part) >= ends[part] for part in partitions]):
                    began = True
                    yield None
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    for message in messages:
                        if (record := _decoded(message.value)) is not None:
                            yield record
        finally:
            await consumer.stop()


def _decoded(value: bytes | None) -> Json | None:
    """The record; what cannot be read is the API's or a stranger's fault and asks nothing of us."""
    if value is None:
        return None
    try:
        return codec("control").decode(value)
    except Undecodable as error:
        _log.warning("a control record cannot be read: %s", error.reason)
        return None
