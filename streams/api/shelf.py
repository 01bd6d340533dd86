"""Every workspace's JSON as bytes, made once per change: a list of a thousand is then a matter of joining."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streams.query.present import state_json
from streams.query.state_view import StateRecord, StateView
from streams.query.usage_view import UsageView

#: Samples of a thousand workspaces trickle in all the time: the whole list is not joined anew for each.
_FRESH_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Made:
    record: StateRecord
    usage: int
    whole: bytes
    metrics: bytes


@dataclass(frozen=True, slots=True)
class _Whole:
    states: int
    at_s: float
    version: str
    body: bytes


class Shelf:
    """What the views say, encoded. Nothing is made before someone asks."""

    def __init__(self, states: StateView, usage: UsageView) -> None:
        self._states = states
        self._usage = usage
        self._made: dict[str, _Made] = {}
        self._all: _Whole | None = None
        self._name = secrets.token_hex(4)

    @property
    def version(self) -> str:
        """Another text whenever anything changed: an ETag of everything. Of this process, as its counters are."""
        return f"{self._name}.{self._states.changes}.{self._usage.changes}"

    def version_of(self, record: StateRecord) -> str:
        """The same of one workspace."""
        workspace_id = record["workspace_id"]
        position = self._states.position(workspace_id)
        at = f"{position.epoch}.{position.offset}" if position is not None else ""
        return f"{self._name}.{at}.{self._usage.version(workspace_id)}"

    def whole(self, record: StateRecord) -> bytes:
        """A workspace as users see it, with its metrics."""
        return self._of(record).whole

    def metrics(self, record: StateRecord) -> bytes:
        """A workspace's id and metrics alone."""
        return self._of(record).metrics

    def all(self) -> tuple[str, bytes]:
        """Every workspace by id, and the version that is: figures may be a tenth of a second old, a status never is."""
        now_s = time.monotonic()
        whole = self._all
        if whole is None or whole.states != self._states.changes or (now_s - whole.at_s > _FRESH_S and whole.version != self.version):
            whole = self._all = _Whole(self._states.changes, now_s, self.version, self.list(self._states))
        return whole.version, whole.body

    def list(self, records: Iterable[StateRecord]) -> bytes:
        """Several workspaces, as a list."""
        return b"[" + b",".join([self._of(record).whole for record in records]) + b"]"

    def _of(self, record: StateRecord) -> _Made:
        workspace_id = record["workspace_id"]
        usage = self._usage.version(workspace_id)
        made = self._made.get(workspace_id)
        if made is None or made.record is not record or made.usage != usage:
            made = self._made[workspace_id] = self._make(record, usage)
            if len(self._made) > 2 * len(self._states) + 100:
                self._tidy()
        return made

    def _make(self, record: StateRecord, usage: int) -> _Made:
        shown: dict[str, Any] = state_json(record, self._usage.metrics_of(record))
        metrics = {"workspace_id": shown["workspace_id"], "metrics": shown["metrics"]}
        return _Made(record, usage, orjson.dumps(shown), orjson.dumps(metrics))

    def _tidy(self) -> None:
        for workspace_id in [each for each in self._made if self._states.get(each) is None]:
            del self._made[workspace_id]
