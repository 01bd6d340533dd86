"""Facts: what the log says, as immutable values. Parsing is total: a fact, or `InvalidMessage`, never another error.

They are NamedTuples and plain classes and not frozen dataclasses, because a fact is made for every record of the log: 12 fields
cost 0.2 µs this way and 0.9 µs the other (`object.__setattr__` per field).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from streams.core.invalid import InvalidMessage

ENGINE_EVENT: Final = "engine_event"
OBSERVATION: Final = "observation"
COMMAND: Final = "command"
NOTICE: Final = "notice"
UNKNOWN: Final = "UNKNOWN"

# Clocks lie, but a time outside of these would order a container's facts wrongly for ever.
EARLIEST_NS: Final = 946_684_800 * 10**9  # 2000-01-01
LATEST_NS: Final = 7_258_118_400 * 10**9  # 2200-01-01
# A generation counts backward jumps of one clock. An absurd one would make every genuine fact after it late, for ever.
MAX_GENERATION: Final = 100_000

# Untrusted text is cut, so that no value grows without bound. The engine's own names are far below.
MAX_ID: Final = 200
MAX_NAME: Final = 255
MAX_TEXT: Final = 1000
MAX_LABELS: Final = 64

EPHEMERAL: Final = "ephemeral"


class Position(NamedTuple):
    """Where a record lies in the log. Positions compare by (epoch, offset): a key never changes its partition in an epoch."""

    epoch: int
    partition: int
    offset: int


class ContainerRef(NamedTuple):
    """Who a container is. Names and labels are untrusted."""

    id: str
    name: str
    service: str | None
    image: str
    grouped_by: str
    labels: Mapping[str, str]


NOBODY: Final = ContainerRef("", "", None, "", UNKNOWN, {})


class EngineEvent(NamedTuple):
    """One container event of the engine; `exec_duration_s` is how long the container ran."""

    action: str
    health: str | None
    exit_code: int | None
    exec_duration_s: int | None
    signal: int | None
    old_name: str | None


class Inspect(NamedTuple):
    """What one inspect call showed beyond the listing; None where the engine did not say."""

    started_at_ns: int | None
    finished_at_ns: int | None
    exit_code: int | None
    oom_killed: bool
    error: str | None
    restart_count: int
    restart_policy: str
    health: str | None
    has_healthcheck: bool
    stop_signal: str | None
    created_at_ns: int | None
    long_running: bool | None


class Observation(NamedTuple):
    """What the engine showed of one container; `state` None: only the details count; `by_sync`: a whole listing showed it."""

    by_sync: bool
    present: bool
    state: str | None
    health: str | None
    inspect: Inspect | None


class Command(NamedTuple):
    """A request of a person or a program. All of it is untrusted."""

    name: str
    by: str
    why: str
    arguments: Mapping[str, str]


class Notice(NamedTuple):
    """What a clock or another stream decided."""

    name: str
    reason: str
    since_ns: int | None
    value: int | None


Section = EngineEvent | Observation | Command | Notice | None


class Fact:
    """One thing that can change a workspace's state.

    `id` is the identity of 16 hex digits as 8 bytes. `container` is `NOBODY` in a fact about the workspace as a whole.
    `section` fits `kind`; None only for a kind this version does not know, which is a deliberate skip.
    """

    # The fold asks a fact some twenty times: compiled, an attribute of a plain class costs a tenth of a tuple's.
    __slots__ = (
        "container", "engine_id", "engine_name", "generation", "id", "kind", "section", "time_ns", "workspace_id", "workspace_name",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        identity: bytes,
        workspace_id: str,
        workspace_name: str,
        engine_id: str,
        engine_name: str,
        generation: int,
        time_ns: int,
        container: ContainerRef,
        section: Section,
    ) -> None:
        self.kind: Final = kind
        self.id: Final = identity
        self.workspace_id: Final = workspace_id
        self.workspace_name: Final = workspace_name
        self.engine_id: Final = engine_id
        self.engine_name: Final = engine_name
        self.generation: Final = generation
        self.time_ns: Final = time_ns
        self.container: Final = container
        self.section: Final = section

    def parts(self) -> tuple[object, ...]:
        """All it says, in the order it is made of."""
        return (
            self.kind, self.id, self.workspace_id, self.workspace_name, self.engine_id, self.engine_name, self.generation, self.time_ns,
            self.container, self.section,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fact) and self.parts() == other.parts()

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Fact{self.parts()!r}"


def parse_fact(record: Mapping[str, Any]) -> Fact:
    """Makes a fact of a decoded Fact record (schemas/avro/fact).

    Raises:
        InvalidMessage: the record says nothing that can be folded; no other error, whatever the record.
    """
    try:
        return _parse(record)
    except InvalidMessage:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidMessage("malformed", f"no Fact record: {type(error).__name__}: {error}"[:300]) from error


def _parse(record: Mapping[str, Any]) -> Fact:
    kind: str = record["kind"]
    workspace_id: str = record["workspace_id"]
    if not 0 < len(workspace_id) <= MAX_ID:
        raise InvalidMessage("bad_id", f"a workspace id has 1 to {MAX_ID} characters, not {len(workspace_id)}")
    identity = _identity(record["id"])
    time_ns: int = record["time_ns"]
    if not EARLIEST_NS <= time_ns < LATEST_NS:
        raise InvalidMessage("bad_time", f"time_ns {time_ns} lies outside of the years 2000 to 2199")
    generation: int = record["generation"]
    if not 0 <= generation <= MAX_GENERATION:
        raise InvalidMessage("bad_generation", f"clock generation {generation} lies outside of 0 to {MAX_GENERATION}")
    parse_section = _SECTIONS.get(kind)
    container = record["container"]
    section: Section = None
    if parse_section is not None:
        raw = record[kind]
        if raw is None:
            raise InvalidMessage("missing_section", f"a fact of kind {kind} without its section")
        if container is None and kind in _ABOUT_A_CONTAINER:
            raise InvalidMessage("missing_section", f"a fact of kind {kind} without a container")
        section = parse_section(raw)
    return Fact(
        kind if section is not None else UNKNOWN,
        identity,
        workspace_id,
        record["workspace_name"][:MAX_NAME],
        record["engine_id"][:MAX_NAME],
        record["engine_name"][:MAX_NAME],
        generation,
        time_ns,
        NOBODY if container is None else _container(container),
        section,
    )


def _identity(text: str) -> bytes:
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != 8:
        raise InvalidMessage("bad_id", f"a fact's id is 16 hex digits, not {text[:40]!r}")
    return identity


def _container(raw: Mapping[str, Any]) -> ContainerRef:
    container_id: str = raw["id"]
    if not 0 < len(container_id) <= MAX_ID:
        raise InvalidMessage("bad_container", f"a container id has 1 to {MAX_ID} characters, not {len(container_id)}")
    service = raw["service"]
    return ContainerRef(
        container_id,
        raw["name"][:MAX_NAME],
        None if service is None else service[:MAX_NAME],
        raw["image"][:MAX_NAME],
        raw["grouped_by"],
        raw["labels"],
    )


def _engine_event(raw: Mapping[str, Any]) -> EngineEvent:
    action: str = raw["action"]
    health = raw["health"]
    if ":" in action:  # "health_status: healthy", "exec_start: sh": the engine's own way to say more
        action, _, text = action.partition(":")
        health = health or (text.strip() if action == "health_status" else None)
    old_name = raw["old_name"]
    return EngineEvent(
        action,
        health,
        raw["exit_code"],
        raw["exec_duration_s"],
        raw["signal"],
        None if old_name is None else old_name.lstrip("/")[:MAX_NAME],
    )


def _observation(raw: Mapping[str, Any]) -> Observation:
    inspect = raw["inspect"]
    # An inspect's state may lie ahead of the events: only its details count, whatever else it says.
    judged = raw["source"] == "listing"
    return Observation(
        judged and raw["sync_id"] != "",
        raw["present"],
        raw["state"] if judged else None,
        raw["health"] if judged else None,
        None if inspect is None else _inspect(inspect),
    )


def _inspect(raw: Mapping[str, Any]) -> Inspect:
    error = raw["error"]
    return Inspect(
        raw["started_at_ns"],
        raw["finished_at_ns"],
        raw["exit_code"],
        raw["oom_killed"],
        error[:MAX_TEXT] if error else None,
        raw["restart_count"],
        raw["restart_policy"],
        raw["health"],
        raw["has_healthcheck"],
        raw["stop_signal"],
        raw["created_at_ns"],
        raw["long_running"],
    )


def _command(raw: Mapping[str, Any]) -> Command:
    return Command(raw["name"], raw["by"][:MAX_NAME], raw["why"][:MAX_TEXT], raw["arguments"])


def _notice(raw: Mapping[str, Any]) -> Notice:
    return Notice(raw["name"], raw["reason"][:MAX_TEXT], raw["since_ns"], raw["value"])


_SECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], Section]]] = {
    ENGINE_EVENT: _engine_event,
    OBSERVATION: _observation,
    COMMAND: _command,
    NOTICE: _notice,
}
_ABOUT_A_CONTAINER: Final = frozenset((ENGINE_EVENT, OBSERVATION))
