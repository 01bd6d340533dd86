"""The tools of the fold (`workspace.py`), which alone uses them: one fact on its way into a workspace, its place, and what follows.

What follows a container's change is the same whatever changed it: tell it, judge its problem, count, judge the status.
"""

from __future__ import annotations

from typing import Final

from streams.core.alerts import may_be_its_engines_end, problem_alert
from streams.core.changes import Change, ContainerUpdate, Detail, ErrorDetail, Recovery, StatusChanged
from streams.core.facts import EPHEMERAL, MAX_LABELS, MAX_NAME, MAX_TEXT, ContainerRef, Fact, Position
from streams.core.problems import BY_CODE, ENDS_BY_TIME, problem_of, recovery_method
from streams.core.state import (
    ACTIVE,
    ARCHIVED,
    INACTIVE,
    REMOVED,
    RUNNING,
    UP,
    Container,
    Engine,
    Order,
    WorkspaceState,
    remember,
    remembers,
)
from streams.core.words import DAY_S, SECOND_NS, container_sentence, duration, status_reason

# What became of a fact: counted, never silent.
APPLIED: Final = "applied"
FOLDED_BEFORE: Final = "folded_before"
"""The position is not after the last one folded."""
REPEATED: Final = "repeated"
"""It came before, at another position."""
LATE: Final = "late"
"""It is older than what is known of its container, and not known: not applied."""
UNPLACED: Final = "unplaced"
"""It says nothing about a container nobody knows; the next sync will."""
NOT_KNOWN: Final = "unknown"
"""Of a kind or a name this version does not know."""
REFUSED: Final = "refused"
"""A command that makes no sense; an `error` change says why."""

MAX_TOMBSTONES: Final = 4
TOMBSTONE_NS: Final = DAY_S * SECOND_NS
MAX_ENGINES: Final = 16


class Step:
    """One fact on its way into a workspace, and what it has changed so far."""

    __slots__ = ("changes", "correction", "fact", "lag_ms", "position", "state")

    def __init__(self, state: WorkspaceState, fact: Fact, position: Position) -> None:
        self.state = state
        self.fact = fact
        self.position = position
        self.changes: list[Change] = []
        self.correction = False
        self.lag_ms: int | None = None

    def corrects(self, known_until_ns: int) -> None:
        """What follows was found by a sync: it happened after `known_until_ns`, unseen."""
        self.correction = True
        self.lag_ms = max(self.fact.time_ns - known_until_ns, 0) // 1_000_000

    def tell(self, message: str, detail: Detail) -> None:
        state, fact = self.state, self.fact
        state.seq += 1
        self.changes.append(
            Change(
                state.workspace_id,
                state.seq,
                fact.engine_id,
                fact.time_ns,
                message,
                detail,
                self.position,
                self.correction,
                self.lag_ms,
            )
        )


# ── order and membership ─────────────────────────────────────────────────────────────────────────


def not_in_order(container: Container, fact: Fact) -> str | None:
    """Why a fact must not be applied; None: it is newer, or as new and not known yet."""
    # Asked first: a container that was on another engine in between can be "behind" what it has already heard here.
    if remembers(container.recent, fact.id):
        return REPEATED
    if container.engine_id != fact.engine_id:  # clocks of two engines have no generations in common
        return None if fact.time_ns > container.time_ns else LATE
    in_order = (fact.generation, fact.time_ns) >= (container.generation, container.time_ns)
    return None if in_order else LATE


def advance(state: WorkspaceState, container: Container, fact: Fact) -> None:
    moved = container.engine_id != fact.engine_id
    if moved:
        raise_floor(state, container)  # once it is forgotten here, what it did there must not bring it back
    container.generation = fact.generation
    container.time_ns = fact.time_ns
    if moved:
        container.engine_id = fact.engine_id
        _know_engine(state, fact)
    container.recent = remember(container.recent, fact.id)


def details_order(container: Container) -> Order:
    return container.details_generation, container.details_ns


def only_implied(container: Container) -> bool:
    """Something happened to it, but nothing told yet since when it is there and runs: even an older look at it is news."""
    return not (container.run_ns or container.created_at_ns or container.details_ns)


def below_floor(state: WorkspaceState, fact: Fact) -> bool:
    engine = state.engines.get(fact.engine_id)
    return engine is not None and (fact.generation, fact.time_ns) <= (engine.generation, engine.time_ns)


def raise_floor(state: WorkspaceState, container: Container) -> None:
    engine = state.engines[container.engine_id]
    floor = max((engine.generation, engine.time_ns), (container.generation, container.time_ns))
    engine.generation, engine.time_ns = floor


def join(step: Step, ref: ContainerRef) -> Container:
    state, fact = step.state, step.fact
    container = Container(ref.id, fact.engine_id, name=ref.name, service=ref.service, image=ref.image)
    state.containers[ref.id] = container
    _know_engine(state, fact)
    if not state.named:
        state.name = fact.workspace_name or state.workspace_id
    state.ephemeral = ref.grouped_by == EPHEMERAL
    for key, value in ref.labels.items():
        # What Compose and Swarm say of one container is no label of the whole.
        if not key.startswith("com.docker.") and (key in state.labels or len(state.labels) < MAX_LABELS):
            state.labels[key[:MAX_NAME]] = value[:MAX_TEXT]
    return container


