"""Every workspace's JSON as bytes, made once per change: a list of a thousand (`listing.py`) is then a matter of joining."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import orjson

from streams.query.present import standing_json, workspace_metrics_json
from streams.query.state_view import StateRecord, StateView
from streams.query.usage_view import UsageView


@dataclass(frozen=True, slots=True)
class _Made:
    """Attributes:
    standing: all but the metrics, open at its end.
    """

    record: StateRecord
    usage: int
    standing: bytes
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

    @property
    def states(self) -> int:
        """Counts the changes of states: a status is never shown as it was."""
        return self._states.changes

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

    def _of(self, record: StateRecord) -> _Made:
        workspace_id = record["workspace_id"]
        usage = self._usage.version(workspace_id)
        made = self._made.get(workspace_id)
        if made is None or made.record is not record or made.usage != usage:
            made = self._made[workspace_id] = self._make(record, usage, made)
            if len(self._made) > 2 * len(self._states) + 100:
                self._tidy()
        return made

    def _make(self, record: StateRecord, usage: int, before: _Made | None) -> _Made:
        standing = before.standing if before is not None and before.record is record else orjson.dumps(standing_json(record))[:-1]
        metrics = b',"metrics":' + orjson.dumps(workspace_metrics_json(record, self._usage.metrics_of(record))) + b"}"
        alone = orjson.dumps({"workspace_id": record["workspace_id"]})[:-1]
        return _Made(record, usage, standing, standing + metrics, alone + metrics)

    def _tidy(self) -> None:
        for workspace_id in [each for each in self._made if self._states.get(each) is None]:
            del self._made[workspace_id]
