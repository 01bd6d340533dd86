"""What a command does to a workspace. When it is refused, and in which words, is the table of `commands.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Final

from streams.core.changes import ErrorDetail
from streams.core.commands import COMMANDS, mute_seconds
from streams.core.facts import MAX_NAME, Command, Notice
from streams.core.state import ARCHIVED, INACTIVE, Engine, WorkspaceState, remember, remembers
from streams.core.step import APPLIED, REFUSED, REPEATED, Step, judge_alert, raise_floor, set_status
from streams.core.words import SECOND_NS


def apply_command(step: Step, command: Command) -> str:
    state, fact = step.state, step.fact
    # Notices are remembered among the commands, so that a refused one may be forgotten there first: it stays refused.
    if remembers(state.commands, fact.id) or remembers(state.refused, fact.id):
        return REPEATED
    state.commands = remember(state.commands, fact.id)
    obey = _OBEY.get(command.name)
    refuse = COMMANDS.get(command.name)
    reason = f"there is no command {command.name[:40]}" if obey is None or refuse is None else refuse(state, command)
    if reason is None and obey is not None:
        obey(step, command)
        return APPLIED
    state.refused = remember(state.refused, fact.id)
    context = {"command": command.name[:MAX_NAME], "by": command.by, "command_id": fact.id.hex()}
    detail = ErrorDetail(reason or "", "refused", 0, fact.time_ns, context)
    step.tell(f"{command.name[:40]} refused: {reason}", detail)
    return REFUSED


def _said(command: Command, what: str) -> str:
    by = f" by {command.by}" if command.by else ""
    return f"{what}{by}: {command.why}" if command.why else f"{what}{by}"


def _archive(step: Step, command: Command) -> None:
    set_status(step, ARCHIVED, _said(command, "archived"), None)


def _unarchive(step: Step, command: Command) -> None:
    set_status(step, INACTIVE, _said(command, "restored"), None)


def _register(step: Step, command: Command) -> None:
    step.state.name = command.arguments.get("name", "")[:MAX_NAME].strip() or step.state.workspace_id
    step.state.named = True
    set_status(step, INACTIVE, _said(command, "registered"), None)


def _rename_workspace(step: Step, command: Command) -> None:
    step.state.name = command.arguments["name"][:MAX_NAME].strip()
    step.state.named = True


def forget(step: Step, command: Command | Notice) -> None:
    """Leaves what numbers events and what keeps old facts from bringing it back."""
    state = step.state
    for container in state.containers.values():
        raise_floor(state, container)
        container.problem = None
        judge_alert(step, container)
    blank = WorkspaceState(
        state.workspace_id,
        seq=state.seq,
        engines={engine_id: Engine(e.name, e.generation, e.time_ns) for engine_id, e in state.engines.items()},
        commands=state.commands,
        refused=state.refused,
        epoch=state.epoch,
        partition=state.partition,
        offset=state.offset,
    )
    for each in fields(WorkspaceState):
        setattr(state, each.name, getattr(blank, each.name))


def _mute(step: Step, command: Command) -> None:
    """Alerts are raised and resolved all the same: what is muted is their delivery."""
    step.state.muted_until_ns = step.fact.time_ns + round((mute_seconds(command) or 0) * SECOND_NS)


def _unmute(step: Step, command: Command) -> None:
    step.state.muted_until_ns = 0


_OBEY: Final[Mapping[str, Callable[[Step, Command], None]]] = {
    "archive": _archive,
    "unarchive": _unarchive,
    "register": _register,
    "rename": _rename_workspace,
    "forget": forget,
    "mute": _mute,
    "unmute": _unmute,
}
