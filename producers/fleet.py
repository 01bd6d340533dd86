"""A made-up fleet: an engine whose whole history follows from a seed, at its own pace, for faults and load.

What happened and when is a pure function of the plan (`history`), so whoever compares afterwards needs no witness. Like a real engine
it answers what is asked now, and tells again what happened since a time: a producer that was killed misses nothing.
"""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from producers.engine import EngineError, Events
from producers.engine_json import Json
from producers.recorded import rfc3339

_SECOND: Final = 1_000_000_000
_MS: Final = 1_000_000
#: What the counters of the whole machine count from, so that they fit 64 bits for decades.
_EPOCH_NS: Final = 1_700_000_000 * _SECOND
#: What one deed is in the engine's events, and by which state it may be done: (actions with their attributes, state afterwards).
_DEEDS: Final[dict[str, tuple[tuple[tuple[tuple[str, dict[str, str]], ...], str], ...]]] = {
    "running": (
        ((("die", {"exitCode": "0"}),), "exited"),
        ((("die", {"exitCode": "3"}),), "exited"),
        ((("kill", {"signal": "15"}), ("die", {"exitCode": "143"}), ("stop", {})), "exited"),
        ((("kill", {"signal": "9"}), ("die", {"exitCode": "137"})), "exited"),
        ((("oom", {}), ("die", {"exitCode": "137"})), "exited"),
        ((("kill", {"signal": "15"}), ("die", {"exitCode": "0"}), ("stop", {}), ("start", {}), ("restart", {})), "running"),
        ((("pause", {}),), "paused"),
    ),
    "paused": (((("unpause", {}),), "running"),),
    "exited": (((("start", {}),), "running"), ((("start", {}),), "running"), ((("destroy", {}),), "removed")),
    "removed": (((("create", {}), ("start", {})), "running"),),
}
#: The state an action leaves a container in; the others leave it as it is.
_AFTER: Final = {"create": "created", "start": "running", "die": "exited", "pause": "paused", "unpause": "running", "destroy": "removed"}


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What a fleet is and does.

    Attributes:
        seed: the same does the same.
        deeds: things done to containers beside their first start, a second.
        seconds: how long something is done; then it stays as it is.
        label_bytes: size of a label that every seventh workspace carries.
    """

    seed: int = 1
    workspaces: int = 20
    containers: int = 3
    deeds: float = 20.0
    seconds: float = 60.0
    label_bytes: int = 0


@dataclass(slots=True)
class _Slot:
    """One service of one workspace: a container at a time, each with an id of its own."""

    workspace: str
    service: str
    labels: dict[str, str]
    lives: int = 0
    id: str = ""
    state: str = "removed"

    def event(self, action: str, said: dict[str, str], at_ns: int) -> Json:
        attributes = {"name": f"{self.workspace}-{self.service}", "image": "made-up:1", **self.labels, **said}
        actor = {"ID": self.id, "Attributes": attributes}
        return {"Type": "container", "Action": action, "Actor": actor, "scope": "local", "time": at_ns // _SECOND, "timeNano": at_ns}


def history(plan: FleetPlan, began_ns: int) -> Iterator[Json]:
    """Every event of a fleet as its engine tells it, in order; `began_ns`: when the first container is created."""
    draw = random.Random(plan.seed)  # noqa: S311  # the same for the same seed is the point
    slots = [_slot(plan, number, service) for number in range(plan.workspaces) for service in range(plan.containers)]
    at_ns = began_ns
    for slot in slots:
        yield from _do(plan, slot, _DEEDS["removed"][0], at_ns)
        at_ns += 3 * _MS
    for number in range(round(plan.deeds * plan.seconds)):
        slot = slots[draw.randrange(len(slots))]
        due_ns = began_ns + round(number / plan.deeds * _SECOND)
        # A deed's events lie a millisecond apart; no two of the fleet at the same time, so that there is one order.
        at_ns = max(due_ns, at_ns + 10 * _MS)
        yield from _do(plan, slot, draw.choice(_DEEDS[slot.state]), at_ns)


def _slot(plan: FleetPlan, number: int, service: int) -> _Slot:
    name = f"ws-{number:05d}"
    labels = {"com.docker.compose.project": name, "com.docker.compose.service": f"s{service}"}
    if plan.label_bytes and number % 7 == 3:
        labels["workspace.notes"] = "x" * plan.label_bytes
    return _Slot(name, f"s{service}", labels)


def _do(plan: FleetPlan, slot: _Slot, deed: tuple[tuple[tuple[str, dict[str, str]], ...], str], at_ns: int) -> Iterator[Json]:
    actions, state = deed
    if slot.state == "removed":
        slot.lives += 1
        known = f"{plan.seed}.{slot.workspace}.{slot.service}.{slot.lives}"
        slot.id = blake2b(known.encode(), digest_size=32).hexdigest()
    slot.state = state
    for number, (action, said) in enumerate(actions):
        yield slot.event(action, said, at_ns + number * _MS)


@dataclass(slots=True)
class _Container:
    """A container as the engine answers for it."""

    id: str
    name: str
    labels: dict[str, str]
    created_ns: int
    state: str = "created"
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int = 0
    oom: bool = False


class MadeUpEngine:
    """A fleet as an engine.

    Args:
        began_ns: when its history began; None: nothing is there yet, ask again.
        clock_ns: the engine's clock.
    """

    api_version: Final = "1.45"

    def __init__(self, plan: FleetPlan, began_ns: Callable[[], int | None], clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.url = f"a made-up fleet of seed {plan.seed}"
        self._plan = plan
        self._began_ns = began_ns
        self._clock_ns = clock_ns
        self._events: list[Json] = []
        self._folded = 0
        self._containers: dict[str, _Container] = {}
        self._lock = threading.Lock()

    def info(self) -> Json:
        """What a producer asks of `/info`."""
        system = {"NCPU": 8, "MemTotal": 256 << 30, "ServerVersion": "28.0.0", "SystemTime": rfc3339(self._clock_ns())}
        return {"ID": f"made-up-{self._plan.seed}", "Name": "fleet", **system}

    def list(self) -> list[object]:
        """All containers there are now."""
        return [
            {"Id": one.id, "Names": [f"/{one.name}"], "Image": "made-up:1", "Labels": one.labels, "State": one.state,
             "Created": one.created_ns // _SECOND, "Status": one.state}
            for one in self._now()
        ]  # fmt: skip

    def inspect(self, container_id: str) -> Json | None:
        """One container's details."""
        self._now()
        one = self._containers.get(container_id)
        if one is None:
            return None
        running = one.state in ("running", "paused")
        state = {
            "Status": one.state, "Running": running, "Paused": one.state == "paused", "ExitCode": one.exit_code, "OOMKilled": one.oom,
            "StartedAt": rfc3339(one.started_ns) if one.started_ns else "0001-01-01T00:00:00Z",
            "FinishedAt": rfc3339(one.finished_ns) if one.finished_ns else "0001-01-01T00:00:00Z",
        }  # fmt: skip
        return {
            "Id": one.id, "Name": f"/{one.name}", "Created": rfc3339(one.created_ns), "State": state, "RestartCount": 0,
            "Config": {"Labels": one.labels}, "HostConfig": {"NetworkMode": "bridge"},
        }  # fmt: skip

    def events(self, since_ns: int | None) -> Events:
        """Events from a time on, each when its moment has come."""
        return _Told(self, self._clock_ns() if since_ns is None else since_ns)

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        """A reading of each container that runs, of counters that follow from its id and the time."""
        del deadline
        self._now()
        for container_id in container_ids:
            one = self._containers.get(container_id)
            if one is None or one.state not in ("running", "paused"):
                yield container_id, None
            else:
                yield container_id, reading(container_id, one.started_ns, self._clock_ns())

    def close(self) -> None:
        """Nothing to let go of."""

    def all_events(self) -> Sequence[Json]:
        """The whole history, later events too; empty before it began."""
        if not self._events and (began_ns := self._began_ns()) is not None:
            self._events = list(history(self._plan, began_ns))
        return self._events

    def now_ns(self) -> int:
        """The engine's clock."""
        return self._clock_ns()

    def _now(self) -> Sequence[_Container]:
        """The containers as of now."""
        with self._lock:
            events, now_ns = self.all_events(), self._clock_ns()
            while self._folded < len(events) and events[self._folded]["timeNano"] <= now_ns:
                self._take(events[self._folded])
                self._folded += 1
            return tuple(self._containers.values())

    def _take(self, event: Json) -> None:
        container_id, at_ns, action = event["Actor"]["ID"], event["timeNano"], event["Action"]
        attributes: dict[str, str] = event["Actor"]["Attributes"]
        if action == "create":
            labels = {name: text for name, text in attributes.items() if name.startswith(("com.", "workspace."))}
            self._containers[container_id] = _Container(container_id, attributes["name"], labels, at_ns)
        one = self._containers[container_id]
        one.state = _AFTER.get(action, one.state)
        if action == "start":
            one.started_ns, one.oom = at_ns, False
        elif action == "oom":
            one.oom = True
        elif action == "die":
            one.finished_ns, one.exit_code = at_ns, int(attributes["exitCode"])
        elif action == "destroy":
            del self._containers[container_id]


