"""Every workspace's JSON as bytes, made once per change: a list of a thousand is then a matter of joining."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from streams.query.present import state_json
from streams.query.state_view import StateRecord, StateView
from streams.query.usage_view import UsageView


@dataclass(frozen=True, slots=True)
class _Made:
    record: StateRecord
    usage: int
    whole: bytes
    metrics: bytes


class Shelf:
    """What the views say, encoded. Nothing is made before someone asks."""

    def __init__(self, states: StateView, usage: UsageView) -> None:
        self._states = states
        self._usage = usage
        self._made: dict[str, _Made] = {}
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
