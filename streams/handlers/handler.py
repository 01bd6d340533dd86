"""What a handler is: the one thing a plug-in has to implement.

A plug-in is an entry point of the group `wst.handlers`: a callable that takes its options (the keys of its table in
`wst.toml` beside the common ones) and returns a `Handler`. Options that make no sense: raise `SettingError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Event = Mapping[str, Any]
"""An event as `wst events --json` prints it."""

Options = Mapping[str, Any]


class Retry(Exception):
    """It did not work this time. Any other exception of a handler means the same.

    Attributes:
        after_s: not before so many seconds; None: as it is usual.
    """

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Rejected(Exception):
    """It will not work later either: the event becomes a dead letter."""


class Handler(Protocol):
    """Takes events one at a time, in order per workspace, each at least once: an event may come again with the same id."""

    async def handle(self, event: Event) -> None:
        """Delivers an event; a plain function may be given too: it is called in a thread, and its end is waited for beyond `timeout`.

        Raises:
            Retry, Rejected: see there.
        """

    async def close(self) -> None:
        """Lets go of everything."""