class _Told:
    """An open stream of events."""

    def __init__(self, engine: MadeUpEngine, since_ns: int) -> None:
        self._engine = engine
        self._since_ns = since_ns
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[object]:
        engine = self._engine
        while not engine.all_events():
            self._wait(0.05)
        events = engine.all_events()
        for number in range(bisect_left(events, self._since_ns, key=lambda event: int(event["timeNano"])), len(events)):
            while (left_ns := events[number]["timeNano"] - engine.now_ns()) > 0:
                self._wait(min(left_ns / _SECOND, 1.0))
            yield events[number]
        while True:
            self._wait(1.0)

    def _wait(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise EngineError("the event stream was closed")

    def close(self) -> None:
        self._closed.set()


def reading(container_id: str, started_ns: int, at_ns: int) -> Json:
    """Counters of a container, as `/containers/ID/stats` has them: they only grow while it runs."""
    share = int(container_id[:4], 16) % 90 + 1
    ran_ns = max(at_ns - started_ns, 0)
    used_ns, moved = ran_ns * share // 100, ran_ns // 1_000
    memory: dict[str, Any] = {
        "usage": (share << 20) + moved % 4096,
        "limit": 1 << 30,
        "stats": {"inactive_file": 1 << 16, "pgfault": moved},
    }
    ways = {f"{way}_{what}": moved * share for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")}
    blocks = [{"major": 8, "minor": 0, "op": op, "value": moved * share} for op in ("read", "write")]
    return {
        "read": rfc3339(at_ns), "pids_stats": {"current": share % 7 + 1}, "networks": {"eth0": ways}, "memory_stats": memory,
        "blkio_stats": {"io_service_bytes_recursive": blocks, "io_serviced_recursive": None},
        "cpu_stats": {
            "cpu_usage": {"total_usage": used_ns, "usage_in_kernelmode": used_ns // 3, "usage_in_usermode": used_ns - used_ns // 3},
            "system_cpu_usage": (at_ns - _EPOCH_NS) * 8, "online_cpus": 8,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        },
    }  # fmt: skip
