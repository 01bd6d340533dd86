"""What `wst doctor` says of engines from the events that were told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from streams.cli.checks import Finding
from streams.cli.text import local

Event = Mapping[str, Any]

#: How far back errors of engines are looked for.
LOOK_BACK: Final = "30d"
#: Told again every hour while it lasts.
TWICE: Final = {
    "duplicate_engine_name": "give each its own WST_ENGINE_NAME",
    "duplicate_engine_id": "stop all but one producer; cloned machines need a WST_ENGINE_ID each",
}
TWICE_LOOK_BACK: Final = "65m"
_FIXES: Final = {
    "engine_silent": "is its host up, does its producer run and reach the broker? What is gone for good, `wst forget` removes",
    "engine_unreachable": "start its Docker Engine (systemctl start docker); its producer tries again by itself",
    "sync_failed": "see the producer's log; it tries again by itself",
}


def engines(events: Iterable[Event]) -> Iterator[Finding]:
    """What is not over of each engine.

    Args:
        events: its errors and recoveries, the newest first.
    """
    seen: set[str] = set()
    for event in events:
        code = event["data"].get("code")
        if event["stream"] != "engine" or code in TWICE or event["engine_id"] in seen:
            continue
        seen.add(event["engine_id"])
        if event["type"] == "error" and code in _FIXES:
            yield Finding("warning" if code == "sync_failed" else "fault", "engine", _said(event), _FIXES[code])


def twice(events: Iterable[Event]) -> Iterator[Finding]:
    """Engines that are there twice, of the events of the last hour."""
    seen: set[str] = set()
    for event in events:
        code = event["data"].get("code")
        if event["stream"] == "engine" and code in TWICE and event["message"] not in seen:
            seen.add(event["message"])
            yield Finding("fault", "producer", _said(event), TWICE[code])


def _said(event: Event) -> str:
    return f"{event['message']} (since {local(event['timestamp'])})"
