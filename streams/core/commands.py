"""When a command makes no sense for a workspace, in words for who gave it. What a command does is in `apply_command.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from streams.core.facts import MAX_NAME, Command, Fact
from streams.core.state import ARCHIVED, REMOVED, UNSEEN, WorkspaceState, remembers

Refusal = str | None

LONGEST_MUTE_S: Final = 366 * 86_400


def mute_seconds(command: Command) -> float | None:
    """For how long a mute is asked for, s; None: its text is no such duration."""
    try:
        seconds = float(command.arguments.get("for_s", ""))
    except ValueError:
        return None
    return seconds if 0 < seconds <= LONGEST_MUTE_S else None


def _archive(state: WorkspaceState, command: Command) -> Refusal:
    if state.running:
        return f"{state.running} of its containers run; stop them first"
    return "it is archived already" if state.status == ARCHIVED else None


def _unarchive(state: WorkspaceState, command: Command) -> Refusal:
    return None if state.status == ARCHIVED else f"it is not archived but {state.status}"


def _rename(state: WorkspaceState, command: Command) -> Refusal:
    name = command.arguments.get("name", "")[:MAX_NAME].strip()
    if not name:
        return "the new name is empty"
    return "that is its name already" if name == state.name else None


def _forget(state: WorkspaceState, command: Command) -> Refusal:
    there = [
        container
        for container in state.containers.values()
        if container.state != REMOVED and not state.engines[container.engine_id].silent_since_ns
    ]
    if not there:
        return None
    return f"{len(there)} of its containers still exist and would bring it back; remove them first, or archive it"


def erased_by(state: WorkspaceState, fact: Fact) -> bool:
    """Whether a fact just folded is a `forget` that was obeyed, and is about the archive's rows, too."""
    command = fact.section
    return (
        isinstance(command, Command)
        and (command.name, command.arguments.get("erase")) == ("forget", "1")
        and state.status == UNSEEN
        and not remembers(state.refused, fact.id)
    )


def _mute(state: WorkspaceState, command: Command) -> Refusal:
    return "it says no duration up to a year" if mute_seconds(command) is None else None


def _unmute(state: WorkspaceState, command: Command) -> Refusal:
    return None if state.muted_until_ns else "it is not muted"


def _of_a_known_workspace(refuse: Callable[[WorkspaceState, Command], Refusal]) -> Callable[[WorkspaceState, Command], Refusal]:
    def judge(state: WorkspaceState, command: Command) -> Refusal:
        return "there is no such workspace" if state.status == UNSEEN else refuse(state, command)

    return judge


def _register(state: WorkspaceState, command: Command) -> Refusal:
    return None if state.status == UNSEEN else f"it is known already, as {state.name}"


COMMANDS: Final[Mapping[str, Callable[[WorkspaceState, Command], Refusal]]] = {
    "archive": _of_a_known_workspace(_archive),
    "unarchive": _of_a_known_workspace(_unarchive),
    "register": _register,
    "rename": _of_a_known_workspace(_rename),
    "forget": _of_a_known_workspace(_forget),
    "mute": _of_a_known_workspace(_mute),
    "unmute": _of_a_known_workspace(_unmute),
}
"""By name: why a command is refused; None: it is obeyed."""
