"""What a campaign publishes: a made-up fleet watched by the real producer, and samples whose hours pass in seconds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from confluent_kafka import Producer

from producers.engine import EngineError, Events
from producers.engine_json import Json
from producers.fleet import FleetPlan, MadeUpEngine
from schemas import topics
from schemas.counters import COLUMNS, pack
from schemas.publish import Record, make_record, partition_of
from tests.faults.clock import TRUE_NS

_SECOND: Final = 10**9
_HOUR: Final = 3600 * _SECOND
#: Event time between two ticks of a workspace: an hour passes in forty.
STEP_NS: Final = 90 * _SECOND
ENGINE: Final = "hours-engine"


#: `gone`: calls fail and listeners are dropped. `drop`: only that. `hang`: calls take long, then fail. `slow`: they take a while.
Upset = Literal["gone", "drop", "hang", "slow"]
UPSETS: Final[tuple[Upset, ...]] = ("gone", "drop", "hang", "slow")
_SLOW_S: Final = 0.4
_LOOK_S: Final = 0.05


def write_fleet(path: Path, plan: FleetPlan, began_ns: int | None, upset: Upset | None = None, until_ns: int = 0) -> None:
    """Says what a fleet is, when it began (None: not yet), and what is the matter with its engine until when."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps({"plan": asdict(plan), "began_ns": began_ns, "upset": upset, "until_ns": until_ns}))
    written.replace(path)


def made_up(path: Path) -> UpsetEngine:
    """The engine that such a file describes; it looks there again and again."""
    plan = FleetPlan(**json.loads(path.read_text())["plan"])
    return UpsetEngine(plan, path)


class UpsetEngine(MadeUpEngine):
    """A made-up fleet whose engine has the trouble that stands in a file."""

    def __init__(self, plan: FleetPlan, path: Path) -> None:
        super().__init__(plan, lambda: self._said()["began_ns"], TRUE_NS)
        self._path = path

    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._path.read_text())
        return said

    def upset(self) -> Upset | None:
        """What is the matter now."""
        said = self._said()
        upset: Upset | None = said["upset"] if TRUE_NS() < said["until_ns"] else None
        return upset

    def _answer(self) -> None:
        upset = self.upset()
        if upset == "slow":
            time.sleep(_SLOW_S)
        while upset == "hang" and self.upset() == "hang":
            time.sleep(_LOOK_S)
        if upset in ("gone", "hang"):
            raise EngineError(f"the engine is upset: {upset}")

    def info(self) -> Json:
        self._answer()
        return super().info()

    def list(self) -> list[object]:
        self._answer()
        return super().list()

    def inspect(self, container_id: str) -> Json | None:
        self._answer()
        return super().inspect(container_id)

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        for container_id, reading in super().stats(container_ids, deadline):
            yield container_id, EngineError("the engine is upset") if self.upset() in ("gone", "hang") else reading

    def events(self, since_ns: int | None) -> Events:
        self._answer()
        return _Dropped(super().events(since_ns), self)


class _Dropped:
    """An open stream of events that breaks when its engine drops its listeners: the next event does not come any more."""

    def __init__(self, told: Events, engine: UpsetEngine) -> None:
        self._told, self._engine = told, engine
        self.close = told.close

    def __iter__(self) -> Iterator[object]:
        for event in self._told:
            if self._engine.upset() in ("gone", "drop"):
                raise EngineError("the engine dropped its listeners")
            yield event


