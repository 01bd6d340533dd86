"""What may be asked of producers, and of workspaces: checked before it goes to the log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.api import user_here
from schemas.errors import SettingError
from schemas.requests import LONGEST_MUTE_S, is_workspace_id, new_id


@dataclass(frozen=True, slots=True)
class Asked:
    """A command on a workspace.

    Attributes:
        name: one of `schemas.requests.COMMANDS`.
        by, why: for the record.
        arguments: as the fold takes them.
        command_id: asked again with the same id, it is asked once.
    """

    name: str
    by: str
    why: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    command_id: str = field(default_factory=new_id)


def me() -> str:
    """Who asks, where the program does not say: the user of this machine."""
    return user_here() or "python"


def checked_seconds(name: str, seconds: float) -> float:
    """An interval as producers take it.

    Raises:
        SettingError: it is none between 1 s and 1 h.
    """
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and 1 <= seconds <= 3600):
        raise SettingError(f"{name} = {seconds!r} is no interval", "give seconds between 1 and 3600")
    return float(seconds)


def mute_arguments(seconds: float) -> dict[str, str]:
    """For how long a workspace's alerts are not told.

    Raises:
        SettingError: it is no duration up to a year.
    """
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and 1 <= seconds <= LONGEST_MUTE_S):
        raise SettingError(f"seconds = {seconds!r} is no time to mute for", "give seconds between 1 and a year")
    return {"for_s": f"{seconds:.15g}"}


def checked_id(workspace_id: str) -> str:
    """An id that a workspace may be registered under.

    Raises:
        SettingError: it is none.
    """
    if not is_workspace_id(workspace_id):
        raise SettingError(f"{workspace_id[:200]!r} is no workspace id", "it has 1 to 200 of a-z 0-9 . _ : @ -")
    return workspace_id
