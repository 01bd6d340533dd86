"""A partitioned table: encoded bytes of what is durable, decoded values of what is hot, and which of them changed.

Encoded values take a tenth of the memory of decoded ones, and they are exactly what is durable: forgetting what was
folded but never committed is dropping the decoded values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

V = TypeVar("V")

#: Decoded values kept a partition; colder ones are decoded again when they are wanted.
HOT_KEYS: Final = 4_096


class Table(Generic[V]):
    """Values by partition and key; keys are never deleted.

    Args:
        name: names its changelog and its rows in a checkpoint.
        dumps: encodes a value; called once a commit for each changed key.
        loads: decodes what `dumps` made.
        hot_keys: decoded values kept a partition.
    """

    def __init__(self, name: str, dumps: Callable[[V], bytes], loads: Callable[[bytes], V], hot_keys: int = HOT_KEYS) -> None:
        self.name = name
        self._dumps = dumps
        self._loads = loads
        self._hot_keys = hot_keys
        self._parts: dict[int, _Part[V]] = {}

    def _part(self, partition: int) -> _Part[V]:
        part = self._parts.get(partition)
        if part is None:
            part = self._parts[partition] = _Part()
        return part

    def get(self, partition: int, key: bytes) -> V | None:
        """The value of a key; whoever changes it in place must put it back."""
        part = self._part(partition)
        value = part.live.get(key)
        if value is None and (encoded := part.durable.get(key)) is not None:
            value = part.live[key] = self._loads(encoded)
        return value

    def peek(self, partition: int, key: bytes) -> V | None:
        """The value of a key for a look: one that is cold stays so, and is the caller's own copy."""
        part = self._part(partition)
        value = part.live.get(key)
        if value is None and (encoded := part.durable.get(key)) is not None:
            return self._loads(encoded)
        return value

    def put(self, partition: int, key: bytes, value: V) -> None:
        """Sets a value; the next commit of the partition makes it durable."""
        part = self._parts.get(partition) or self._part(partition)
        part.live[key] = value
        part.dirty.add(key)

    def dirty(self, partition: int) -> list[bytes]:
        """Keys whose value no commit has taken yet."""
        return list(self._part(partition).dirty)

    def take(self, partition: int, key: bytes) -> bytes:
        """Encodes a dirty value for a commit; it counts as undurable until `confirm`."""
        part = self._part(partition)
        encoded = self._dumps(part.live[key])
        part.dirty.discard(key)
        part.taken.add(key)
        return encoded

    def confirm(self, partition: int, values: dict[bytes, bytes]) -> None:
        """A commit made these durable."""
        part = self._part(partition)
        part.durable.update(values)
        part.taken.difference_update(values)
        excess = len(part.live) - self._hot_keys
        if excess > 0:
            cold = (key for key in part.live if key not in part.dirty and key not in part.taken)
            for key in list(islice(cold, excess)):
                del part.live[key]

    def restore(self, partition: int, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Takes over durable values, the later of one key over the earlier."""
        part = self._part(partition)
        for key, encoded in items:
            part.durable[key] = encoded
            part.live.pop(key, None)
            part.dirty.discard(key)

    def revert(self, partition: int) -> None:
        """Forgets whatever no commit made durable."""
        part = self._part(partition)
        for key in part.dirty | part.taken:
            part.live.pop(key, None)
        part.dirty.clear()
        part.taken.clear()

    def drop(self, partition: int) -> None:
        """Forgets a partition that belongs to another worker now."""
        self._parts.pop(partition, None)

    def partitions(self) -> list[int]:
        """Partitions that hold anything."""
        return sorted(self._parts)

    def keys(self, partition: int) -> list[bytes]:
        """A partition's keys."""
        part = self._part(partition)
        return list(part.durable.keys() | part.live.keys())

    def items(self, partition: int) -> Iterator[tuple[bytes, V]]:
        """A partition's keys with their present values, decoded one by one; what is cold stays encoded."""
        part = self._part(partition)
        for key in self.keys(partition):
            value = part.live.get(key)
            if value is not None:
                yield key, value
            elif (encoded := part.durable.get(key)) is not None:
                yield key, self._loads(encoded)

    def __len__(self) -> int:
        return sum(len(part.durable.keys() | part.live.keys()) for part in self._parts.values())


class _Part(Generic[V]):
    """One partition.

    Attributes:
        durable: encoded values as the last commit left them.
        live: decoded values, newer than or equal to the durable ones.
        dirty: changed since the last copy.
        taken: copied by a commit that is under way.
    """

    __slots__ = ("dirty", "durable", "live", "taken")

    def __init__(self) -> None:
        self.durable: dict[bytes, bytes] = {}
        self.live: dict[bytes, V] = {}
        self.dirty: set[bytes] = set()
        self.taken: set[bytes] = set()
