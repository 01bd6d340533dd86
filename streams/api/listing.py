"""A list of workspaces as bytes, plain and compressed, kept for as long as it is true: who asks again costs next to nothing.

It is made of blocks of some dozens of workspaces: what changed makes its own block anew, and only that one is compressed again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from streams.api.packing import Piece, gzip_of, piece_of
from streams.api.shelf import Shelf
from streams.query.state_view import StateRecord

#: Samples of a thousand workspaces trickle in all the time: a list is not made anew for each of them.
_FRESH_S: Final = 0.5
#: Between that and this a list is given as it is, and the next one is begun: nobody waits for figures.
_OLDEST_S: Final = 1.0
#: Workspaces in a block: about 150 KB, 1 ms to compress.
_BLOCK: Final = 64
#: Lists that are kept, and bytes of all of them; questions that nobody repeats push each other out.
_MOST: Final = 128
_MOST_BYTES: Final = 32 << 20

#: Chooses what is listed: the workspaces, and the id behind which the next page begins, or None.
Choice = Callable[[], tuple[Iterable[StateRecord], str | None]]


@dataclass(frozen=True, slots=True)
class Made:
    """A list as it was at one version of what is known, or newer.

    Attributes:
        version: what an ETag is made of.
        states: the changes of states that are in it for certain.
        at_s: when it was begun.
        packed: the body compressed (gzip).
        last: id behind which the next page begins; None: this is all.
    """

    version: str
    states: int
    at_s: float
    body: bytes
    packed: bytes
    last: str | None


@dataclass(frozen=True, slots=True)
class _Block:
    items: list[bytes]
    piece: Piece


class Listing:
    """One question about the list: figures may be a second old, a status never is.

    Args:
        question_bytes: what the question takes that it is kept by.
    """

    def __init__(self, shelf: Shelf, choice: Choice, question_bytes: int = 0) -> None:
        self._shelf = shelf
        self._choice = choice
        self._question_bytes = question_bytes
        self._made: Made | None = None
        self._blocks: list[_Block] = []
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[Made] | None = None

    @property
    def size(self) -> int:
        """Bytes it takes: the question, the body twice, as whole and as blocks, and compressed likewise."""
        return self._question_bytes + (2 * (len(self._made.body) + len(self._made.packed)) if self._made else 0)

    async def now(self) -> Made:
        """The list as it is now."""
        asked_s, made = time.monotonic(), self._made
        if made is None or made.states != self._shelf.states:
            return await self._make(asked_s)
        age_s = asked_s - made.at_s
        if age_s > _FRESH_S and made.version != self._shelf.version:
            if age_s > _OLDEST_S:
                return await self._make(asked_s)
            if self._next is None or self._next.done():
                self._next = asyncio.create_task(self._make(asked_s))
                self._next.add_done_callback(_seen)
        return made

    async def _make(self, asked_s: float) -> Made:
        """Makes it anew. One is made at a time; what was begun since one asked is new enough: much news costs no more."""
        async with self._one_at_a_time:
            if self._made is not None and self._made.at_s >= asked_s:
                return self._made
            begun_s, version, states = time.monotonic(), self._shelf.version, self._shelf.states
            records, last = self._choice()
            known = [*records]
            blocks = [await self._items(number, known[begin : begin + _BLOCK]) for number, begin in enumerate(range(0, len(known), _BLOCK))]
            self._blocks, body, packed = await asyncio.to_thread(_joined, blocks)
            made = self._made = Made(version, states, begun_s, body, packed, last)
            return made

    async def _items(self, number: int, records: list[StateRecord]) -> _Block | list[bytes]:
        """A block as it is kept, or what it has to be made of; lets others have their turn behind it."""
        items = [self._shelf.whole(record) for record in records]
        if number < len(self._blocks) and self._blocks[number].items == items:
            return self._blocks[number]
        await asyncio.sleep(0)
        return items


def _joined(given: list[_Block | list[bytes]]) -> tuple[list[_Block], bytes, bytes]:
    """Compresses what is new, and puts all together: the blocks, the list, the list compressed."""
    blocks = [
        block if isinstance(block, _Block) else _Block(block, piece_of((b"," if number else b"[") + b",".join(block)))
        for number, block in enumerate(given)
    ]
    pieces = [block.piece for block in blocks] or [piece_of(b"[")]
    pieces.append(piece_of(b"]"))
    return blocks, b"".join([piece.plain for piece in pieces]), gzip_of(pieces)


def _seen(made: asyncio.Task[Made]) -> None:
    """A fault of a list begun ahead is met again, and told, by who waits for the next one."""
    if not made.cancelled():
        made.exception()


class Listings:
    """The questions asked lately."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: OrderedDict[Hashable, Listing] = OrderedDict()

    def of(self, question: Hashable, choice: Choice) -> Listing:
        """The list that answers a question: equal questions share it."""
        listing = self._known.get(question)
        if listing is None:
            listing = self._known[question] = Listing(self._shelf, choice, len(repr(question)))
            while len(self._known) > _MOST or (len(self._known) > 1 and self._bytes() > _MOST_BYTES):
                self._known.popitem(last=False)
        self._known.move_to_end(question)
        return listing

    def _bytes(self) -> int:
        return sum(each.size for each in self._known.values())
