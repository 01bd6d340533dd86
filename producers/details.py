"""Inspects after events: what a start, an end or an update changed beyond the event itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from producers.engine import EngineError
from producers.engine_json import InvalidMessage
from producers.facts import details_fact
from producers.news import wait_for
from producers.quiet import Allowance
from producers.record import inspected
from producers.shared import Shared

_log: Final = logging.getLogger("wst.producer")

#: One call serves all events of a burst.
_COALESCE_S: Final = 0.05
#: A container in a restart loop is inspected at most so often.
_APART_S: Final = 1.0


class DetailCalls:
    """Inspects of one engine that are due, coalesced and rate-limited by container."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._due: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._news = asyncio.Event()
        self._warnings = Allowance(1)

    def due(self, container_id: str) -> None:
        """Asks for an inspect soon."""
        now = asyncio.get_running_loop().time()
        self._due.setdefault(container_id, max(now + _COALESCE_S, self._last.get(container_id, 0.0) + _APART_S))
        self._news.set()

    async def run(self) -> None:
        """Makes the calls until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await wait_for(self._news, min(self._due.values(), default=None))
            now = loop.time()
            ready = [container_id for container_id, at in self._due.items() if at <= now]
            for container_id in ready:
                del self._due[container_id]
                self._last[container_id] = now
            await asyncio.gather(*(self._inspect(container_id) for container_id in ready))
            self._last = {container_id: at for container_id, at in self._last.items() if at > now - _APART_S}

    async def _inspect(self, container_id: str) -> None:
        shared = self._shared
        known = shared.registry.get(container_id)
        if known is None:
            return
        heard, heard_ns = known.detail_events, known.last_event_ns
        try:
            answer = await shared.calls.inspect(container_id)
            if answer is None:
                return
            details = inspected(answer)
        except EngineError as error:
            if self._warnings.take():  # all are counted
                _log.warning("engine %s: an inspect failed (%s), the next sync tries again", shared.origin.engine_name, error)
            return
        except InvalidMessage as error:
            await shared.refuse("inspect", answer, error)
            return
        async with shared.order:
            known = shared.registry.get(container_id)
            if known is None:
                return
            if known.detail_events == heard:
                known.inspected(details)
                # Signs of activity in between change no detail, but would make an older time look outdated.
                heard_ns = known.last_event_ns
            else:
                known.details = details
                self.due(container_id)
            name = shared.registry.workspace_name(known.who)
            await shared.outlet.publish([details_fact(shared.origin, shared.at(heard_ns), known.who, name, details.record)])
            shared.counts.add("details")
