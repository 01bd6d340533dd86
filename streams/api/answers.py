"""What became of what was asked through the log: heard from the records that follow, whoever asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.requests import COMMANDS_HEADER, REFUSED_HEADER

_KEEP: Final = 10_000
_REFUSED_BEFORE: Final = "it was refused before; the workspace's `error` event of then says why"

Record = Mapping[str, Any]


class Answers:
    """The latest outcomes: commands by the id of their fact, syncs by their request."""

    def __init__(self, keep: int = _KEEP) -> None:
        self._keep = keep
        self._commands: OrderedDict[str, str | None] = OrderedDict()
        self._syncs: OrderedDict[str, dict[str, Record]] = OrderedDict()

    def take_headers(self, headers: Iterable[tuple[str, bytes]]) -> bool:
        """Takes note of what became of commands, from a record of `workspace.state`; False: it says nothing of that."""
        told = dict(headers)
        obeyed, refused = (told.get(name, b"").decode("ascii", "replace") for name in (COMMANDS_HEADER, REFUSED_HEADER))
        for fact_ids, outcome in ((obeyed, None), (refused, _REFUSED_BEFORE)):
            for fact_id in fact_ids.split(",") if fact_ids else ():
                # What is known stands: it says more than a repeat does.
                self._commands.setdefault(fact_id, outcome)
        _shorten(self._commands, self._keep)
        return bool(obeyed or refused)

    def take_event(self, event: Record) -> None:
        """Takes note of a refusal, or of what became of a sync that was asked for."""
        error, sync = event.get("error"), event.get("sync")
        failed = error["context"].get("request_id", "") if error and event.get("stream", "").lower() == "engine" else ""
        if error and error["code"] == "refused" and "command_id" in error["context"]:
            self._commands[error["context"]["command_id"]] = error["error"]
            _shorten(self._commands, self._keep)
        elif failed:
            self._syncs.setdefault(failed, {})[event["engine_id"]] = event
            _shorten(self._syncs, self._keep)
        elif sync and event["type"] == "sync_complete" and sync["request_id"]:
            self._syncs.setdefault(sync["request_id"], {})[event["engine_id"]] = event
            _shorten(self._syncs, self._keep)

    def knows(self, fact_id: str) -> bool:
        """Whether it is known what became of a command."""
        return fact_id in self._commands

    def refusal(self, fact_id: str) -> str | None:
        """Why a command was refused; None: it was obeyed."""
        return self._commands[fact_id]

    def syncs(self, request_id: str) -> Mapping[str, Record]:
        """The events that answer a request, by engine id: `sync_complete`, or an `error` where the engine could not be listed."""
        return self._syncs.get(request_id, {})


def _shorten(kept: OrderedDict[str, Any], keep: int) -> None:
    while len(kept) > keep:
        kept.popitem(last=False)
