"""The tight loop: folds a batch in slices short enough for everything else that shares the event loop.

A slice is folded without a pause and handed over whole: values, outputs and progress move together. That is why any
moment between two slices is a moment to commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Final, Protocol

from faust.types import TP

from streams.lane.batch import Batch, Input, Positions
from streams.lane.ending import End
from streams.lane.ledger import Ledger, Track
from streams.lane.outputs import Outputs
from streams.lane.progress import Progress

#: Longest slice: how long a fold may hold the event loop, s.
SLICE_S: Final = 0.008


class Folder(Protocol):
    """What an agent does; no method waits, and none raises for an input's fault."""

    def begin(self, partition: int) -> None:
        """Reading of a partition begins: its table is as the last commit left it."""

    def fold(self, record: Input) -> None:
        """Folds one record into its table and sends what follows from it."""

    def finish(self) -> None:
        """A slice ends: sends what is said once for all of it."""


class Folding:
    """Feeds batches to folders; whatever a folder raises ends the process."""

    def __init__(
        self, *, ledger: Ledger, outputs: Outputs, positions: Positions, progress: Progress, end: End, slice_s: float = SLICE_S
    ) -> None:
        self._ledger = ledger
        self._outputs = outputs
        self._positions = positions
        self._progress = progress
        self._end = end
        self._slice_s = slice_s

    async def run(self, batch: Batch, folder: Folder) -> None:
        """Folds a batch; one of an earlier era is left, for it is read again."""
        track = self._ledger.get(batch.tp)
        inputs = self._positions.inputs(batch)
        more = True
        try:
            while more and track is not None:
                async with track.folding:
                    if batch.era != self._ledger.era:
                        return
                    more = self._slice(batch.tp, track, inputs, folder)
                await self._outputs.room()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise  # between two slices: what is folded is whole
        except Exception as error:
            where = f"{batch.tp.topic}/{batch.tp.partition} at {track.next_offset if track else '?'}"
            self._end(f"folding {where} failed: {type(error).__name__}: {error}")

    def _slice(self, tp: TP, track: Track, inputs: Iterator[tuple[int, Input]], folder: Folder) -> bool:
        started = time.perf_counter()
        ends = started + self._slice_s
        folded = skipped = newest_ms = 0
        more = False
        for offset, record in inputs:
            if track.next_offset is not None and offset < track.next_offset:
                continue  # fetched twice
            if record.position.offset < track.floor:
                skipped += 1
            else:
                folder.fold(record)
                folded += 1
                newest_ms = record.timestamp_ms
                track.next_position = record.position.offset + 1
            track.next_offset = offset + 1
            if time.perf_counter() >= ends:
                more = True
                break
        folder.finish()
        self._outputs.flush(tp)
        self._progress.folded(tp, folded, skipped, time.perf_counter() - started)
        if folded:
            self._progress.reached(tp, newest_ms)
        return more
