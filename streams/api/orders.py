"""Orders of a list of workspaces, and the place behind an entry in each, for pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.errors import Refused
from streams.query.state_view import StateRecord

#: What is compared; of one order always of the same length and kinds.
Key = tuple[int | str, ...]

_CONDITIONS: Final = {"failing": 0, "degraded": 1}
_STALE: Final = 2
_STATUSES: Final = {"active": 3, "inactive": 4}
_ARCHIVED: Final = 5


@dataclass(frozen=True, slots=True)
class Order:
    """One order.

    Attributes:
        key: what an entry is compared by.
        kinds: of the members of a key.
        kept: whether the view has this order already.
    """

    key: Callable[[StateRecord], Key]
    kinds: tuple[type, ...]
    kept: bool

    def behind(self, states: Iterable[StateRecord], after: Key | None) -> list[StateRecord]:
        """The states behind a place, in this order."""
        found = [state for state in states if after is None or self.key(state) > after]
        return found if self.kept else sorted(found, key=self.key)

    def text(self, state: StateRecord) -> str:
        """The place behind a state, for a cursor."""
        return orjson.dumps(self.key(state)).decode()

    def read(self, text: str) -> Key:
        """Reads the text back.

        Raises:
            Refused: it is no place in this order.
        """
        try:
            key = orjson.loads(text)
        except ValueError:
            key = None
        if not isinstance(key, list) or tuple(map(type, key)) != self.kinds:
            raise Refused("cursor: it is of another order", "hand back what the last page said, with the same order")
        return tuple(key)


def need(state: Mapping[str, Any]) -> int:
    """How much a workspace needs someone: the less, the more."""
    status, condition = state["status"].lower(), state["condition"].lower()
    if status == "archived":
        return _ARCHIVED
    if state["stale"] or condition == "unknown":
        return _STALE
    return _CONDITIONS.get(condition, _STATUSES.get(status, _STALE))


ORDERS: Final[Mapping[str, Order]] = {
    "id": Order(lambda state: (state["workspace_id"],), (str,), kept=True),
    "need": Order(lambda state: (need(state), state["workspace_name"], state["workspace_id"]), (int, str, str), kept=False),
}
