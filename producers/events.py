"""The event loop of one engine: every container event becomes a fact once, in order; details follow by inspect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from producers.details import DetailCalls
from producers.engine import EngineError
from producers.engine_json import InvalidMessage, is_credible, mapping, time_ns, whole
from producers.execs import Execs
from producers.facts import At, event_fact, presence_fact
from producers.record import Happened, Skip, Who, event
from producers.registry import DETAIL_ACTIONS, Known
from producers.shared import Shared
from producers.stream import Broken, EventReader, Subscribed
from schemas.publish import Record
from schemas.steady import steady_clock

_log: Final = logging.getLogger("wst.producer")

_BATCH: Final = 256
#: The engine's own ring holds 256 events of all types.
_REMEMBERED: Final = 1_024
_REMEMBER_EVERY_S: Final = 1.0
_AFTER_RENAME_S: Final = 0.5
_STEPS: Final = 10
_LOOK_S: Final = 0.5
#: A process that did not come round for so long may have read too slowly: an engine drops the events of who does, and says nothing.
_STOOD_STILL_S: Final = 5.0
_WHOLE_EVERY_S: Final = 0.02
#: After so long without any, nothing more comes of what was kept for it meanwhile; one that is never quiet is given so many times that.
_QUIET_S: Final = 0.3
_DRAINS: Final = 10


class EventLoop:
    """Events of one engine.

    Args:
        want_sync: asks for a listing, with its cause.
    """

    def __init__(self, shared: Shared, want_sync: Callable[[str], None]) -> None:
        self._shared = shared
        self._want_sync = want_sync
        self._last_event_ns, identities = shared.store.heard(shared.origin.engine_id)
        self._heard: dict[str, None] = dict.fromkeys(identities)
        self._execs = Execs(shared)
        self._reader = EventReader(shared.calls.engine, self._last_event_ns)
        self._idle = asyncio.Event()
        self._changed = False
        self._durable = True
        self._confirmed_at = 0.0
        self._broken = False
        #: A subscription whose continuity with the one before is not proven: events may be missing before it.
        self.unproven = True
        self._missed = False
        #: How often the stream began anew; what merely takes over from a silent one is none.
        self.openings = 0
        self._looked_s, self._heard_then_ns = steady_clock(), self._last_event_ns
        #: Where to read again from after a stall, once the stream is drained; and how many such readings have not begun yet.
        self._stall_ns: int | None = None
        self._asked = 0
        self._read_again_from_ns = self._read_again_until_ns = 0
        self.details = DetailCalls(shared)

    async def run(self) -> None:
        """Publishes facts until cancelled."""
        self._looked_s = steady_clock()
        self._reader.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._remember_for_ever())
                tasks.create_task(self._look_for_stalls())
                tasks.create_task(self.details.run())
                while True:
                    self._idle.set()
                    batch = await self._reader.take(_BATCH)
                    self._idle.clear()
                    async with self._shared.order:
                        await self._publish(batch)
        finally:
            self._reader.stop()
            self._remember()

    def is_whole(self) -> bool:
        """The stream is open and not to be read again: only then a listing can be joined to it."""
        self._look()
        return self.openings > 0 and not self._broken and self._stall_ns is None and not self._asked

    async def whole(self, limit_s: float) -> bool:
        """Waits for that, but no longer than so many seconds in which this process runs; returns whether it is."""
        self._reader.hurry()
        for _ in range(round(limit_s / _WHOLE_EVERY_S)):
            if self.is_whole():
                return True
            await asyncio.sleep(_WHOLE_EVERY_S)
        return self.is_whole()

    async def settled(self, quiet_s: float) -> None:
        """Waits a moment, then until all that was heard up to then is handed to the outlet.

        In steps: one sleep would be over at once in a process that was stopped meanwhile, before what came then is read.
        """
        for _ in range(_STEPS):
            await asyncio.sleep(quiet_s / _STEPS)
        # Another thread fills the queue, and this is waited for once a sync.
        while not (self._idle.is_set() and self._reader.empty()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    def listed(self, listed_at_ns: int, *, whole: bool) -> None:
        """A listing of that time was made: whatever comes before it need not be heard.

        Args:
            whole: the stream was whole from before it until now, so what was missed was missed before it.
        """
        self._reader.begin_at(listed_at_ns)
        if whole:
            self.unproven = self._missed = False
            self._read_again_until_ns = 0
        if self._last_event_ns is None:
            self._last_event_ns = listed_at_ns
            self._changed = True
            self._remember()

    def reconnect(self) -> None:
        """Breaks the stream: the engine answers nothing else either."""
        self._reader.reconnect()

    async def _publish(self, batch: list[object]) -> None:
        self._durable = False
        records: list[Record] = []
        for item in batch:
            if isinstance(item, Subscribed):
                self._opened(item)
            elif isinstance(item, Broken):
                self._closed(item)
            else:
                records.extend(await self._records(item))
        await self._shared.outlet.publish(records)
        self._durable = True
        self._shared.counts.add("events", len(records))

    def _opened(self, subscribed: Subscribed) -> None:
        again_from_ns = subscribed.again_from_ns
        if again_from_ns is not None:
            # All that the stream before gave has been taken by now. What was not proven of it, a later place does not prove.
            self._asked -= 1
            self._missed = self._missed or self.unproven
            self._read_again_from_ns, self._read_again_until_ns = again_from_ns, self._last_event_ns or 0
        if not subscribed.continues:
            self.unproven = True
            self.openings += 1
        if self._broken:
            self._shared.counts.add("reconnects")
            _log.info("engine %s: the event stream is back", self._shared.origin.engine_name)
        if self._broken or again_from_ns is not None:
            self._want_sync("reconnect")
        self._broken = False

    def _closed(self, broken: Broken) -> None:
        if not self._broken:
            _log.warning("engine %s: the event stream broke (%s), reconnecting", self._shared.origin.engine_name, broken.error)
        self._broken = True

    async def _records(self, raw: object) -> list[Record]:
        shared = self._shared
        shared.calls.answers += 1
        identity = _raw_identity(raw)
        if identity in self._heard:
            # The ring still has what was heard last, so nothing fell out of it in between; read again, what was heard before the stall.
            if not self._read_again_until_ns or (whole(mapping(raw).get("timeNano")) or 0) <= self._read_again_from_ns:
                self.unproven = self._missed
            shared.counts.add("repeats")
            return []
        try:
            happened = event(raw, shared.rules)
        except InvalidMessage as error:
            await shared.refuse("event", raw, error)
            return []
        self._note(identity)
        if isinstance(happened, Skip):
            shared.counts.add(f"skipped.{happened.reason}")
            return []
        await self._keep_clock(happened.time_ns)
        if late := happened.time_ns < self._read_again_until_ns:
            # Later ones were heard before: what it would have told between them nobody knows any more.
            self.unproven = self._missed = True
        else:
            self._last_event_ns = happened.time_ns
        if (reason := await self._execs.why_skipped(happened)) is not None:
            shared.counts.add(f"skipped.{reason}")
            return []
        return self._facts(happened, late=late)

    def _note(self, identity: str) -> None:
        self._heard[identity] = None
        if len(self._heard) > _REMEMBERED:
            del self._heard[next(iter(self._heard))]
        self._changed = True

    def _facts(self, happened: Happened, *, late: bool) -> list[Record]:
        shared = self._shared
        container_id = happened.who.container["id"]
        before = shared.registry.get(container_id)
        old = before.who if before else None
        known = shared.registry.heard(happened.who, happened.action, happened.time_ns, late=late)
        at = shared.at(happened.time_ns)
        records = [event_fact(shared.origin, at, happened, shared.registry.workspace_name(happened.who))]
        if old is not None and old.identity.workspace_id != known.who.identity.workspace_id:
            records[:0] = self._moved(old, known, at)
        if happened.action in DETAIL_ACTIONS:
            self.details.due(container_id)
        return records

    def _moved(self, old: Who, known: Known, at: At) -> list[Record]:
        """A rename moves what is known only by its name to another workspace: it leaves there and joins here."""
        shared = self._shared
        # What the rename leaves open, above all health, a listing says once the event is old enough not to blur it.
        asyncio.get_running_loop().call_later(_AFTER_RENAME_S, self._want_sync, "interval")
        left = Who(old.identity, {**old.container, "name": known.who.container["name"]})
        leave = presence_fact(shared.origin, at, left, shared.registry.workspace_name(old), None, present=False)
        if known.state is None:
            return [leave]
        return [leave, presence_fact(shared.origin, at, known.who, shared.registry.workspace_name(known.who), known.state, present=True)]

    async def _keep_clock(self, event_ns: int) -> None:
        """An event clearly behind the clock is late, or the clock jumped back: the engine is asked which."""
        shared = self._shared
        now = asyncio.get_running_loop().time()
        if shared.clock.is_behind(event_ns) and now - self._confirmed_at > 1.0:
            self._confirmed_at, asked = now, shared.clock
            try:
                engine_ns = time_ns((await shared.calls.info()).get("SystemTime"))
            except EngineError:
                engine_ns = None
            if engine_ns is not None and is_credible(engine_ns):
                shared.advance(shared.clock.read(engine_ns, asked))
        shared.advance(shared.clock.saw(event_ns))

    def _look(self) -> None:
        """Notices a stall, whoever comes round first after it."""
        now_s = steady_clock()
        stood_still_s = now_s - self._looked_s
        if stood_still_s > _STOOD_STILL_S and self._heard_then_ns is not None:
            name = self._shared.origin.engine_name
            _log.warning("engine %s: this process stood still for %.0f s: events are read again", name, stood_still_s)
            if self._stall_ns is None:
                self._stall_ns = self._heard_then_ns
        self._looked_s, self._heard_then_ns = now_s, self._last_event_ns

    async def _look_for_stalls(self) -> None:
        """After a stall the stream is read again from what was heard before it: what comes twice proves that nothing was missed."""
        while True:
            self._look()
            if self._stall_ns is not None:
                await self._drained()
                self._look()  # what was missed meanwhile is read again, too
                self._asked += 1
                self._reader.read_again(self._stall_ns)
                self._stall_ns = None
            await asyncio.sleep(_LOOK_S)

    async def _drained(self) -> None:
        """Waits until the stream has given what was kept for it: its engine keeps far more for it than in the ring that is read again."""
        given = -1
        for _ in range(_DRAINS):
            if given == self._reader.given and self._reader.empty():
                return
            given = self._reader.given
            await asyncio.sleep(_QUIET_S)

    async def _remember_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_REMEMBER_EVERY_S)
            self._remember()

    def _remember(self) -> None:
        """Keeps where the stream is, but never beyond what is published: a successor would take it for a repeat."""
        if self._changed and self._durable:
            shared = self._shared
            self._changed = False
            shared.store.remember_heard(shared.origin.engine_id, self._last_event_ns, list(self._heard))
            shared.store.remember_clock(shared.origin.engine_id, shared.clock)


def _raw_identity(raw: object) -> str:
    """What makes two raw events the same: time, type, action, actor, exec."""
    message = mapping(raw)
    actor = mapping(message.get("Actor"))
    says: list[Any] = [message.get(key) for key in ("timeNano", "Type", "Action")]
    says += [actor.get("ID"), mapping(actor.get("Attributes")).get("execID")]
    # What is nested is no event, and may be too deep to be written out.
    says = [value if value is None or isinstance(value, (str, int)) else type(value).__name__ for value in says]
    return blake2b(repr(says).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
