"""A recording played as an engine: any speed, times shifted to now, in a loop.

Time only goes forward. Each loop's containers get ids of their own, as an engine never uses an id again. Faster than
1, it begins as long ago as the recording lasts and catches up with now, so that neither rates nor times are false.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from producers.engine import EngineError, Events
from producers.engine_json import Json, mapping, time_ns, whole
from producers.recording import Entry, Header

#: Between two loops, ns.
_PAUSE_NS: Final = 2_000_000_000
#: An inspect recorded this little later is the answer to the same event, ns.
_SOON_NS: Final = 300_000_000
_SECOND: Final = 1_000_000_000


class Playback:
    """Position in a recording over time.

    Args:
        duration_ns: length of one round, ns.
        speed: seconds of the recording that pass in one, until it has caught up with now.
    """

    def __init__(self, duration_ns: int, speed: float, *, loop: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._speed = speed
        self._lead_ns = duration_ns if speed > 1 else 0
        self.base_ns = time.time_ns() - self._lead_ns
        self.round_ns = duration_ns
        self.loop = loop

    def position(self) -> int:
        """How much was played over all rounds, ns."""
        passed = (self._clock() - self._began) * 1e9
        return round(min(passed * self._speed, passed + self._lead_ns) if self._speed > 1 else passed * self._speed)

    def wait_s(self, position: int) -> float:
        """Seconds until a position is reached; not above 0: it is."""
        return (position - self.position()) / 1e9 / max(self._speed, 1.0)

    def finished(self) -> bool:
        """All is played; never in a loop."""
        return not self.loop and self.position() >= self.round_ns


class RecordedEngine:
    """A recording as an engine.

    Args:
        name: for people: where the recording is from.
    """

    def __init__(self, name: str, header: Header, entries: Sequence[Entry], *, speed: float = 1.0, loop: bool = False) -> None:
        self.url = name
        self.api_version = header.api_version
        self.collect_s = header.collect_s
        end = entries[-1].offset_ns if entries else 0
        self.playback = Playback(end + _PAUSE_NS, speed, loop=loop)
        self._salt = str(self.playback.base_ns)
        self._began_ns = header.began_ns
        self._events = [entry for entry in entries if entry.kind == "event"]
        self._syncs = _pairs(entries)
        self._by_id: dict[str, defaultdict[str, list[Entry]]] = {"inspect": defaultdict(list), "stats": defaultdict(list)}
        for entry in entries:
            if entry.kind in self._by_id:
                self._by_id[entry.kind][entry.container_id].append(entry)
        self._destroyed = {_actor(entry): entry.offset_ns for entry in self._events if mapping(entry.answer).get("Action") == "destroy"}
        self._originals: dict[str, tuple[str, int]] = {}
        self._given: dict[str, int] = {}
        self._listing: tuple[int, list[Any]] = (0, [])
        self._all_told = False
        self._syncs_at_the_end = 0
        self._lock = threading.Lock()

    def info(self) -> Json:
        """The engine as of the last recorded sync: its listing follows from `list`."""
        self._syncs_at_the_end += self._all_told and self.playback.finished()
        number, offset = self._where()
        at = bisect_right(self._syncs, offset, key=lambda pair: pair[1].offset_ns) - 1
        if not self._syncs:
            raise EngineError("the recording holds no listing")
        info, listing = self._syncs[max(at, 0)]
        self._listing = (number, listing.answer)
        told = time_ns(mapping(info.answer).get("SystemTime")) or self._began_ns
        return {**info.answer, "SystemTime": rfc3339(self._shifted(told, number))}

    def over(self) -> bool:
        """All is played, all events were taken, and a listing of how it ended was dealt with: another one has begun."""
        return self._syncs_at_the_end > 1

    def list(self) -> list[object]:
        """The listing recorded with the last `info`."""
        number, entries = self._listing
        return [self._listed(entry, number) for entry in entries]

    def _listed(self, entry: Json, number: int) -> Json:
        created_ns = (whole(entry.get("Created")) or 0) * _SECOND
        return {**entry, "Id": self._renamed(entry["Id"], number), "Created": self._shifted(created_ns, number) // _SECOND}

    def inspect(self, container_id: str) -> Json | None:
        """The details recorded last, or for the event just heard; None once the container is destroyed."""
        number, offset = self._where()
        original, of_round = self._originals.get(container_id, ("", -1))
        recorded = self._by_id["inspect"].get(original)
        if not recorded or of_round != number or self._destroyed.get(original, offset) < offset:
            return None
        at = bisect_right(recorded, offset, key=lambda entry: entry.offset_ns)
        soon = at < len(recorded) and (at == 0 or recorded[at].offset_ns - offset < _SOON_NS)
        return self._inspect(recorded[at if soon else at - 1].answer, number)

    def _inspect(self, answer: Json, number: int) -> Json:
        state = {**mapping(answer.get("State"))}
        for key in ("StartedAt", "FinishedAt"):
            state[key] = self._shifted_text(state.get(key), number)
        host = {**mapping(answer.get("HostConfig"))}
        kind, colon, owner = str(host.get("NetworkMode", "")).partition(":")
        if kind == "container" and colon:
            host["NetworkMode"] = f"container:{self._renamed(owner, number)}"
        return {
            **answer,
            "Id": self._renamed(answer["Id"], number),
            "Created": self._shifted_text(answer.get("Created"), number),
            "State": state,
            "HostConfig": host,
        }

    def told_all(self) -> None:
        """A reader has taken the last event."""
        self._all_told = True

    def events(self, since_ns: int | None) -> Events:
        """Events from a time on, each when its moment comes."""
        return _Played(self, since_ns)

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        """The last recorded reading of each container that was not given yet; of the others nothing."""
        del deadline
        number, offset = self._where()
        for container_id in container_ids:
            original, of_round = self._originals.get(container_id, ("", -1))
            recorded = self._by_id["stats"].get(original, [])
            at = bisect_right(recorded, offset, key=lambda entry: entry.offset_ns) - 1
            if of_round == number and at > self._given.get(container_id, -1):
                self._given[container_id] = at
                answer = recorded[at].answer
                yield container_id, {**answer, "read": self._shifted_text(answer.get("read"), number)}

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def _round(self) -> int:
        return self.playback.round_ns

    def _where(self) -> tuple[int, int]:
        """Round and offset in it; a recording that is not looped stays at its end."""
        number, offset = divmod(self.playback.position(), self._round)
        return (number, offset) if self.playback.loop or number == 0 else (0, self._round)

    def _shifted(self, at_ns: int, number: int) -> int:
        return at_ns - self._began_ns + self.playback.base_ns + number * self._round

    def _shifted_text(self, at: object, number: int) -> str:
        told = time_ns(at)
        return "0001-01-01T00:00:00Z" if told is None else rfc3339(self._shifted(told, number))

    def _renamed(self, container_id: str, number: int) -> str:
        """The id of a container in a round."""
        renamed = blake2b(f"{container_id}.{number}.{self._salt}".encode(), digest_size=32).hexdigest()
        with self._lock:
            self._originals[renamed] = (container_id, number)
        return renamed

    def played(self, since_ns: int | None) -> Iterator[tuple[int, Json]]:
        """All events as (position, event) from a time on, round by round."""
        number = 0 if since_ns is None else max((since_ns - self.playback.base_ns) // self._round, 0)
        while self._events and (self.playback.loop or number == 0):
            for entry in self._events:
                event = self._event(entry.answer, number)
                if since_ns is None or event["timeNano"] >= since_ns:
                    yield number * self._round + entry.offset_ns, event
            self._forget(number - 1)
            number += 1

    def _event(self, raw: Json, number: int) -> Json:
        at = self._shifted(whole(raw.get("timeNano")) or self._began_ns, number)
        actor = mapping(raw.get("Actor"))
        renamed = self._renamed(str(actor.get("ID", "")), number)
        return {**raw, "timeNano": at, "time": at // _SECOND, "Actor": {**actor, "ID": renamed}}

    def _forget(self, number: int) -> None:
        """Drops the ids of a round that is long over."""
        with self._lock:
            for renamed in [new for new, (_, of_round) in self._originals.items() if of_round == number]:
                del self._originals[renamed]
                self._given.pop(renamed, None)


class _Played:
    def __init__(self, engine: RecordedEngine, since_ns: int | None) -> None:
        self._engine = engine
        self._since_ns = since_ns
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[object]:
        for position, event in self._engine.played(self._since_ns):
            while (left := self._engine.playback.wait_s(position)) > 0:
                if self._closed.wait(min(left, 1.0)):
                    raise EngineError("the event stream was closed")
            yield event
        self._engine.told_all()
        self._closed.wait()
        raise EngineError("the recording is over")

    def close(self) -> None:
        self._closed.set()


def _pairs(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Each listing with the `/info` made before it."""
    pairs: list[tuple[Entry, Entry]] = []
    info: Entry | None = None
    for entry in entries:
        if entry.kind == "info":
            info = entry
        elif entry.kind == "list" and info is not None:
            pairs.append((info, entry))
    return pairs


def _actor(entry: Entry) -> str:
    return str(mapping(mapping(entry.answer).get("Actor")).get("ID", ""))


def rfc3339(at_ns: int) -> str:
    seconds, fraction = divmod(at_ns, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
