"""Why a workspace is as it is: the facts that led there, each with its place in the log, and what to read next. Pure.

The facts are folded once more, and of each container and of the whole the last ones are kept that did something; what is
shown is what bears on the status, on the condition, and on each container that fails or should run and does not.
"""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from streams.core import workspace
from streams.core.changes import Change, ContainerUpdate, ErrorDetail, StatusChanged
from streams.core.condition import condition, is_stale, meant_to_run, reason, silent_engines
from streams.core.facts import COMMAND, ENGINE_EVENT, NOTICE, Fact, Position
from streams.core.state import REMOVED, RUNNING, UNSEEN, Container, WorkspaceState
from streams.query.present import Json, time_text

_KEPT: Final = 6
"""Facts kept of a container: a start, what asked for the end, the end, what a look at it showed."""
_BEFORE_END_NS: Final = 10 * 60 * 10**9
_AROUND_NS: Final = 10**9
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
#: Things done in or to a container that change nothing about how it is.
_ASIDE: Final = frozenset(("exec_create", "exec_start", "exec_die", "exec_detach", "attach", "detach", "top", "resize", "copy"))


class Told(NamedTuple):
    """A fact, where it lay, and what it changed."""

    fact: Fact
    position: Position
    changes: tuple[Change, ...]


@dataclass(slots=True)
class Trace:
    """A workspace folded, and the facts that made it what it is.

    Attributes:
        status: the fact of the last change of status.
        containers: of each container the last facts about it, oldest first.
        engines: of each engine the last notice that it fell silent.
        problems: of each container the fact that began its problem.
    """

    state: WorkspaceState
    status: Told | None = None
    containers: dict[str, deque[Told]] = field(default_factory=dict)
    engines: dict[str, Told] = field(default_factory=dict)
    problems: dict[str, Told] = field(default_factory=dict)

    def take(self, told: Told) -> None:
        """Keeps a fact where it says something."""
        fact = told.fact
        if fact.kind == NOTICE and fact.section is not None and getattr(fact.section, "name", "") == "engine_silent":
            self.engines[fact.engine_id] = told
        if fact.container.id and (told.changes or _is_asked(fact)):
            self.containers.setdefault(fact.container.id, deque(maxlen=_KEPT)).append(told)
        for change in told.changes:
            if isinstance(change.detail, StatusChanged):
                self.status = told
            elif isinstance(change.detail, ErrorDetail) and "container_id" in change.detail.context:
                self.problems[change.detail.context["container_id"]] = told


def _is_asked(fact: Fact) -> bool:
    """An engine's event that changes no state at once but tells what was done: a kill, a stop, an OOM."""
    return fact.kind == ENGINE_EVENT and getattr(fact.section, "action", "") not in _ASIDE


def trace(begin: WorkspaceState, facts: Iterable[tuple[Fact, Position]]) -> Trace:
    """Folds facts into a workspace, which is changed, and keeps what explains it."""
    found = Trace(begin)
    tally: dict[str, int] = {}
    for fact, position in facts:
        tally.clear()
        _, changes = workspace.fold(found.state, fact, position, tally)
        if workspace.APPLIED in tally or changes:
            found.take(Told(fact, position, tuple(changes)))
    return found


def why(found: Trace, topic: str, at_ns: int) -> Json | None:
    """What led to the state, as JSON; None: the workspace was unknown or forgotten.

    Args:
        topic: full name of the topic the facts lie in.
        at_ns: the instant asked about, ns since the Unix epoch.
    """
    state = found.state
    if state.status == UNSEEN:
        return None
    how = condition(state)
    guilty = [c for c in state.containers.values() if c.state != REMOVED and (c.problem or _is_down(state, c))]
    guilty.sort(key=lambda c: (c.problem is None, c.name, c.id))
    causes = [_cause("status", "", [found.status] if found.status else [], topic)]
    if is_stale(state):
        silent = [found.engines[engine_id] for engine_id in silent_engines(state) if engine_id in found.engines]
        causes.append(_cause("condition", "", silent, topic))
    causes += [_of_container(found, container, topic) for container in guilty]
    return {
        "workspace_id": state.workspace_id,
        "name": state.name,
        "at": time_text(at_ns),
        "status": state.status,
        "condition": how,
        "status_since": time_text(state.status_since_ns),
        "reason": reason(state, how),
        "causes": causes,
        "logs": [line for line in (_logs(c, at_ns) for c in guilty or _ended(found)) if line],
    }


