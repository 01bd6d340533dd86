"""A log that is folded as soon as it is written to, by the real agent, into the live view of an API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from schemas.publish import Record
from schemas.topics import DOCKER_EVENTS
from streams.agents import StateAgent, Writer
from streams.api.live import Live
from streams.core.facts import Position
from streams.dead_letters import DeadLetters
from streams.lane import Input
from streams.topology import workspaces_table


class FoldingLog:
    """Takes records as a publisher and folds the facts; what follows reaches the live view.

    Attributes:
        records: all that was published.
        shown: all that followed.
        folds: False: as if no worker ran.
    """

    def __init__(self, live: Live, *, folds: bool = True) -> None:
        self.records: list[Record] = []
        self.shown: list[Record] = []
        self.folds = folds
        self._live = live
        self._sent: list[Record] = []
        refused = DeadLetters("state", "wst.", self._sent.append)
        self._agent = StateAgent(workspaces_table(), Writer("wst.", self._sent.append, refused), refused)
        self._agent.begin(0)

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            self.records.append(record)
            if self.folds and record.topic == DOCKER_EVENTS.full("wst."):
                at = Position(0, 0, len(self.records))
                self._agent.fold(Input(record.topic, at, record.key, record.value, record.headers, record.timestamp_ms))
        self._agent.finish()
        sent, self._sent[:] = list(self._sent), []
        for number, record in enumerate(sent):
            asyncio.get_running_loop().call_soon(self._show, record, len(self.records) * 100 + number)

    def _show(self, record: Record, offset: int) -> None:
        self.shown.append(record)
        message: Any = SimpleNamespace(**record._asdict(), partition=0, offset=offset, timestamp=record.timestamp_ms)
        self._live._take[record.topic](message)

    async def close(self) -> None:
        """Nothing to let go of."""
