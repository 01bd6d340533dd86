"""The clock that notices a silent engine, also when no record comes at all.

It decides nothing: it writes a record into the order of the engine's listings that says which last sign of life it knows of, and
the reconcile agent, folding it, finds that still the last or ignores it. So a worker that lags, stood still or was replaced never
makes an engine silent falsely, and a replay decides the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from schemas import topics
from schemas.identity import fact_id
from schemas.publish import Record, make_record
from streams.engine_rows import EngineRow
from streams.lane import Table
from streams.query.state_view import StateView

#: A clock that was not asked for so long has stood still with its process, s: what it missed is no silence of others.
_STOOD_STILL_S: Final = 5.0


class Silence:
    """Time since each engine's last sign of life, as this worker heard it.

    Args:
        table: the engines.
        send: takes the records.
        view: which workspaces know of a silence.
        monotonic_s: clock that never jumps, s.
        now_ns: the wall's, ns since the Unix epoch.
    """

    def __init__(
        self,
        table: Table[EngineRow],
        prefix: str,
        send: Callable[[Record], None],
        view: StateView,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._table = table
        self._prefix = prefix
        self._send = send
        self._view = view
        self._monotonic_s = monotonic_s
        self._now_ns = now_ns
        self._heard_s: dict[int, dict[bytes, float]] = {}
        self._looked_s: dict[int, float] = {}

    def begin(self, partition: int) -> None:
        """Reading of a partition begins: nothing was heard yet, and nothing missed."""
        self._heard_s[partition] = {}
        self._looked_s.pop(partition, None)

    def heard(self, partition: int, key: bytes) -> None:
        """The engine showed a sign of life."""
        self._heard_s.setdefault(partition, {})[key] = self._monotonic_s()

    def tick(self, partition: int) -> None:
        """Looks at all engines of a partition that is read."""
        now_s = self._monotonic_s()
        heard_s = self._heard_s.setdefault(partition, {})
        if now_s - self._looked_s.get(partition, now_s) > _STOOD_STILL_S:
            heard_s.clear()
        self._looked_s[partition] = now_s
        for key in self._table.keys(partition):
            row = self._table.get(partition, key)
            if row is None or not row.health.heard_ns or not row.health.interval_ms:
                continue
            since_s = heard_s.setdefault(key, now_s)
            if now_s - since_s <= row.health.silent_after_ms / 1000:
                continue
            heard_s[key] = now_s  # said once, and again after as long: until it is folded, or to who does not know it yet
            engine_id = key.decode("utf-8", "surrogateescape")
            if row.health.problem != "engine_silent" or self._someone_lacks(engine_id):
                self._send(self._silent(engine_id, row))

    def _someone_lacks(self, engine_id: str) -> bool:
        return any(engine_id not in state["silent_engines"] for state in self._view.states_of(engine_id))

    def _silent(self, engine_id: str, row: EngineRow) -> Record:
        now_ns, health = self._now_ns(), row.health
        value = {
            "snapshot_id": fact_id("silent", engine_id, health.heard_ns, now_ns),
            "engine_id": engine_id,
            "engine_name": health.name,
            "generation": health.generation,
            "listed_at_ns": health.heard_ns,
            "recorded_at_ns": now_ns,
            "part": 0,
            "parts": 2,
            "sync_interval_ms": health.interval_ms,
            "containers": [],
            "outcome": "silent",
            "error_code": "engine_silent",
        }
        return make_record(
            topics.DOCKER_SNAPSHOTS,
            self._prefix,
            engine_id,
            value,
            kind="snapshot",
            record_id=str(value["snapshot_id"]),
            timestamp_ms=now_ns // 1_000_000,
        )
