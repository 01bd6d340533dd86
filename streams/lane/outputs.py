"""Outputs: handed over as soon as a slice is folded, sent in order, remembered by the input partition that caused them."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from faust.types import TP

from schemas.publish import Publisher, Record
from streams.lane.ending import End
from streams.lane.lease import Lease

#: Bytes that may wait for the log before folding pauses.
MAX_WAITING_BYTES: Final = 8 << 20
#: A send that takes longer has folding pause until it is done: on a busy machine each slice would take the processor from it, s.
_LONG_S: Final = 0.25
#: Bytes sent at once at most.
_MAX_SEND_BYTES: Final = 1 << 20
#: What a record costs beside its key and value: headers and framing, bytes.
_RECORD_OVERHEAD_BYTES: Final = 160

Sent = asyncio.Future[None]


class Outputs:
    """Sends records in the order they were given; a failure to send ends the process.

    One publish is under way at a time and takes along whatever has gathered meanwhile: order needs no further care,
    and a slow log makes larger sends instead of more of them.
    """

    def __init__(self, publisher: Publisher, lease: Lease, end: End) -> None:
        self._publisher = publisher
        self._lease = lease
        self._end = end
        self._slice: list[Record] = []
        self._queue: deque[tuple[list[Record], int, Sent]] = deque()
        self._unsettled: defaultdict[TP, set[Sent]] = defaultdict(set)
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._sending_since: float | None = None
        self._sent = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self.sent_records = 0

    def send(self, record: Record) -> None:
        """Takes an output of the slice that is being folded; a slice is never interrupted, so it is the caller's."""
        self._slice.append(record)

    def flush(self, tp: TP) -> None:
        """The slice is folded: what it caused is on its way, on account of its partition."""
        if not self._slice:
            return
        records, self._slice = self._slice, []
        size = sum([len(record.key or b"") + len(record.value or b"") for record in records]) + _RECORD_OVERHEAD_BYTES * len(records)
        sent: Sent = asyncio.get_running_loop().create_future()
        unsettled = self._unsettled[tp]
        unsettled.add(sent)
        sent.add_done_callback(unsettled.discard)
        self._queue.append((records, size, sent))
        self._waiting_bytes += size
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._drained.clear()
        self._wake.set()
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="lane-outputs")

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the log."""
        return self._waiting_bytes

    async def room(self) -> None:
        """Waits while too much waits for the log, or a send takes long."""
        await self._drained.wait()
        if self._sending_since is not None and self._lease.clock() - self._sending_since > _LONG_S:
            await self._sent.wait()

    def unsettled(self, tp: TP) -> Sequence[Sent]:
        """What a partition has caused so far and the log has not confirmed."""
        return tuple(self._unsettled[tp])

    async def _send_all(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._send_some()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._end(f"outputs could not be sent: {type(error).__name__}: {error}")

    async def _send_some(self) -> None:
        records: list[Record] = []
        settled: list[Sent] = []
        size = 0
        while self._queue and (not records or size + self._queue[0][1] <= _MAX_SEND_BYTES):
            more, more_bytes, sent = self._queue.popleft()
            records += more
            size += more_bytes
            settled.append(sent)
        self._lease.check()
        self._sending_since = self._lease.clock()
        self._sent.clear()
        await self._publisher.publish(records)
        self._sending_since = None
        self._sent.set()
        self.sent_records += len(records)
        self._waiting_bytes -= size
        if self._waiting_bytes <= MAX_WAITING_BYTES:
            self._drained.set()
        for sent in settled:
            sent.set_result(None)

    async def close(self) -> None:
        """Stops sending; what is unsettled is sent again by whoever folds it again."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
