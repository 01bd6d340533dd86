"""Columns that go into ClickHouse as they lie in memory, in its format Native; else a value costs more than all that is done with it.

https://clickhouse.com/docs/interfaces/formats/Native: a block is the numbers of its columns and rows, then of each column its name, its
type and its values. A LowCardinality column has its different words once, and which of them each row has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

#: Serialization of LowCardinality: with a dictionary of the block's own, and indexes of 32 bits.
_VERSION: Final = (1).to_bytes(8, "little")
_OWN_WORDS_32_BITS: Final = (2 | 1 << 9).to_bytes(8, "little")


class Numbers(Sequence[int]):
    """Integers of one width.

    Args:
        kind: ClickHouse's type; a time as the integer it is kept as.
        values: little-endian, as wide as the type.
    """

    def __init__(self, kind: str, values: NDArray[Any]) -> None:
        self.kind = kind
        self.values = values

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        found: int | list[int] = self.values[index].tolist()
        return found

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[int]:
        yield from self.values.tolist()

    def native(self) -> bytes:
        """The values in format Native."""
        return self.values.tobytes()


class Words(Sequence[str]):
    """Texts that come again and again.

    Args:
        words: the different ones, though one may be there twice.
        which: number of each row's word.
    """

    kind = "LowCardinality(String)"

    def __init__(self, words: Sequence[str], which: NDArray[np.uint32]) -> None:
        self.words = words
        self.which = which

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self.words[number] for number in self.which[index].tolist()]
        return self.words[int(self.which[index])]

    def __len__(self) -> int:
        return len(self.which)

    def __iter__(self) -> Iterator[str]:
        return (self.words[number] for number in self.which.tolist())

    def native(self) -> bytes:
        """The rows in format Native."""
        # ClickHouse takes the dictionary's first word for the type's default.
        known = {"": 0}
        place = np.array([known.setdefault(word, len(known)) for word in self.words], dtype=np.uint32)
        return b"".join((
            _VERSION, _OWN_WORDS_32_BITS, len(known).to_bytes(8, "little"), *map(_text, known), len(self.which).to_bytes(8, "little"),
            place[self.which].astype("<u4").tobytes(),
        ))  # fmt: skip


Column = Numbers | Words


def native(columns: Mapping[str, Column]) -> bytes:
    """A block of columns by name in format Native; there is at least one."""
    parts = [_length(len(columns)), _length(len(next(iter(columns.values()))))]
    for name, column in columns.items():
        parts += (_text(name), _text(column.kind), column.native())
    return b"".join(parts)


def _text(word: str) -> bytes:
    data = word.encode("utf-8", "surrogatepass")
    return _length(len(data)) + data


def _length(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
