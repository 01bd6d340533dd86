"""Makes hostile input out of good: bytes by cutting, flipping, repeating and splicing, JSON also by what its values are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

_BYTES: Final = (
    b"\x00", b"\xff", b"\x80", b"\x7f", b"\xff" * 10, b"\x80" * 11, b"\xc3\x01", b"[", b"{", b'"', b"\\u0000", b"\n", b"\xed\xa0\x80",
)  # fmt: skip
#: In place of any value of a JSON document.
_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"), "", "x", "a" * 300,
    "\x00", "\ud800", "\x1b[31m", "0", "-1", "1e999", "0001-01-01T00:00:00Z", "2026-01-31T12:00:00Z", "9999-12-31T23:59:59Z",
    [], {}, [None], [[]], {"": ""}, {"a": {"b": []}}, [1, "2", None],
)  # fmt: skip


def bytes_like(draw: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Something that resembles one of a corpus: one to four changes."""
    data = bytearray(draw.choice(corpus))
    for _ in range(draw.choice((1, 1, 2, 4))):
        _change(draw, data, corpus)
    return bytes(data)


def _change(draw: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = draw.randrange(len(data) + 1)
    kind = draw.randrange(7)
    if kind == 0 and data:
        data[at % len(data)] ^= 1 << draw.randrange(8)
    elif kind == 1 and data:
        data[at % len(data)] = draw.randrange(256)
    elif kind == 2:
        del data[at : at + draw.choice((1, 2, 8, 64, 1 << 20))]
    elif kind == 3:
        data[at:at] = draw.choice(_BYTES)
    elif kind == 4:
        data[at:at] = data[at : at + draw.choice((1, 4, 32))]
    elif kind == 5:
        other = draw.choice(corpus)
        data[at:] = other[draw.randrange(len(other) + 1) :]
    else:
        data[at:at] = draw.randbytes(draw.choice((1, 2, 9)))


def json_like(draw: random.Random, corpus: Sequence[Any]) -> Any:
    """Something that resembles a document of a corpus: one to three values are others, or gone."""
    found = _copy(draw.choice(corpus))
    for _ in range(draw.choice((1, 1, 2, 3))):
        found = _turn(draw, found)
    return found


def _turn(draw: random.Random, value: Any) -> Any:
    if isinstance(value, (dict, list)) and value and draw.random() < 0.85:
        key = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
        if draw.random() < 0.1:
            del value[key]
        else:
            value[key] = _turn(draw, value[key])
        return value
    return _copy(draw.choice(_VALUES))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
