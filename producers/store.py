"""What a producer remembers over restarts: `producer.sqlite` and the key of its hashes, in the data directory.

Engine ids and names, the clock's generation, the last raw events: enough to resume without inventing anything.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

from producers.clock import EngineClock
from schemas.alive import say_alive
from schemas.errors import Refused, WstError

_DDL: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS engines (url TEXT PRIMARY KEY, engine_id TEXT NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clocks (engine_id TEXT PRIMARY KEY, generation INTEGER NOT NULL, highest_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heard (engine_id TEXT PRIMARY KEY, last_event_ns INTEGER, identities TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """One producer's memory; the lock keeps a second producer out of the same data directory.

    Args:
        folder: the data directory, made when missing.

    Raises:
        Refused: another producer uses the directory.
        WstError: it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = folder
            self._lock = _locked(folder / "producer.lock")
            self._db = sqlite3.connect(folder / "producer.sqlite", isolation_level=None)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _DDL)
            self._key = _key(folder / "exec.key")
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('producer_id', ?)", (secrets.token_hex(8),))
        except (OSError, sqlite3.Error) as error:
            raise WstError(f"the data directory {folder} cannot be used ({error})", "set WST_DATA_DIR to a writable one") from error

    @property
    def producer_id(self) -> str:
        """This producer's id, for as long as the data directory lives."""
        return str(self._db.execute("SELECT value FROM meta WHERE name = 'producer_id'").fetchone()[0])

    def say_alive(self) -> None:
        """Says that the producer has just come round with its work."""
        say_alive(self._folder, "producer")

    def hash_command(self, command: str) -> str:
        """Keyed hash of a command line: tells two apart, tells nobody without the key what they were."""
        return blake2b(command.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).hexdigest()

    def engine(self, url: str) -> tuple[str, str] | None:
        """Id and name last used for an engine."""
        row = self._db.execute("SELECT engine_id, name FROM engines WHERE url = ?", (url,)).fetchone()
        return (row[0], row[1]) if row else None

    def remember_engine(self, url: str, engine_id: str, name: str) -> None:
        """Keeps an engine's id and name."""
        self._write("INSERT OR REPLACE INTO engines VALUES (?, ?, ?)", url, engine_id, name)

    def clock(self, engine_id: str) -> EngineClock:
        """The engine's clock as last remembered."""
        row = self._db.execute("SELECT generation, highest_ns FROM clocks WHERE engine_id = ?", (engine_id,)).fetchone()
        return EngineClock(*row) if row else EngineClock()

    def remember_clock(self, engine_id: str, clock: EngineClock) -> None:
        """Keeps generation and highest time."""
        self._write("INSERT OR REPLACE INTO clocks VALUES (?, ?, ?)", engine_id, clock.generation, clock.highest_ns)

    def heard(self, engine_id: str) -> tuple[int | None, list[str]]:
        """Time of the last event heard (engine's clock, ns) and identities of the last raw events, oldest first."""
        row = self._db.execute("SELECT last_event_ns, identities FROM heard WHERE engine_id = ?", (engine_id,)).fetchone()
        return (row[0], row[1].split()) if row else (None, [])

    def remember_heard(self, engine_id: str, last_event_ns: int | None, identities: list[str]) -> None:
        """Keeps where the event stream was."""
        self._write("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", engine_id, last_event_ns, " ".join(identities))

    def watched_since(self, engine_id: str) -> int | None:
        """Since when events were heard without a gap, engine's clock, ns since the Unix epoch."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (f"watched_since.{engine_id}",)).fetchone()
        return int(row[0]) if row else None

    def remember_watched_since(self, engine_id: str, since_ns: int) -> None:
        """Keeps the begin of the present watch."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", f"watched_since.{engine_id}", str(since_ns))

    def _write(self, sql: str, *values: object) -> None:
        try:
            self._db.execute(sql, values)
        except sqlite3.OperationalError as error:
            raise WstError(f"the data directory {self._folder} takes nothing ({error})", "is the disk full?") from error

    def close(self) -> None:
        """Lets the next producer in."""
        self._db.close()
        self._lock.close()


def _locked(path: Path) -> IO[str]:
    lock = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Refused(f"another producer uses the data directory {path.parent}", "stop it, or set WST_DATA_DIR") from None
    return lock


def _key(path: Path) -> bytes:
    """The key of the hashes, made once, for its owner's eyes only."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as out:
        out.write(key := secrets.token_bytes(32))
        out.flush()
        os.fsync(out.fileno())
    return key
