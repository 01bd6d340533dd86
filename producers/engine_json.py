"""Reading single values out of engine JSON, which nobody promised to be well-formed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(Z|[+-]\d\d:\d\d)")
_CPU_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Times outside of 2000 to 2199 are no times of an engine: the fold takes none, as they would order its containers wrongly for ever.
EARLIEST_NS: Final = 946_684_800 * 10**9
LATEST_NS: Final = 7_258_118_400 * 10**9
MAX_LONG: Final = (1 << 63) - 1
_MAX_INT: Final = (1 << 31) - 1


class InvalidMessage(Exception):
    """The engine's answer is at fault, not we: it goes to the dead letters.

    Attributes:
        code: stable word for programs.
        reason: in words, without anything untrusted that could be a secret.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: absent, null and nonsense read the same."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str | None:
    """A non-empty string, else None."""
    return value if isinstance(value, str) and value else None


def whole(value: object, limit: int = MAX_LONG) -> int | None:
    """A non-negative integer within a limit, given as a number or as digits; else None."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= limit else None


def small(value: object) -> int | None:
    """A whole number that fits 31 bits, else None."""
    return whole(value, _MAX_INT)


def time_ns(value: object) -> int | None:
    """Nanoseconds since the Unix epoch of an RFC 3339 time; None for the engine's zero time, for nonsense, and beyond 64 bits."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone == 'Z' else zone}")
    except ValueError:
        return None
    seconds = (at - _EPOCH) // timedelta(seconds=1)
    at_ns = seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
    return at_ns if seconds > 0 and at_ns <= MAX_LONG else None


def is_credible(at_ns: int) -> bool:
    """Whether a clock that is set can show that time."""
    return EARLIEST_NS <= at_ns < LATEST_NS


def cpuset_size(cpuset: str) -> int:
    """How many CPUs a list such as `0-2,5` names; 0 when it makes no sense."""
    cpus: set[int] = set()
    for part in cpuset.split(","):
        match = _CPU_RANGE.fullmatch(part.strip())
        if match is None:
            return 0
        cpus.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return len(cpus)


def string_labels(value: object) -> dict[str, str]:
    """Labels as a map of strings; what is no string is left out."""
    return {k: v for k, v in mapping(value).items() if isinstance(k, str) and isinstance(v, str)}


def redacted(value: object, depth: int = 6) -> object:
    """The shape of an answer without its words: for dead letters, as any string may be a secret."""
    if isinstance(value, str):
        return f"<{len(value)} characters>"
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {_plain_key(key): redacted(item, depth - 1) for key, item in list(value.items())[:50]}
    if isinstance(value, list):
        return [redacted(item, depth - 1) for item in value[:20]]
    return value if value is None or isinstance(value, (bool, int, float)) else f"<{type(value).__name__}>"


def _plain_key(key: object) -> str:
    """The engine's own field names stay; anything else (a label's key) is hidden too."""
    return key if isinstance(key, str) and re.fullmatch(r"[A-Za-z]{1,40}", key) else "<key>"
