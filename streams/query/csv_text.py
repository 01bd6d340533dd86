"""CSV that a spreadsheet does not obey: what could begin a formula there begins with an apostrophe here. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

#: https://owasp.org/www-community/attacks/CSV_Injection: also what some programs strip, and full-width forms of the same signs.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", "|", "%")


def safe(value: Any) -> Any:
    """A value as a cell: numbers as they are, nothing for None, texts that no program takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return f"'{text}" if text.lstrip(" \u00a0\u200b\ufeff").startswith(_FORMULA) else text


def csv_text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a line of names; lines end as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe(name) for name in names])
    writer.writerows([safe(value) for value in row] for row in rows)
    return out.getvalue()
