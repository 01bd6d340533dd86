"""The sync loop of one engine: list, inspect what is new or different, settle, publish the listing.

The engine's own time is taken first and stamps the listing; all events heard until it has settled are published
before it; a container with an event around the listing, or of which an inspect tells a change around it, is marked: its
state there proves nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from producers.engine import EngineError
from producers.engine_json import InvalidMessage, Json, is_credible, small, text, time_ns, whole
from producers.events import EventLoop
from producers.facts import At, no_listing_record, snapshot_records
from producers.news import wait_for
from producers.record import Details, Seen, Skip, inspected, listed
from producers.shared import Shared

_log: Final = logging.getLogger("wst.producer")

_SETTLE_S: Final = 0.2
#: Events this little before the listing make an entry unsettled too: the engine tells an event apart from the change itself, ns.
_HAIR_NS: Final = 100_000_000
_REQUESTS: Final = 64
#: A listing that cannot be joined to the event stream is made again, so often, once the stream is whole or after an interval, but
#: within these, s: an engine that is not listed for three intervals would be called silent.
_TORN_MOST: Final = 3
_WHOLE_S: Final = (2.0, 15.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sync to be made.

    Attributes:
        cause: symbol of the schema's enum SyncCause.
        request_id: request it answers; empty when none.
        expires_at_ns: not to be made after, the producer's clock, ns since the Unix epoch; None: no end.
    """

    cause: str
    request_id: str = ""
    expires_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """An inspect made for a sync.

    Attributes:
        detail_events: events heard of the container before the call: after another one the answer is stale.
    """

    details: Details
    detail_events: int

    def tells_a_change(self, listed_state: str, begin_ns: int, end_ns: int) -> bool:
        """Whether the container is in another state than was listed, or got there between two times of the engine's clock.

        An engine keeps an inspect waiting until a change is done, while its listing may lag; and an event may be on its way yet.
        """
        record = self.details.record
        times = (record["created_at_ns"], record["started_at_ns"], record["finished_at_ns"])
        return self.details.state not in (None, listed_state) or any(at is not None and begin_ns < at <= end_ns for at in times)


