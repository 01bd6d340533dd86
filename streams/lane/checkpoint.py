"""Durability in an embedded tree: dirty values and position of a commit in one SQLite transaction."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from faust.types import TP

from schemas.errors import WstError
from schemas.journal import LONGEST_VALUE
from schemas.transaction import transaction
from streams.lane.durability import Copy, Mark
from streams.lane.table import Table

T = TypeVar("T")

_FORMAT: Final = 1
_LOCK_WAIT_S: Final = 5.0
_DDL: Final = """
CREATE TABLE IF NOT EXISTS state (
    table_name TEXT, partition INTEGER, key BLOB, value BLOB NOT NULL, PRIMARY KEY (table_name, partition, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
    topic TEXT, partition INTEGER, epoch INTEGER NOT NULL, next_position INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
"""


class Checkpoint:
    """One app's checkpoint file; its calls run in a thread of their own, in order.

    Args:
        path: the file, made when missing.

    Raises:
        WstError: it cannot be opened, another process holds it, or a newer wst wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _hold(path.with_suffix(".lock"))
            self._db = sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
            # A killed process loses nothing so; a power cut may lose the last moments, never the file's consistency.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            known = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if known > _FORMAT:
                raise WstError(f"the checkpoint {path} is of a newer wst (format {known})", "upgrade wst")
            self._db.executescript(f"{_DDL} PRAGMA user_version = {_FORMAT};")
        except (sqlite3.Error, OSError) as error:
            raise WstError(
                f"the checkpoint {path} cannot be opened ({error})", "is the disk full, or the file another program's?"
            ) from error

    async def write(self, copy: Copy) -> None:
        """Writes a copy in one transaction."""
        await self._in_thread(lambda: self._write(copy))

    def _write(self, copy: Copy) -> None:
        part = copy.tp.partition
        with transaction(self._db):
            rows = ((copy.table, part, key, value) for key, value in copy.values.items())
            self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", (copy.tp.topic, part, copy.epoch, copy.next_position))

    async def recover(self, tp: TP, table: Table[Any] | None) -> Mark | None:
        """Fills the table's partition anew from the file."""
        name = "" if table is None else table.name
        rows, mark = await self._in_thread(lambda: self._read(tp, name))
        if table is not None:
            table.drop(tp.partition)
            table.restore(tp.partition, rows)
        return mark

    def drop(self, partition: int, table: Table[Any]) -> None:
        """Empties the table's partition in memory."""
        table.drop(partition)

    def _read(self, tp: TP, table: str) -> tuple[list[tuple[bytes, bytes]], Mark | None]:
        rows = self._db.execute("SELECT key, value FROM state WHERE table_name = ? AND partition = ?", (table, tp.partition)).fetchall()
        found = self._db.execute("SELECT epoch, next_position FROM marks WHERE topic = ? AND partition = ?", tp).fetchone()
        return rows, Mark(*found) if found else None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        """Closes the file after what is under way."""
        self._thread.shutdown(wait=True)
        self._db.close()
        self._lock.close()


def _hold(path: Path) -> IO[str]:
    """Takes the lock that makes this process the only writer; it ends with the process, however that ends."""
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise WstError(f"another worker holds {path}", "is one of an earlier `wst up` still running?") from None
    return lock
