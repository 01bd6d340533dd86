"""What an HTTP request asks of ClickHouse: the statement, its data, and the format of the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

# `INSERT INTO target FORMAT name`, then data: what a driver's insert looks like, data being anything.
_INSERT = re.compile(
    rb"\s*(?P<into>INSERT\s+INTO\s+(?:TABLE\s+)?[^;]+?)"
    rb"(?P<settings>\s+SETTINGS\s+[^;]+?)?\s+FORMAT\s+(?P<format>[A-Za-z]\w*)[ \t]*;?(?:\r?\n|[ ]|$)",
    re.IGNORECASE | re.DOTALL,
)
_VALUES_OR_SELECT = re.compile(rb"\b(VALUES|SELECT|WITH)\b", re.IGNORECASE)
_ANSWERS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN|CHECK|VALUES)\b",
    re.IGNORECASE | re.DOTALL,
)
_TRAILING_FORMAT = re.compile(r"\bFORMAT\s+(\w+)(?:\s+SETTINGS\s+[^;]+)?\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Insert:
    """An insert whose data came with the request."""

    into: str
    settings: str
    format: str
    data: bytes

    def from_file(self, path: str) -> str:
        """Return the statement that inserts the data from a file, which takes bytes of any kind."""
        return f"{self.into} FROM INFILE '{path}' COMPRESSION 'none'{self.settings} FORMAT {self.format}"


@dataclass(frozen=True, slots=True)
class Statement:
    """Any other statement; `answer_format` is None where it answers nothing."""

    sql: str
    answer_format: str | None


def parse(query: bytes, body: bytes, default_format: str) -> Insert | Statement:
    """Join a request's `query` parameter and body as ClickHouse does, and say what they ask for."""
    text = query + b"\n" + body if query else body
    insert = _INSERT.match(text)
    if insert is not None and not _VALUES_OR_SELECT.search(insert["into"]):
        return Insert(
            into=insert["into"].decode(),
            settings=(insert["settings"] or b"").decode(),
            format=insert["format"].decode(),
            data=text[insert.end() :],
        )
    sql = text.decode()
    if not _ANSWERS.match(sql):
        return Statement(sql, None)
    trailing = _TRAILING_FORMAT.search(sql)
    return Statement(sql, trailing[1] if trailing else default_format)
