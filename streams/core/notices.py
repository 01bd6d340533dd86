"""Fact records of what a clock or another stream decided: made here, folded in `apply_notice.py`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Record = Mapping[str, Any]

MakeId = Callable[[str, str, int], str]
"""(name, what it is about, time ns) -> the notice's identity (`schemas.identity.notice_fact_id`)."""


def notice_fact(
    name: str,
    workspace: tuple[str, str],
    time_ns: int,
    make_id: MakeId,
    *,
    recorded_at_ns: int,
    about: str = "",
    identity_ns: int | None = None,
    engine: tuple[str, str, int] = ("", "", 0),
    reason: str = "",
    since_ns: int | None = None,
    value: int | None = None,
) -> dict[str, Any]:
    """The Fact record of a notice.

    Args:
        name: symbol of the schema's enum NoticeName.
        workspace: its id and name.
        time_ns: when it became so, ns since the Unix epoch.
        recorded_at_ns: when it was decided.
        about: what tells it from another one beside name, workspace and time: the engine, the verdict.
        identity_ns: the time its identity is made of, where a clock may decide the same at another `time_ns`.
        engine: its id, name and clock generation; empty where none is concerned.
    """
    workspace_id, workspace_name = workspace
    engine_id, engine_name, generation = engine
    return {
        "kind": "notice",
        "id": make_id(name, f"{workspace_id}\n{about}", time_ns if identity_ns is None else identity_ns),
        "workspace_id": workspace_id,
        "workspace_name": workspace_name,
        "engine_id": engine_id,
        "engine_name": engine_name,
        "generation": generation,
        "time_ns": time_ns,
        "recorded_at_ns": recorded_at_ns,
        "container": None,
        "engine_event": None,
        "observation": None,
        "command": None,
        "notice": {"name": name, "reason": reason, "since_ns": since_ns, "value": value},
    }