def _know_engine(state: WorkspaceState, fact: Fact) -> None:
    engine = state.engines.get(fact.engine_id)
    if engine is not None:
        engine.name = fact.engine_name
        return
    if len(state.engines) >= MAX_ENGINES:
        used = {container.engine_id for container in state.containers.values()}
        for engine_id in [engine_id for engine_id in state.engines if engine_id not in used]:
            del state.engines[engine_id]
    state.engines[fact.engine_id] = Engine(fact.engine_name)


def remove(step: Step, container: Container, reason: str | None) -> None:
    """The container is gone from the workspace; a tombstone keeps older facts from bringing it back."""
    before, health = container.state, container.health
    container.state = REMOVED
    container.health = None
    container.exit_reason = reason
    container.run_ns = step.fact.time_ns
    settle(step, container, before, health)


# ── what follows ─────────────────────────────────────────────────────────────────────────────────


def settle(step: Step, container: Container, before: str | None, health: str | None) -> None:
    """Tells what a container has become, judges its problem, counts it and judges the workspace's status.

    Args:
        before: its state before the fact; None: it is new.
        health: its health before the fact.
    """
    state = step.state
    if container.state != before or container.health != health:
        step.tell(
            container_sentence(container.name, container.state, container.health, container.exit_reason),
            ContainerUpdate(
                container.id,
                container.name,
                before,
                container.state,
                step.fact.time_ns,
                container.exit_code,
                container.health,
            ),
        )
    judge_problem(step, container)
    if container.problem != container.alert:
        judge_alert(step, container)
    if container.state == before:
        return
    state.running += (container.state == RUNNING) - (before == RUNNING)
    if container.state == REMOVED:
        bury(step, container)
    status = ACTIVE if state.running else ARCHIVED if state.status == ARCHIVED else INACTIVE
    if status != state.status:
        left = sum(other.state != REMOVED for other in state.containers.values())
        archived = state.status == ARCHIVED
        reason = status_reason(container.name, container.state, container.exit_reason, archived=archived, left=left)
        set_status(step, status, reason, container)


def set_status(step: Step, status: str, reason: str, container: Container | None) -> None:
    """The workspace's status becomes another, for a reason and, mostly, by a container."""
    state = step.state
    old = state.status
    state.status = status
    state.status_since_ns = step.fact.time_ns
    state.status_reason = reason
    container_id = None if container is None else container.id
    step.tell(
        f"{state.name} is {status}: {reason}",
        StatusChanged(old, status, reason, container_id, step.fact.time_ns),
    )


def judge_problem(step: Step, container: Container) -> None:
    """Opens, changes or ends the container's problem, if it became another."""
    state, now_ns = step.state, step.fact.time_ns
    old, new = container.problem, problem_of(container, now_ns)
    if new == old:
        return
    state.problems += (new is not None) - (old is not None)
    container.problem = new
    if old is None:
        container.problem_since_ns = now_ns
    if new is not None:
        words = BY_CODE[new].words(container)
        state.last_error, state.last_error_at_ns = words, now_ns
        state.error_count += 1
        context = {"container_id": container.id, "container_name": container.name}
        if container.exit_code is not None:
            context["exit_code"] = str(container.exit_code)
        step.tell(words, ErrorDetail(words, new, max(container.crashes - 1, 0), now_ns, context))
    elif old is not None:
        downtime_ns = max(now_ns - container.problem_since_ns, 0)
        container.problem_since_ns = 0
        method = recovery_method(container, old)
        message = f"{container.name} recovered from {BY_CODE[old].noun} after {duration(downtime_ns)}: {method}"
        step.tell(message, Recovery(old, method, now_ns, downtime_ns // 1_000_000))


def end_by_time(step: Step) -> None:
    """Ends the problems of this engine's containers that are over when nothing more happened for a while."""
    for container in step.state.containers.values():
        problem = container.problem  # by a name of its own: the compiler would take the field for what it was found to be here
        if problem in ENDS_BY_TIME and container.state in UP and container.engine_id == step.fact.engine_id:
            judge_problem(step, container)
            if container.problem != container.alert:
                judge_alert(step, container)


def judge_alert(step: Step, container: Container) -> None:
    """Raises the alert of a container's problem, and resolves that of one that is over or became another."""
    state, now_ns = step.state, step.fact.time_ns
    new = container.problem
    if new is not None and may_be_its_engines_end(container, state.engines[container.engine_id], now_ns):
        new = None
    old = container.alert
    if new == old:
        return
    if old is not None:
        over = "is over" if container.problem is None else f"became {BY_CODE[container.problem].noun}"
        step.tell(f"{container.name}: {BY_CODE[old].noun} {over}", problem_alert(state, container, old, raised=False))
    container.alert, container.alert_since_ns = new, 0
    if new is not None:
        container.alert_since_ns = now_ns
        step.tell(BY_CODE[new].words(container), problem_alert(state, container, new, raised=True))


def bury(step: Step, container: Container) -> None:
    """Drops what a removed container no longer needs, and keeps tombstones few and young, by the facts' time."""
    container.restart_policy, container.stop_signal, container.long_running, container.has_healthcheck = "", None, None, False
    state = step.state
    buried = [other for other in state.containers.values() if other.state == REMOVED]
    buried.sort(key=lambda other: (other.time_ns, other.id))
    for place, old in enumerate(buried):
        if len(buried) - place > MAX_TOMBSTONES or step.fact.time_ns - old.time_ns > TOMBSTONE_NS:
            raise_floor(state, old)
            del state.containers[old.id]