class Ticks:
    """Ticks of some workspaces, forty to the hour, with repeats, late and disordered ones.

    Args:
        put: takes a record.
        past_h: so many hours ago they begin: the past, so that none is of the future.

    Attributes:
        sent: ticks handed over.
    """

    def __init__(self, put: Callable[[Record], None], prefix: str, seed: int, workspaces: int = 12, past_h: int = 60) -> None:
        self._put = put
        self._prefix = prefix
        self._draw = random.Random(seed)
        begin_ns = (time.time_ns() // _HOUR - past_h) * _HOUR
        self._at_ns = [begin_ns + number * 7 * _SECOND for number in range(workspaces)]
        self._begin_ns = begin_ns
        self._last: list[Record] = []
        self.sent = 0

    def step(self) -> None:
        """One tick of one workspace, or one that came before, once more."""
        number = self._draw.randrange(len(self._at_ns))
        chance = self._draw.random()
        if chance < 0.05 and self._last:
            self._produce(self._draw.choice(self._last))
        elif chance < 0.12:  # late: what is an hour or more behind, read or not
            back = self._draw.choice((STEP_NS // 2, 30 * 60 * _SECOND, _HOUR, 3 * _HOUR))
            self._tick(number, max(self._at_ns[number] - back + 1, self._begin_ns))
        else:
            self._at_ns[number] += STEP_NS
            self._tick(number, self._at_ns[number])

    def _tick(self, number: int, at_ns: int) -> None:
        workspace = f"hours-{number:02d}@past"
        passed = at_ns - self._begin_ns
        samples = [
            {"container_id": f"{number:02x}{which:02x}" * 16, "container_name": f"c{which}", "service": f"c{which}",
             "counters": _counters(at_ns + which, passed, number * 10 + which + 1)}
            for which in range(3)
        ]  # fmt: skip
        tick = {
            "workspace_id": workspace, "workspace_name": workspace.split("@", maxsplit=1)[0], "engine_id": ENGINE, "engine_name": "past",
            "generation": 0, "tick_at_ns": at_ns, "interval_ms": 90_000, "part": 0, "parts": 1, "host_cpus": 64,
            "host_memory_bytes": 64 << 30, "labels": {}, "samples": samples,
        }  # fmt: skip
        record = make_record(
            topics.DOCKER_STATS, self._prefix, workspace, tick,
            kind="stats_tick", record_id=f"{workspace}.{at_ns}.{self.sent}", timestamp_ms=max(at_ns, self._at_ns[number]) // 1_000_000,
        )  # fmt: skip
        self._last = [*self._last[-40:], record]
        self._produce(record)

    def _produce(self, record: Record) -> None:
        self._put(record)
        self.sent += 1


class Hours(Ticks):
    """Such ticks into a Kafka broker, and an end of it all; all are acknowledged when `close` returns."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int, seed: int, workspaces: int = 12) -> None:
        # It outlives any outage of the broker: what it was given is in the log when `close` returns.
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0,
            "message.timeout.ms": 600_000, "socket.timeout.ms": 5_000, "reconnect.backoff.max.ms": 500,
        }  # fmt: skip
        self._producer = Producer(settings)
        self._partitions = partitions
        super().__init__(self._send, prefix, seed, workspaces)

    def step(self) -> None:
        """One tick; what came of earlier ones is heard."""
        super().step()
        self._producer.poll(0)

    def close(self) -> None:
        """Hours later everything is over: all windows close, and every tick is acknowledged."""
        for later_h in (3, 3, 30):
            for number in range(len(self._at_ns)):
                self._at_ns[number] = min(self._at_ns[number] + later_h * _HOUR, time.time_ns() - 60 * _SECOND)
                self._tick(number, self._at_ns[number])
                self._at_ns[number] += _SECOND
        left = self._producer.flush(120)
        if left:
            raise AssertionError(f"{left} ticks were not taken by the broker within two minutes")

    def _send(self, record: Record) -> None:
        partition = partition_of(record.key, self._partitions)
        self._producer.produce(
            record.topic, record.value, record.key, partition, timestamp=record.timestamp_ms, headers=list(record.headers)
        )


def _counters(at_ns: int, passed_ns: int, share: int) -> bytes:
    said = dict.fromkeys(COLUMNS, -1) | {
        "read_ns": at_ns, "started_at_ns": at_ns - passed_ns - _SECOND, "online_cpus": 64, "cpu_total_ns": passed_ns * share // 100,
        "system_cpu_ns": passed_ns * 64, "throttled_ns": 0, "memory_usage_bytes": (share << 20) + passed_ns % 1_000_003,
        "memory_limit_bytes": 1 << 30, "memory_inactive_file_bytes": 4096, "page_faults": passed_ns // 1_000_000, "pids": share,
        "network_rx_bytes": passed_ns // 1_000 * share, "network_tx_bytes": passed_ns // 2_000 * share,
        "block_read_bytes": passed_ns // 3_000, "block_write_bytes": passed_ns // 4_000,
        "interfaces_hash": 1, "devices_hash": 2, "network_namespace": share,
    }  # fmt: skip
    return pack([said[name] for name in COLUMNS])
