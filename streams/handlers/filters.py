"""Which events a handler gets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from streams.handlers.handler import Event


@dataclass(frozen=True, slots=True)
class Filter:
    """Passes what all of its parts pass; an empty part passes everything.

    Attributes:
        types: of events.
        workspaces: globs of workspace ids; an event of an engine has none and passes only where this is empty.
        statuses: that a workspace has got: passes `status_changed` to one of them, and no other event.
    """

    types: frozenset[str] = frozenset()
    workspaces: tuple[str, ...] = ()
    statuses: frozenset[str] = frozenset()

    def wants(self, event: Event) -> bool:
        """Whether an event passes."""
        if self.types and event["type"] not in self.types:
            return False
        if self.workspaces and not any(fnmatchcase(event["workspace_id"] or "", glob) for glob in self.workspaces):
            return False
        return not self.statuses or event["data"].get("new_status") in self.statuses
