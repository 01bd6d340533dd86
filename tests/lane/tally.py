"""A fold small enough to be sure of: counts and sums per key, one output a record, guarded by position."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from schemas.publish import Record
from streams.lane import Input, Table

_TALLY = struct.Struct("<qqqq")


@dataclass(slots=True)
class Tally:
    """Count and sum of a key's numbers, and the position of the last one folded."""

    count: int = 0
    total: int = 0
    epoch: int = -1
    offset: int = -1

    def dumps(self) -> bytes:
        return _TALLY.pack(self.count, self.total, self.epoch, self.offset)

    @classmethod
    def loads(cls, data: bytes) -> Tally:
        return cls(*_TALLY.unpack(data))


def tally_table(name: str = "tally", hot_keys: int = 4_096) -> Table[Tally]:
    return Table(name, Tally.dumps, Tally.loads, hot_keys)


def output(topic: str, key: bytes, tally: Tally) -> Record:
    """What a tally says after each number; the id is the same whenever it says it."""
    said = b"%d %d" % (tally.count, tally.total)
    # The present: a broker deletes what is older than its retention, however lately it was written.
    return Record(topic, key, said, (("wst-id", key + b"." + b"%d" % tally.count),), int(time.time() * 1000))


@dataclass(slots=True)
class TallyFolder:
    """Folds numbers into tallies; `send` takes what follows."""

    table: Table[Tally]
    out: str
    send: Callable[[Record], None]
    slices: int = 0
    keys_of_slice: list[bytes] = field(default_factory=list)

    def begin(self, partition: int) -> None:
        """Nothing is kept beside the table."""

    def fold(self, record: Input) -> None:
        assert record.key is not None
        assert record.value is not None
        part = record.position.partition
        tally = self.table.get(part, record.key) or Tally()
        at = (record.position.epoch, record.position.offset)
        if at <= (tally.epoch, tally.offset):
            return
        tally.count += 1
        tally.total += int(record.value)
        tally.epoch, tally.offset = at
        self.table.put(part, record.key, tally)
        self.send(output(self.out, record.key, tally))
        self.keys_of_slice.append(record.key)

    def finish(self) -> None:
        self.slices += 1
        self.keys_of_slice.clear()


def reference(numbers: Iterable[tuple[bytes, int]]) -> tuple[dict[bytes, tuple[int, int]], dict[bytes, bytes]]:
    """Count and sum of every key, and every output by its id, of numbers folded once and in order."""
    tallies: dict[bytes, tuple[int, int]] = {}
    said: dict[bytes, bytes] = {}
    for key, number in numbers:
        count, total = tallies.get(key, (0, 0))
        tallies[key] = (count + 1, total + number)
        said[key + b"." + b"%d" % (count + 1)] = b"%d %d" % tallies[key]
    return tallies, said
