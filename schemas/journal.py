"""The journal: an SQLite file that records what is published before any broker has it.

A producer's outbox in a cluster, the whole log of an embedded tree (`wst up`), where its row numbers are the
offsets. Several processes may append at once: SQLite's write lock gives them one order. Synchronous NORMAL in
WAL mode survives the death of any process; a power cut may take the last moments.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

from schemas.errors import WstError
from schemas.publish import Record, partition_of
from schemas.transaction import transaction

#: How long an append waits for another process's append, s.
_LOCK_WAIT_S: Final = 20.0
_FORMAT: Final = 1
#: Far more than any record: a damaged file may claim that one has a gigabyte, and the memory for it would be taken.
LONGEST_VALUE: Final = 64 << 20
#: More than could ever wait for the disk when the power goes.
_LEAP: Final = 1_000_000
_DDL: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB NOT NULL,
    timestamp_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_partition ON records (topic, partition, seq);
CREATE TABLE IF NOT EXISTS cursors (
    consumer TEXT, topic TEXT, partition INTEGER, next_seq INTEGER NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in the journal.

    Attributes:
        seq: its number, ever rising, never used again.
        partition: partition its key belongs to.
    """

    seq: int
    partition: int
    record: Record


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a consumer has durably come in one partition: a lower bound."""

    consumer: str
    topic: str
    partition: int
    next_seq: int


class Journal:
    """One process's hold of a journal file; not for several threads at once.

    Args:
        path: the file, made when missing.
        partitions: partition count of every topic; remembered, and refused when another is given later.

    Raises:
        WstError: no journal, of a younger version, or with another partition count.
    """

    def __init__(self, path: Path, partitions: int) -> None:
        self.path = path
        self.partitions = partitions
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
            self._open()
        except (sqlite3.Error, OSError) as error:
            raise WstError(f"the journal {path} cannot be opened ({error})", "is the disk full, or the file another program's?") from error

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        with transaction(self._db):
            for statement in _DDL.split(";"):
                self._db.execute(statement)
            meta = (("format", _FORMAT), ("partitions", self.partitions), ("epoch", int(time.time())))
            self._db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", meta)
            self._leap_over_a_power_cut()
        known = dict(self._db.execute("SELECT name, value FROM meta"))
        if known["format"] > _FORMAT:
            raise WstError(f"the journal {self.path} is of a newer wst (format {known['format']})", "upgrade wst")
        if known["partitions"] != self.partitions:
            raise WstError(
                f"the journal {self.path} has {known['partitions']} partitions, WST_PARTITIONS says {self.partitions}",
                f"set WST_PARTITIONS={known['partitions']}",
            )
        self.epoch: int = known["epoch"]

    def _leap_over_a_power_cut(self) -> None:
        """After a boot of the machine the numbers go on a good way further.

        A power cut may have taken the last records, while a reader's own store kept how far it was: given again,
        their numbers would be skipped there as known.
        """
        boot = _boot()
        known = self._db.execute("SELECT value FROM meta WHERE name = 'boot'").fetchone()
        if known != (boot,):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (boot,))
            self._db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'records'", (_LEAP,))

    def append(self, records: Sequence[Record]) -> int:
        """Appends records in one transaction and returns the number of the last; durable on return.

        Raises:
            WstError: the disk is full or the file is gone; nothing of the batch was taken.
        """
        rows = [(r.topic, partition_of(r.key, self.partitions), r.key, r.value, _pack_headers(r.headers), r.timestamp_ms) for r in records]
        try:
            with transaction(self._db):
                self._db.executemany(
                    "INSERT INTO records (topic, partition, key, value, headers, timestamp_ms) VALUES (?, ?, ?, ?, ?, ?)", rows
                )
                last = self.last_seq()
        except sqlite3.Error as error:
            raise WstError(f"the journal {self.path} takes no record ({error})", "is the disk full?") from error
        return last

    def read(self, after: int, limit: int) -> list[Entry]:
        """Up to `limit` records of all topics with a number above `after`, in order."""
        rows = self._db.execute(
            "SELECT seq, topic, partition, key, value, headers, timestamp_ms FROM records WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, limit),
        )
        return [_entry(*row) for row in rows]

    def read_partition(self, topic: str, partition: int, after: int, limit: int) -> list[Entry]:
        """Up to `limit` records of one partition with a number above `after`, in order."""
        rows = self._db.execute(
            "SELECT seq, topic, partition, key, value, headers, timestamp_ms FROM records"
            " WHERE topic = ? AND partition = ? AND seq > ? ORDER BY seq LIMIT ?",
            (topic, partition, after, limit),
        )
        return [_entry(*row) for row in rows]

    def last_seq(self) -> int:
        """Number of the last record ever appended; 0 before the first."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return int(row[0]) if row else 0

    def last_seq_of(self, topic: str, partition: int) -> int:
        """Number of the last record that a partition has; 0 without one."""
        row = self._db.execute("SELECT max(seq) FROM records WHERE topic = ? AND partition = ?", (topic, partition)).fetchone()
        return int(row[0] or 0)

    def data_version(self) -> int:
        """Changes whenever another process has changed the file: a cheap look for news."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def set_cursor(self, consumer: str, topic: str, partition: int, next_seq: int) -> None:
        """Remembers how far a consumer has come, after its own durable commit."""
        self._db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?)", (consumer, topic, partition, next_seq))

    def cursors(self) -> list[Cursor]:
        """All cursors."""
        return [Cursor(*row) for row in self._db.execute("SELECT consumer, topic, partition, next_seq FROM cursors")]

    def forget_cursors(self, consumer: str) -> None:
        """Sends a consumer back to the beginning: its own store is gone."""
        self._db.execute("DELETE FROM cursors WHERE consumer = ?", (consumer,))

    def prune(self, topic: str, partition: int, before_seq: int, before_ms: int, limit: int = 5_000) -> int:
        """Deletes up to `limit` records of a partition that lie below a number and are older than a time; returns how many."""
        done = self._db.execute(
            "DELETE FROM records WHERE seq IN (SELECT seq FROM records"
            " WHERE topic = ? AND partition = ? AND seq < ? AND timestamp_ms < ? ORDER BY seq LIMIT ?)",
            (topic, partition, before_seq, before_ms, limit),
        )
        if done.rowcount:
            self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, 1)", (f"pruned {topic}",))
        return done.rowcount

    def was_pruned(self, topic: str) -> bool:
        """Whether a topic has lost its beginning."""
        return self._db.execute("SELECT 1 FROM meta WHERE name = ?", (f"pruned {topic}",)).fetchone() is not None

    def keys(self, topic: str, partition: int, after: int, limit: int) -> list[tuple[int, bytes | None, int]]:
        """(number, key, time in ms) of records of one topic and partition after a number, in order."""
        return self._db.execute(
            "SELECT seq, key, timestamp_ms FROM records WHERE topic = ? AND partition = ? AND seq > ? ORDER BY seq LIMIT ?",
            (topic, partition, after, limit),
        ).fetchall()

    def delete(self, seqs: Sequence[int]) -> int:
        """Deletes these records; returns how many there were."""
        return self._db.execute("DELETE FROM records WHERE seq IN (SELECT value FROM json_each(?))", (json.dumps(seqs),)).rowcount

    def close(self) -> None:
        """Closes the file; what was appended stays."""
        self._db.close()


def _boot() -> int:
    """Says which boot of the machine this is; 0 where the system does not tell, so that no boot is taken for another."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return crc32(path.read_bytes()) if path.exists() else 0


def _entry(seq: int, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: bytes, timestamp_ms: int) -> Entry:
    return Entry(seq, partition, Record(topic, key, value, _unpack_headers(headers), timestamp_ms))


def _pack_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Name and value of each header, each behind its length (4 bytes, big-endian)."""
    parts = [part for name, value in headers for part in (name.encode(), value)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    parts: list[bytes] = []
    at = 0
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4], "big")
        parts.append(packed[at + 4 : at + 4 + size])
        at += 4 + size
    return tuple((name.decode(), value) for name, value in zip(parts[::2], parts[1::2], strict=True))
