"""Instants in questions: RFC 3339, or how long ago."""

from __future__ import annotations

import time
from datetime import datetime

from schemas.settings import parse_duration
from streams.api.problems import Problem


def parse_time_ns(name: str, text: str | None) -> int | None:
    """Ns since the Unix epoch of an RFC 3339 instant, or of a duration ago such as `2h`; None for None.

    Raises:
        Problem: it is neither.
    """
    if text is None:
        return None
    try:
        return int((time.time() - parse_duration(text)) * 1e9)
    except ValueError:
        pass
    try:
        # A plus sign that a client left as it is has become a blank.
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Problem(422, "wrong argument", f"{name}: {text[:80]!r} is neither an RFC 3339 instant nor a duration such as 2h")
    return round(at.timestamp() * 1_000_000) * 1000
