"""One listener on the WebSocket: events without gap or repeat, the latest states and metrics, at the pace it can read.

Nothing is queued for anyone. Events are read from the ring all share (or the archive, for who comes back late);
of states and metrics a slow reader sees the latest only. Who does not read at all is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from streams.api.following import PAGE, heard_after, is_wanted
from streams.api.places import Place
from streams.api.recent import Kept, advanced
from streams.api.server import ABORT
from streams.api.site import Site
from streams.query.archive import EventFilter

EVENTS: Final = "events"
STATES: Final = "states"
METRICS: Final = "metrics"

#: Who has not read a message after so long is cut off, s.
PATIENCE_S: Final = 10.0
HEARTBEAT_S: Final = 15.0
#: Metrics are gathered for so long, s: a tick of a thousand workspaces is a few messages, not a thousand.
_METRICS_APART_S: Final = 0.25
#: About the longest message; clients refuse a MiB.
_MESSAGE_BYTES: Final = 262_144
#: Workspaces in one message.
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What a listener asked for.

    Attributes:
        what: of events, states, metrics.
        events: which events; its workspace concerns states and metrics too.
        after: events behind this place; None: from now on.
        patience_s, heartbeat_s: see `PATIENCE_S`, `HEARTBEAT_S`.
    """

    what: frozenset[str]
    events: EventFilter
    after: Place | None
    patience_s: float = PATIENCE_S
    heartbeat_s: float = HEARTBEAT_S


class TooSlow(Exception):
    """The client does not read."""


class Listener:
    """Sends what is new until the client leaves."""

    def __init__(self, socket: WebSocket, site: Site, wish: Wish) -> None:
        self._socket = socket
        self._site = site
        self._live = site.live
        self._wish = wish
        recent = self._live.recent
        self._place = wish.after or recent.place
        #: Behind how many events of this process's ring it is; None: it still reads from the past.
        self._count: int | None = None if wish.after else recent.count
        self._states = self._live.changed_states.number
        self._metrics = self._live.changed_metrics.number
        self._metrics_due_s = 0.0

    async def run(self) -> None:
        """Sends and listens; returns when either ends."""
        sending = asyncio.create_task(self._send_all())
        reading = asyncio.create_task(self._read_all())
        try:
            await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, reading):
                task.cancel()
            results = await asyncio.gather(sending, reading, return_exceptions=True)
        if any(isinstance(result, TooSlow) for result in results):
            self._cut()
            return
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                raise result

    async def _read_all(self) -> None:
        """What a client says is of no matter; that it leaves is."""
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            pass

    def _cut(self) -> None:
        extension = self._socket.scope.get("extensions", {}).get(ABORT)
        if extension is not None:
            extension["abort"]()

    async def _send_all(self) -> None:
        await self._send(
            b'{"type":"hello","position":%b,"heartbeat_seconds":%b}' % (_text(self._place), orjson.dumps(self._wish.heartbeat_s))
        )
        while not self._live.pulse.closed:
            beat = self._live.pulse.count
            said = await self._send_events() if EVENTS in self._wish.what else False
            said |= await self._send_states() if STATES in self._wish.what else False
            said |= await self._send_metrics() if METRICS in self._wish.what else False
            if not said and not await self._live.pulse.after(beat, self._pause_s()) and not self._owes_metrics():
                await self._send(b'{"type":"heartbeat","position":%b}' % _text(self._place))

    def _owes_metrics(self) -> bool:
        return METRICS in self._wish.what and self._live.changed_metrics.number > self._metrics

    def _pause_s(self) -> float:
        """How long to wait for news: metrics already there are due sooner."""
        due_s = self._metrics_due_s - asyncio.get_running_loop().time()
        return max(0.001, min(due_s, self._wish.heartbeat_s)) if self._owes_metrics() else self._wish.heartbeat_s

    async def _send_events(self) -> bool:
        place = self._place
        events, gap = await self._next_events()
        if gap:
            await self._send(b'{"type":"gap","position":%b}' % _text(self._place))
        place = place if place.epoch == self._place.epoch else Place(self._place.epoch, ())
        for group in _groups(events):
            place = advanced(place, group)
            shown = [kept.json for kept in group if is_wanted(kept.event, self._wish.events)]
            if shown:
                await self._send(b'{"type":"events","position":%b,"events":[%b]}' % (_text(place), b",".join(shown)))
        return bool(events) or self._count is None

    async def _next_events(self) -> tuple[list[Kept], bool]:
        """Events that come next, and whether some before them are missing; moves on behind them."""
        recent = self._live.recent
        if self._count is not None:
            fresh = recent.latest(recent.count - self._count)
            if len(fresh) == recent.count - self._count:
                self._count = recent.count
                events = [kept for kept in fresh if kept.offset >= self._place.at(kept.partition)]
                self._place = advanced(self._place, events)
                return events, False
            self._count = None
        heard = await heard_after(recent, self._site.archive, self._place, PAGE)
        self._place = heard.next
        if recent.reaches(heard.next) and not recent.after(heard.next, 1).events:
            # Nothing was awaited since: from here on it goes by number.
            self._count = recent.count
        return heard.events, heard.gap

    async def _send_states(self) -> bool:
        number = self._live.changed_states.number
        changed = self._concerned(self._live.changed_states.since(self._states))
        self._states = number
        found = {workspace_id: self._live.states.get(workspace_id) for workspace_id in changed}
        whole = [self._site.shelf.whole(record) for record in found.values() if record is not None]
        gone = [workspace_id for workspace_id, record in found.items() if record is None]
        for begin in range(0, len(whole), _AT_ONCE):
            await self._send(b'{"type":"states","workspaces":[%b]}' % b",".join(whole[begin : begin + _AT_ONCE]))
        if gone:
            await self._send(b'{"type":"gone","workspace_ids":%b}' % orjson.dumps(gone))
        return bool(found)

    async def _send_metrics(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if not self._owes_metrics() or now_s < self._metrics_due_s:
            return False
        number = self._live.changed_metrics.number
        changed = self._concerned(self._live.changed_metrics.since(self._metrics))
        self._metrics, self._metrics_due_s = number, now_s + _METRICS_APART_S
        records = [record for record in map(self._live.states.get, changed) if record is not None]
        for begin in range(0, len(records), _AT_ONCE):
            made = [self._site.shelf.metrics(record) for record in records[begin : begin + _AT_ONCE]]
            await self._send(b'{"type":"metrics","workspaces":[%b]}' % b",".join(made))
        return bool(records)

    def _concerned(self, changed: Iterable[str]) -> list[str]:
        wanted = self._wish.events.workspace_id
        return [workspace_id for workspace_id in changed if wanted is None or workspace_id == wanted]

    async def _send(self, message: bytes) -> None:
        try:
            async with asyncio.timeout(self._wish.patience_s):
                await self._socket.send_text(message.decode())
        except TimeoutError:
            raise TooSlow from None


def _groups(events: list[Kept]) -> Iterator[list[Kept]]:
    """The same events in groups that make no message longer than clients take."""
    group: list[Kept] = []
    size = 0
    for kept in events:
        if group and size + len(kept.json) > _MESSAGE_BYTES:
            yield group
            group, size = [], 0
        group.append(kept)
        size += len(kept.json)
    if group:
        yield group


def _text(place: Place) -> bytes:
    return orjson.dumps(str(place))
