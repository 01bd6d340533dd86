"""The commit, one partition at a time: copy, await the outputs, write the copy, commit the offset.

The order is the whole point. An offset that is committed before its outputs or its values are durable loses them with
the process; values that are durable before their outputs make the successor skip the records that would cause them again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from faust.types import TP

from streams.lane.durability import Copy, Durability
from streams.lane.ending import End
from streams.lane.lease import Lease
from streams.lane.ledger import Ledger, Track
from streams.lane.outputs import Outputs, Sent
from streams.lane.progress import Progress
from streams.lane.table import Table

#: Stretch of encoding before other work gets its turn, s; as long as that took, where it took longer: else a copy of many values, at
#: whose end their partition's folding waits, would take a small part of the time only.
_TURN_S: Final = 0.008
_LONGEST_TURN_S: Final = 0.05

#: Commits a copy's offset on the broker; raises when the group refuses.
CommitOffset = Callable[[Copy], Awaitable[None]]


class Committer:
    """Commits what was folded; any failure ends the process, and its successor folds again.

    Args:
        tables: the table of each input topic that has one.
        delivery_s: longest that no output may be delivered; in a cluster what the lease allows a delivery.
    """

    def __init__(
        self,
        *,
        epoch: int,
        tables: Mapping[str, Table[Any]],
        ledger: Ledger,
        outputs: Outputs,
        durability: Durability,
        commit_offset: CommitOffset,
        lease: Lease,
        delivery_s: float,
        progress: Progress,
        end: End,
    ) -> None:
        self._epoch = epoch
        self._tables = tables
        self._ledger = ledger
        self._outputs = outputs
        self._durability = durability
        self._commit_offset = commit_offset
        self._lease = lease
        self.delivery_s = delivery_s
        self._progress = progress
        self._end = end
        self._one_at_a_time = asyncio.Lock()

    async def commit(self) -> bool:
        """Commits every partition that has come further; says whether any had."""
        async with self._one_at_a_time:
            return await self._commit_all()

    async def finish(self) -> None:
        """Commits once more and ends the reading: from here on nothing is folded and nothing written.

        A commit that began after a partition was given away would write between its new owner's values, with the lease
        in order.
        """
        async with self._one_at_a_time:
            await self._commit_all()
            self._ledger.forget()

    async def _commit_all(self) -> bool:
        return any([await self._commit_partition(tp) for tp in self._ledger.partitions()])

    async def _commit_partition(self, tp: TP) -> bool:
        track = self._ledger.get(tp)
        if track is None or not track.uncommitted:
            return False
        started = time.perf_counter()
        try:
            copy, caused = await self._copy(tp, track)
            await self._settle(tp, caused)
            self._lease.check()
            await self._durability.write(copy)
            await self._commit_offset(copy)
        except Exception as error:
            self._end(f"the commit of {tp.topic}/{tp.partition} failed: {type(error).__name__}: {error}")
        # Only now is anything forgotten: up to here a failure leaves the successor all of it.
        if (table := self._tables.get(tp.topic)) is not None:
            table.confirm(tp.partition, dict(copy.values))
        track.committed_offset = copy.next_offset
        self._progress.committed(tp, copy.next_offset, len(copy.values), time.perf_counter() - started)
        return True

    async def _copy(self, tp: TP, track: Track) -> tuple[Copy, list[Sent]]:
        """Copies a partition between two slices; holds back its folding, not the rest of the worker."""
        async with track.folding:
            table = self._tables.get(tp.topic)
            values: dict[bytes, bytes] = {}
            turn_ends = time.perf_counter() + _TURN_S
            for key in [] if table is None else table.dirty(tp.partition):
                values[key] = table.take(tp.partition, key)  # type: ignore[union-attr]  # without a table there is no key
                if (now := time.perf_counter()) > turn_ends:
                    await asyncio.sleep(0)
                    begins = time.perf_counter()
                    turn_ends = begins + min(max(begins - now, _TURN_S), _LONGEST_TURN_S)
            copy = Copy(tp, table.name if table else "", values, self._epoch, track.next_position, track.next_offset or 0)
            return copy, list(self._outputs.unsettled(tp))

    async def _settle(self, tp: TP, caused: list[Sent]) -> None:
        """Awaits every output caused up to the copy, for as long as the log takes some: who ended at a slow log would begin again there."""
        late = set(caused)
        while late:
            before = self._outputs.sent_records
            late = (await asyncio.wait(late, timeout=self.delivery_s))[1]
            if late and self._outputs.sent_records == before:
                raise TimeoutError(f"no output was delivered for {self.delivery_s:g} s")
        for sent in caused:
            sent.result()
