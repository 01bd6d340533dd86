"""A transaction of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; durable when it is left.

    Raises:
        sqlite3.Error: it was not taken, for the reason that SQLite gave first.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # What a full disk refuses SQLite has rolled back itself: https://www.sqlite.org/lang_transaction.html
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
