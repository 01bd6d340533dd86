"""Which execs are a health check's and which somebody's: only the container's own test tells them apart."""

from __future__ import annotations

from typing import Final

from producers.engine import EngineError
from producers.engine_json import InvalidMessage
from producers.record import Happened, inspected
from producers.registry import Known
from producers.shared import Shared

#: Of each kind, so that a check every second never pushes out the shell that has been open since the morning.
_REMEMBERED: Final = 2_048


class Execs:
    """The execs of one engine whose beginning was heard."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._checks: dict[str, None] = {}
        self._users: dict[str, None] = {}

    async def why_skipped(self, happened: Happened) -> str | None:
        """Why an event of an exec is no sign of activity, as a word to count by; None: it is one, or no exec at all."""
        if not happened.action.startswith("exec_"):
            return None
        exec_id = happened.detail["exec_id"] or ""
        kind = next((kind for kind in (self._checks, self._users) if exec_id in kind), None)
        if kind is None:
            if not happened.command:
                # An end names no command. That of a health check would look like a user's.
                return "exec_unknown"
            kind = self._checks if await self._is_check(happened) else self._users
            if exec_id:
                _remember(kind, exec_id)
        if happened.action == "exec_die":
            kind.pop(exec_id, None)
        return "health_exec" if kind is self._checks else None

    async def _is_check(self, happened: Happened) -> bool:
        known = self._shared.registry.get(happened.who.container["id"])
        if known is None or known.details is None:
            known = await self._inspect_now(happened)
        return known is not None and known.details is not None and known.details.health_command == happened.command

    async def _inspect_now(self, happened: Happened) -> Known | None:
        try:
            answer = await self._shared.calls.inspect(happened.who.container["id"], retry=False)
            if answer is None:
                return None
            details = inspected(answer)
        except (EngineError, InvalidMessage):
            return None  # a sign of activity too many does less harm than a stream that waits
        known = self._shared.registry.heard(happened.who, happened.action, happened.time_ns)
        known.details = details
        return known


def _remember(kind: dict[str, None], exec_id: str) -> None:
    kind[exec_id] = None
    if len(kind) > _REMEMBERED:
        del kind[next(iter(kind))]