def _is_down(state: WorkspaceState, container: Container) -> bool:
    return condition(state) == "degraded" and meant_to_run(container) and container.state != RUNNING


def _ended(found: Trace) -> list[Container]:
    """The container that changed the status, where nothing is wrong."""
    by = found.status.fact.container.id if found.status else ""
    container = found.state.containers.get(by)
    return [container] if container is not None and container.state != REMOVED else []


def _of_container(found: Trace, container: Container, topic: str) -> Json:
    told = list(found.containers.get(container.id, ()))
    began = found.problems.get(container.id) if container.problem else None
    if began is not None and began not in told:
        told.insert(0, began)
    return _cause("container", container.name, told, topic) | {
        "container_id": container.id,
        "problem": container.problem,
        "state": container.state,
        "exit_reason": container.exit_reason,
    }


def _cause(of: str, name: str, told: Iterable[Told], topic: str) -> Json:
    return {"of": of, "container": name or None, "facts": [_fact(one, topic) for one in told]}


def _fact(told: Told, topic: str) -> Json:
    fact, position = told.fact, told.position
    return {
        "said": said(told),
        "kind": fact.kind,
        "time": time_text(fact.time_ns),
        "engine": fact.engine_name or None,
        "id": fact.id.hex(),
        "topic": topic,
        "partition": position.partition,
        "offset": position.offset,
        "epoch": position.epoch,
    }


def said(told: Told) -> str:
    """A fact in words, holds untrusted names: what it was, and what followed."""
    fact, section = told.fact, told.fact.section
    if fact.kind == COMMAND:
        what = f"{section.by or 'somebody'} asked: {section.name}"  # type: ignore[union-attr]
    elif fact.kind == NOTICE:
        what = f"noticed: {section.name.replace('_', ' ')}"  # type: ignore[union-attr]
    elif fact.kind == ENGINE_EVENT:
        what = f"{fact.engine_name} said: {fact.container.name} {_event(section)}"
    else:
        what = f"{fact.engine_name} showed: {fact.container.name} {_seen(section)}"
    # An error and the alert it raises say the same: once is enough.
    followed = dict.fromkeys(change.message for change in told.changes if not _is_echo(change, fact))
    return f"{what} → {'; '.join(followed)}" if followed else what


def _event(section: Any) -> str:
    code = f" with exit code {section.exit_code}" if section.exit_code is not None else ""
    signal = f" with signal {section.signal}" if section.signal is not None else ""
    health = f" ({section.health})" if section.health else ""
    return f"{section.action}{code}{signal}{health}"


def _seen(section: Any) -> str:
    if not section.present:
        return "is gone"
    return section.state or "in detail"


def _is_echo(change: Change, fact: Fact) -> bool:
    """A container's update that says nothing beyond the event: its health or start."""
    detail = change.detail
    return isinstance(detail, ContainerUpdate) and fact.kind == ENGINE_EVENT and detail.new_state == RUNNING and detail.health is None


def _logs(container: Container, at_ns: int) -> str | None:
    """The command that shows what a container wrote around its end, or until the instant where it runs; quoted for a shell."""
    ran = container.state == RUNNING or not container.finished_at_ns or container.finished_at_ns < container.started_at_ns
    end_ns = at_ns if ran else container.finished_at_ns
    end_ns = max(end_ns, container.started_at_ns)
    if not end_ns:
        return None
    begin_ns = max(container.started_at_ns, end_ns - _BEFORE_END_NS) - _AROUND_NS
    name = container.name or container.id
    quoted = name if _PLAIN_NAME.fullmatch(name) else f"-- {shlex.quote(name)}"
    return f"docker logs --since {_exact(begin_ns)} --until {_exact(end_ns + _AROUND_NS)} {quoted}"


def _exact(ns: int) -> str:
    return time_text(ns) or "0"
