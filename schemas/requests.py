"""What people and programs ask for, as records of the log: commands are facts of a workspace, the rest are control records."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from schemas.identity import command_fact_id
from schemas.publish import Record, make_record
from schemas.topics import DOCKER_EVENTS, WORKSPACE_CONTROL

#: Headers of a record of `workspace.state`: ids of the command facts obeyed on the way to it, and of those that came again and had
#: been refused. Of a first refusal tells an event.
COMMANDS_HEADER: Final = "wst-commands"
REFUSED_HEADER: Final = "wst-refused"

#: Header of a tombstone of `workspace.state`: the archive's rows go, too. Its value is what the fold keeps of the workspace.
ERASE_HEADER: Final = "wst-erase"

COMMANDS: Final = ("archive", "unarchive", "register", "rename", "forget", "mute", "unmute")
INTERVALS: Final = ("collect", "sync")
#: Shortest and longest interval a producer takes, s.
SHORTEST_S: Final = 0.5
LONGEST_S: Final = 3600.0
#: Longest a mute may last, s: who wants more wants another rule.
LONGEST_MUTE_S: Final = 366 * 86_400.0
#: A sync asked for is not made later than this, s: nobody waits for it any more.
SYNC_EXPIRES_S: Final = 30.0
_ID: Final = re.compile(r"[a-z0-9._:@-]{1,200}")


def new_id() -> str:
    """An id for a request; who asks again with the same one asks once."""
    return secrets.token_hex(8)


def is_workspace_id(text: str) -> bool:
    """Whether a workspace may have that id."""
    return _ID.fullmatch(text) is not None


def command_record(
    prefix: str,
    workspace: tuple[str, str],
    name: str,
    command_id: str,
    *,
    by: str = "",
    why: str = "",
    arguments: Mapping[str, str] | None = None,
    now_ns: int | None = None,
) -> Record:
    """A command as a fact of its workspace.

    Args:
        workspace: its id and name.
        command_id: made by who asks.
        now_ns: the writer's clock, ns since the Unix epoch.
    """
    at_ns = time.time_ns() if now_ns is None else now_ns
    workspace_id, workspace_name = workspace
    fact = {
        "kind": "command",
        "id": command_fact_id(command_id),
        "workspace_id": workspace_id,
        "workspace_name": workspace_name,
        "engine_id": "",
        "time_ns": at_ns,
        "recorded_at_ns": at_ns,
        "command": {"name": name, "by": by, "why": why, "arguments": dict(arguments or {})},
    }
    return make_record(
        DOCKER_EVENTS, prefix, workspace_id, fact, kind="command", record_id=str(fact["id"]), timestamp_ms=at_ns // 1_000_000
    )


def control_record(prefix: str, target: str, kind: str, section: Mapping[str, Any], now_ns: int) -> Record:
    """A control record; its key is target and kind, for an interval its name too, so that compaction keeps the last of each."""
    value = {"kind": kind, "target": target, "written_at_ns": now_ns, kind: section}
    record_id = str(section.get("id") or f"{kind}.{now_ns}")
    key = f"{target}:{kind}:{section['name']}" if kind == "interval" else f"{target}:{kind}"
    return make_record(WORKSPACE_CONTROL, prefix, key, value, kind=kind, record_id=record_id, timestamp_ms=now_ns // 1_000_000)


def sync_record(prefix: str, target: str, request_id: str, *, workspace_id: str = "", by: str = "") -> Record:
    """Asks an engine (by id), or all (`*`), to be listed now."""
    now_ns = time.time_ns()
    section = {"id": request_id, "workspace_id": workspace_id, "expires_at_ns": now_ns + int(SYNC_EXPIRES_S * 1e9), "by": by}
    return control_record(prefix, target, "sync_request", section, now_ns)


def interval_record(prefix: str, target: str, name: str, seconds: float) -> Record:
    """Sets an interval of an engine (by id), or of all (`*`)."""
    return control_record(prefix, target, "interval", {"name": name, "interval_ms": round(seconds * 1000)}, time.time_ns())
