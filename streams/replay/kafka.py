"""Reads a topic to its present end, for a command that has no loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from aiokafka.errors import KafkaError

from schemas.kafka import broker_away
from schemas.settings import Settings
from streams.log_epoch import read_epoch, read_to_end


def read_epoch_now(settings: Settings) -> int:
    """The log's epoch.

    Raises:
        Unreachable: no broker answers.
    """
    try:
        return asyncio.run(read_epoch(settings))
    except (KafkaError, OSError) as error:
        raise broker_away(settings, error) from error


def records_of(settings: Settings, topic: str) -> Iterator[Any]:
    """Every record a topic holds at present, in order per partition.

    Raises:
        Unreachable: no broker answers, or it went away.
    """
    with asyncio.Runner() as runner:
        records = read_to_end(settings, topic)
        try:
            while batch := runner.run(_some(records)):
                yield from batch
        except (KafkaError, OSError) as error:
            raise broker_away(settings, error) from error
        finally:
            runner.run(records.aclose())


async def _some(records: Any) -> list[Any]:
    """As many as a step into the loop is worth."""
    batch: list[Any] = []
    async for record in records:
        batch.append(record)
        if len(batch) >= 1_000:
            break
    return batch
