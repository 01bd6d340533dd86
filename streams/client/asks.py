"""Requests to producers, written into `workspace.control`: list now, set an interval."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from schemas import topics
from schemas.errors import SettingError
from schemas.publish import Record, make_record
from schemas.settings import Settings

#: A request nobody has answered by then is answered no more, s.
EXPIRES_S: Final = 60
EVERYONE: Final = "*"


def sync_request(settings: Settings, request_id: str, workspace_id: str | None, by: str) -> Record:
    """Asks every producer to list now; `sync_complete` answers with the id."""
    expires_ns = time.time_ns() + EXPIRES_S * 10**9
    section = {"id": request_id, "workspace_id": workspace_id or "", "expires_at_ns": expires_ns, "by": by}
    return _control(settings, "sync_request", EVERYONE, section, request_id)


def interval_request(settings: Settings, name: str, seconds: float) -> Record:
    """Sets an interval of every producer, also for their next starts."""
    return _control(
        settings,
        "interval",
        f"{EVERYONE}:{name}",
        {"name": name, "interval_ms": round(seconds * 1000)},
        f"interval.{name}.{time.time_ns()}",
    )


def _control(settings: Settings, kind: str, key: str, section: dict[str, Any], record_id: str) -> Record:
    now_ns = time.time_ns()
    value = {"kind": kind, "target": EVERYONE, "written_at_ns": now_ns, kind: section}
    topic = topics.WORKSPACE_CONTROL
    return make_record(topic, settings.topic_prefix, f"{key}:{kind}", value, kind=kind, record_id=record_id, timestamp_ms=now_ns // 10**6)


def checked_seconds(name: str, seconds: float) -> float:
    """An interval as producers take it.

    Raises:
        SettingError: it is none between 1 s and 1 h.
    """
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and 1 <= seconds <= 3600):
        raise SettingError(f"{name} = {seconds!r} is no interval", "give seconds between 1 and 3600")
    return float(seconds)
