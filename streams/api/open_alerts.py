"""The alerts that last: what the log tells from the start on, and what the archive adds of the time before."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

Record = Mapping[str, Any]

#: Resolved alerts that are remembered: an archive that is behind may still call them open.
_KEEP: Final = 10_000
#: Alerts that last, at most.
_MOST: Final = 100_000


class OpenAlert(NamedTuple):
    """What an alert is counted by; empty: it has none."""

    workspace_id: str
    engine_id: str
    rule: str


class OpenAlerts:
    """Alerts by their deduplication key; what is taken may repeat."""

    def __init__(self) -> None:
        self._open: dict[str, OpenAlert] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        #: The archive has told of those that were raised before the log's begin.
        self.whole = False

    def take_event(self, event: Record) -> None:
        """Takes an event of the log."""
        alert = event.get("alert")
        if alert is None:
            return
        key = alert["dedup_key"]
        if event["type"] == "alert_resolved":
            self._open.pop(key, None)
            self._over[key] = None
            while len(self._over) > _KEEP:
                self._over.popitem(last=False)
        elif event["type"] == "alert_raised":
            self._add(key, OpenAlert(event["workspace_id"] or "", event["engine_id"] or "", alert["rule"]))

    def take_archived(self, rows: Iterable[Record]) -> None:
        """Takes what the archive calls open."""
        for row in rows:
            self._add(row["dedup_key"], OpenAlert(row["workspace_id"] or "", row["engine_id"] or "", row["rule"]))
        self.whole = True

    def _add(self, key: str, alert: OpenAlert) -> None:
        if key not in self._over and len(self._open) < _MOST:
            self._open[key] = alert

    def count(self, exists: Iterable[str]) -> Counter[OpenAlert]:
        """How many last, of engines and of these workspaces: one that was forgotten has none."""
        known = {"", *exists}
        return Counter(alert for alert in self._open.values() if alert.workspace_id in known)
