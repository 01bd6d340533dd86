"""Instants in questions: RFC 3339, or how long ago."""

from __future__ import annotations

import time
from contextlib import suppress
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
        at_ns = _instant_ns(text)
    except (ValueError, OverflowError):
        at_ns = None
    if at_ns is None or not -(2**63) <= at_ns < 2**63:
        raise Problem(422, "wrong argument", f"{name}: {text[:80]!r} is neither an RFC 3339 instant nor a duration such as 2h")
    return at_ns


def _instant_ns(text: str) -> int | None:
    """The instant; None for a time without an offset, which could be anyone's."""
    with suppress(ValueError):
        return int((time.time() - parse_duration(text)) * 1e9)
    # A plus sign that a client left as it is has become a blank.
    at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    return None if at.tzinfo is None else round(at.timestamp() * 1_000_000) * 1000
