"""The lane without a broker: its parts wired as the app wires them, each part scripted to fail where a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from faust.types import TP

from schemas.publish import Record
from streams.lane.batch import Batch, Positions
from streams.lane.committer import Committer
from streams.lane.durability import Copy, Durability, Mark, MemoryDurability
from streams.lane.folding import Folding
from streams.lane.lease import Lease
from streams.lane.ledger import Ledger
from streams.lane.outputs import Outputs
from streams.lane.progress import Progress
from streams.lane.table import Table
from tests.lane.tally import Tally, TallyFolder, tally_table

SOURCE = "src"
EPOCH = 7


class Ended(BaseException):
    """The process would have ended here; a BaseException, so that no handler mistakes it for an ordinary failure."""


def end(reason: str) -> NoReturn:
    raise Ended(reason)


@dataclass(slots=True)
class Clock:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class FetchedRecord:
    """What aiokafka's fetched records have, as far as the lane reads them."""

    offset: int
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 1_700_000_000_000


@dataclass(slots=True)
class Log:
    """A publisher that a test can hold up or let fail, and that notes the order of all steps."""

    steps: list[str]
    records: list[Record] = field(default_factory=list)
    failure: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    takes_s: float = 0.0

    async def publish(self, records: Sequence[Record]) -> None:
        await self.gate.wait()
        await asyncio.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        self.records += records
        self.steps.append("outputs")

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class ScriptedDurability:
    """Durability in memory that fails when told to."""

    steps: list[str]
    kept: MemoryDurability = field(default_factory=MemoryDurability)
    failure: Exception | None = None

    async def write(self, copy: Copy) -> None:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        await self.kept.write(copy)
        self.steps.append("values")

    async def recover(self, tp: TP, table: Table[Any] | None) -> Mark | None:
        return await self.kept.recover(tp, table)

    def drop(self, partition: int, table: Table[Any]) -> None:
        self.kept.drop(partition, table)


class Bench:
    """One partition's lane, folding tallies."""

    def __init__(self, durability: Durability | None = None, session_s: float = 10.0, slice_s: float = 0.008) -> None:
        self.steps: list[str] = []
        self.clock = Clock()
        self.lease = Lease(session_s, end, self.clock)
        self.lease.renew(self.clock.now)
        self.ledger = Ledger()
        self.log = Log(self.steps)
        self.log.gate.set()
        self.scripted = ScriptedDurability(self.steps)
        self.durability: Durability = durability or self.scripted
        self.progress = Progress()
        self.offsets: dict[TP, int] = {}
        self.refuse_offsets: Exception | None = None
        self.outputs = Outputs(self.log, self.lease, end)
        self.table = tally_table()
        self.folder = TallyFolder(self.table, "out", self.outputs.send)
        self.folding = Folding(
            ledger=self.ledger, outputs=self.outputs, positions=Positions(EPOCH, from_header=False),
            progress=self.progress, end=end, slice_s=slice_s,
        )  # fmt: skip
        self.committer = Committer(
            epoch=EPOCH, tables={SOURCE: self.table}, ledger=self.ledger, outputs=self.outputs, durability=self.durability,
            commit_offset=self._commit_offset, lease=self.lease, delivery_s=self.lease.delivery_s, progress=self.progress, end=end,
        )  # fmt: skip

    async def _commit_offset(self, copy: Copy) -> None:
        if self.refuse_offsets is not None:
            raise self.refuse_offsets
        self.offsets[copy.tp] = copy.next_offset
        self.steps.append("offset")

    async def begin(self, partition: int = 0) -> None:
        """Begins reading from what is durable, as the app does."""
        tp = TP(SOURCE, partition)
        mark = await self.durability.recover(tp, self.table)
        self.ledger.begin(tp, mark.next_position if mark else 0, self.offsets.get(tp))

    def batch(self, numbers: Sequence[tuple[bytes, int]], first_offset: int = 0, partition: int = 0) -> Batch:
        records = [FetchedRecord(first_offset + i, partition, key, b"%d" % n) for i, (key, n) in enumerate(numbers)]
        return Batch(TP(SOURCE, partition), self.ledger.era, records)

    async def fold(self, numbers: Sequence[tuple[bytes, int]], first_offset: int = 0, partition: int = 0) -> None:
        await self.folding.run(self.batch(numbers, first_offset, partition), self.folder)

    def tallies(self) -> dict[bytes, tuple[int, int]]:
        return {key: (value.count, value.total) for part in self.table.partitions() for key, value in self.table.items(part)}

    def successor(self) -> Bench:
        """A new process that finds what this one made durable."""
        heir = Bench(self.durability)
        heir.offsets = dict(self.offsets)
        return heir

    def said(self) -> dict[bytes, bytes]:
        """Outputs in the log, by id; a repeated id must say the same."""
        found: dict[bytes, bytes] = {}
        for record in self.log.records:
            identity = dict(record.headers)["wst-id"]
            assert record.value is not None
            assert found.setdefault(identity, record.value) == record.value
        return found


__all__ = ["EPOCH", "SOURCE", "Bench", "Clock", "Ended", "Tally", "end"]
