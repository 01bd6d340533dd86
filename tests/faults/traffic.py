"""What a campaign publishes: a made-up fleet watched by the real producer, and samples whose hours pass in seconds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from producers.fleet import FleetPlan, MadeUpEngine
from schemas import topics
from schemas.counters import COLUMNS, pack
from schemas.publish import Record, make_record, partition_of

_SECOND: Final = 10**9
_HOUR: Final = 3600 * _SECOND
#: Event time between two ticks of a workspace: an hour passes in forty.
STEP_NS: Final = 90 * _SECOND
ENGINE: Final = "hours-engine"


def write_fleet(path: Path, plan: FleetPlan, began_ns: int | None) -> None:
    """Says what a fleet is, and when it began; None: not yet."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps({"plan": asdict(plan), "began_ns": began_ns}))
    written.replace(path)


def made_up(path: Path) -> MadeUpEngine:
    """The engine that such a file describes; it looks there again until its history has begun."""
    plan = FleetPlan(**json.loads(path.read_text())["plan"])
    return MadeUpEngine(plan, lambda: json.loads(path.read_text())["began_ns"])


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