class SyncLoop:
    """Listings of one engine, every interval and on demand.

    Args:
        interval_s: between two listings, s; settable while it runs.
    """

    def __init__(self, shared: Shared, interval_s: float) -> None:
        self._shared = shared
        self.interval_s = interval_s
        self.host: Json = {"host_cpus": 0, "host_memory_bytes": 0}
        self._wanted: deque[Wanted] = deque(maxlen=_REQUESTS)
        self._news = asyncio.Event()
        self._first = asyncio.Event()
        self._failures = 0
        self._failing = False
        self._answers = 0
        self._torn = 0
        self._watched_since_ns = shared.store.watched_since(shared.origin.engine_id)

    def want(self, wanted: Wanted) -> None:
        """Asks for a sync; several requests are answered one by one, other causes together."""
        if wanted.request_id or all(other.request_id for other in self._wanted):
            self._wanted.append(wanted)
        self._news.set()

    def set_interval(self, interval_s: float) -> None:
        """Changes the interval from now on."""
        self.interval_s = interval_s
        self._news.set()

    async def synced(self) -> None:
        """Waits for the first listing."""
        await self._first.wait()

    async def run(self, events: EventLoop) -> None:
        """Lists until cancelled."""
        loop = asyncio.get_running_loop()
        await self._whole(events)
        self.want(Wanted("start"))
        last = loop.time()
        while True:
            while not self._wanted and loop.time() < last + self.interval_s:
                await wait_for(self._news, last + self.interval_s)
            wanted = self._wanted.popleft() if self._wanted else Wanted("interval")
            if wanted.expires_at_ns is not None and wanted.expires_at_ns < self._shared.now_ns():
                self._shared.counts.add("expired_requests")
                continue
            # Kept in step, unless it fell behind by more than an interval.
            last = max(last + self.interval_s, loop.time() - self.interval_s) if wanted.cause == "interval" else loop.time()
            await self._guarded(wanted, events)

    async def _whole(self, events: EventLoop) -> bool:
        least_s, most_s = _WHOLE_S
        return await events.whole(min(max(self.interval_s, least_s), most_s))

    async def _guarded(self, wanted: Wanted, events: EventLoop) -> None:
        """One sync; a failed one is told in its place and by the next listing's `failures`, and the loop goes on."""
        name = self._shared.origin.engine_name
        retries = self._shared.counts.total["retries"]
        try:
            while not await self._sync(wanted, events):
                self._torn = self._torn + 1 if await self._whole(events) else _TORN_MOST
        except EngineError as error:
            self._failures += 1
            if not self._failing:
                _log.error("engine %s: a sync failed after all retries (%s); trying again every %gs", name, error, self.interval_s)
            self._failing = True
            events.reconnect()
            await self._tell_failure(error, wanted, self._shared.counts.total["retries"] - retries)
        else:
            if self._failing:
                _log.info("engine %s: syncs succeed again", name)
            self._failing = False

    async def _tell_failure(self, error: EngineError, wanted: Wanted, retries: int) -> None:
        """Says in the listing's place why there is none, and whether the engine showed any other sign of life."""
        shared = self._shared
        answered = shared.calls.answers > self._answers
        self._answers = shared.calls.answers
        why = {
            "cause": wanted.cause,
            "request_id": wanted.request_id,
            "sync_interval_ms": round(self.interval_s * 1000),
            "failures": self._failures,
            "error": str(error)[:500],
            "error_code": "sync_failed" if answered else "engine_unreachable",
            "retry_count": retries,
            "answered": answered,
        }
        async with shared.order:
            now_ns = shared.now_ns()
            await shared.outlet.publish([no_listing_record(shared.origin, At(shared.clock.generation, now_ns, now_ns), "failed", why)])

    async def _sync(self, wanted: Wanted, events: EventLoop) -> bool:
        """One listing; False: it was dropped, as events around it are still to come, and another is to be made.

        They would be older than what it says, and nothing would tell that they had been missing. An engine whose event stream is
        never whole is listed all the same: then nobody watched up to the listing.
        """
        shared = self._shared
        openings = events.openings
        begin = asyncio.get_running_loop().time()
        asked = shared.clock
        info = await shared.calls.info()
        told = time_ns(info.get("SystemTime"))
        if told is not None and not is_credible(told):
            # Nothing it says has a place in the order of what it said before; once its clock is set the next listing repairs all.
            raise EngineError(f"its clock says {text(info['SystemTime'])}: set it (timedatectl set-ntp true)")
        listed_at_ns = told if told is not None else shared.now_ns()
        async with shared.order:
            shared.advance(shared.clock.read(listed_at_ns, asked))
        seen = [entry for raw in await shared.calls.list() if (entry := await self._read(raw)) is not None]
        inspects = await self._inspect_what_is_new(seen)
        duration_s = asyncio.get_running_loop().time() - begin
        until_ns = listed_at_ns + round(duration_s * 1e9)
        await events.settled(_SETTLE_S)
        async with shared.order:
            joined = events.is_whole() and events.openings == openings
            if not joined and self._torn < _TORN_MOST:
                return False
            if not joined or events.unproven or self._watched_since_ns is None:
                self._watched_since_ns = listed_at_ns
                shared.store.remember_watched_since(shared.origin.engine_id, listed_at_ns)
            entries = self._entries(seen, inspects, listed_at_ns, until_ns)
            self.host = {"host_cpus": small(info.get("NCPU")) or 0, "host_memory_bytes": whole(info.get("MemTotal")) or 0}
            header = self.host | {
                "cause": wanted.cause,
                "request_id": wanted.request_id,
                "sync_interval_ms": round(self.interval_s * 1000),
                "duration_ms": round(duration_s * 1000),
                "failures": self._failures,
                "watched_since_ns": self._watched_since_ns,
                "engine_version": (text(info.get("ServerVersion")) or "")[:64],
                "api_version": shared.calls.engine.api_version[:32],
            }
            at = At(shared.clock.generation, listed_at_ns, shared.now_ns())
            await shared.outlet.publish(snapshot_records(shared.origin, at, header, entries))
            self._failures = 0
            self._answers = shared.calls.answers
            events.listed(listed_at_ns, whole=joined)
            self._torn = 0 if joined else _TORN_MOST
            self._first.set()
            shared.counts.add("syncs")
            return True

    async def _read(self, raw: object) -> Seen | None:
        try:
            seen = listed(raw, self._shared.rules)
        except InvalidMessage as error:
            self._failures += 1
            await self._shared.refuse("list", raw, error)
            return None
        if isinstance(seen, Skip):
            self._shared.counts.add(f"skipped.listed_{seen.reason}")
            return None
        return seen

    async def _inspect_what_is_new(self, seen: list[Seen]) -> dict[str, Inspected]:
        """Inspects by container id, of those first seen, started, updated or found different."""
        registry = self._shared.registry
        due: list[str] = []
        for entry in seen:
            container_id = entry.who.container["id"]
            known = registry.get(container_id)
            if not registry.is_gone(container_id) and (known is None or registry.needs_inspect(known, entry.state)):
                due.append(container_id)
        found = await asyncio.gather(*(self._inspect(container_id) for container_id in due))
        return {container_id: one for container_id, one in zip(due, found, strict=True) if one is not None}

    async def _inspect(self, container_id: str) -> Inspected | None:
        shared = self._shared
        known = shared.registry.get(container_id)
        heard = known.detail_events if known else 0
        try:
            answer = await shared.calls.inspect(container_id)
            if answer is None:
                return None
            details = inspected(answer)
        except EngineError:
            self._failures += 1
            return None
        except InvalidMessage as error:
            self._failures += 1
            await shared.refuse("inspect", answer, error)
            return None
        return Inspected(details, heard)

    def _entries(self, seen: list[Seen], inspects: dict[str, Inspected], listed_at_ns: int, until_ns: int) -> list[Json]:
        """The listing's entries, of which all was asked between two times of the engine's clock, ns."""
        registry = self._shared.registry
        entries: list[Json] = []
        for entry in seen:
            container_id = entry.who.container["id"]
            if registry.is_gone(container_id):
                continue
            known = registry.get(container_id)
            inspect = inspects.get(container_id)
            settled = known is None or known.last_state_event_ns < listed_at_ns - _HAIR_NS
            if inspect is not None and inspect.tells_a_change(entry.state, listed_at_ns, until_ns):
                settled, inspect = False, None  # it is of another instant; the next listing asks again
            known = registry.listed(entry, settled=settled)
            if inspect is not None and inspect.detail_events == known.detail_events:
                known.inspected(inspect.details)
            entries.append(
                {
                    "workspace_id": entry.who.identity.workspace_id,
                    "workspace_name": registry.workspace_name(entry.who),
                    "container": entry.who.container,
                    "state": entry.state,
                    "health": entry.health,
                    "unsettled": not settled,
                    "created_at_ns": entry.created_at_ns,
                    "inspect": inspect.details.record if inspect else None,
                }
            )
        registry.keep_only((entry.who.container["id"] for entry in seen), listed_at_ns)
        return entries
