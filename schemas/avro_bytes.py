"""Avro's plain types as bytes, for the encoders of what is written often: several times as fast as fastavro writes them.

Avro specification, "Binary encoding". Tests compare with the codec.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

EMPTY: Final = b"\0"
"""An empty array or map, and what ends one that is not."""
_BITS: Final = 14
_MASK: Final = (1 << _BITS) - 1
#: Fourteen bits at a time: where more follow, and where they are the last.
_MORE: Final = [bytes((bits & 127 | 128, bits >> 7 | 128)) for bits in range(1 << _BITS)]
_LAST: Final = [bytes((bits,)) if bits < 128 else bytes((bits & 127 | 128, bits >> 7)) for bits in range(1 << _BITS)]
#: Texts remembered: names of metrics, ids of engines and containers.
_REMEMBERED: Final = 1 << 15


def long(value: int) -> bytes:
    """An `int` or a `long`: zigzag, then seven bits a byte, the lowest first."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    if rest <= _MASK:
        return _LAST[rest]
    low = _MORE[rest & _MASK]
    rest >>= _BITS
    if rest <= _MASK:
        return low + _LAST[rest]
    middle = _MORE[rest & _MASK]
    rest >>= _BITS
    if rest <= _MASK:
        return low + middle + _LAST[rest]
    high = _MORE[rest & _MASK]
    rest >>= _BITS
    if rest <= _MASK:
        return low + middle + high + _LAST[rest]
    return low + middle + high + _MORE[rest & _MASK] + _LAST[rest >> _BITS]


def text(value: str) -> bytes:
    """A `string`."""
    data = value.encode()
    return long(len(data)) + data


known_text: Final = lru_cache(maxsize=_REMEMBERED)(text)
"""A `string` that comes again and again."""


def texts(values: Mapping[str, str]) -> bytes:
    """A `map` of strings: one block of its pairs, and an empty one that ends it."""
    if not values:
        return EMPTY
    return b"".join([long(len(values)), *(text(part) for pair in values.items() for part in pair), EMPTY])


def doubles(values: Mapping[str, float]) -> bytes:
    """A `map` of doubles by names that come again, and together."""
    if not values:
        return EMPTY
    layout, parts = _of_names(tuple(values))
    some: list[Any] = parts.copy()
    some[1::2] = values.values()
    return layout.pack(*some)


@lru_cache(maxsize=1 << 10)
def _of_names(names: tuple[str, ...]) -> tuple[struct.Struct, list[bytes]]:
    """How doubles lie between what is always the same, and that, with room for them: one call packs them all."""
    texts = [known_text(name) for name in names]
    texts[0] = long(len(names)) + texts[0]
    parts = [part for each in texts for part in (each, b"")]
    return struct.Struct("<" + "".join(f"{len(each)}sd" for each in texts) + f"{len(EMPTY)}s"), [*parts, EMPTY]
