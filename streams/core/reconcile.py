"""Reconcile: what an engine listed against what was folded, as observations for the fold to judge. Pure.

Observations are absolute and stamped with the engine's time before the listing, so a repeat or an old one is harmless. An entry
that agrees with what was folded says nothing: in the steady state a listing makes no facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from streams.core.alerts import CONFIRM_NS, awaits_confirmation
from streams.core.containers import STEADY_NS
from streams.core.facts import EARLIEST_NS, LATEST_NS, MAX_GENERATION
from streams.core.invalid import InvalidMessage
from streams.core.sightings import is_correction, may_lag
from streams.core.state import REMOVED, RUNNING, STATES, UP, Order

Record = Mapping[str, Any]

MakeId = Callable[[str, int, int, str, str, str], str]
"""(engine id, generation, time ns, container id, source, workspace id) -> the observation's identity."""

LISTING: Final = "listing"


class Reconciled(NamedTuple):
    """What a listing comes to.

    Attributes:
        facts: Fact records to publish, leaves before joins, else in the order of the listing.
        workspaces: workspaces listed.
        containers: containers listed.
        corrections: containers whose state shows that an event was missed, or that vanished or moved.
        complete: all parts were there; else nothing is said of what has vanished.
    """

    facts: list[dict[str, Any]]
    workspaces: int
    containers: int
    corrections: int
    complete: bool


class _Known(NamedTuple):
    workspace_id: str
    workspace_name: str
    failing: bool
    container: Record

    @property
    def order(self) -> Order:
        return self.container["generation"], self.container["time_ns"]


def reconcile(parts: Sequence[Record], states: Iterable[Record], make_id: MakeId) -> Reconciled:
    """Compares one listing with the folded states.

    Args:
        parts: decoded Snapshot records of one listing, in any order, repeats allowed.
        states: State records of all workspaces; only the containers of the listing's engine are looked at.
        make_id: identity of an observation (`schemas.identity.observation_fact_id`).

    Raises:
        InvalidMessage: the parts are not of one listing, or its time or generation is absurd.
    """
    by_number = {part["part"]: part for part in parts}
    head = _head(by_number)
    listed = {entry["container"]["id"]: entry for _, part in sorted(by_number.items()) for entry in part["containers"]}
    # Not by a set of all numbers there should be: a listing may say that it has two thousand million parts.
    complete = len(by_number) == head["parts"] and all(0 <= number < head["parts"] for number in by_number)
    folded = _folded(states, head["engine_id"])
    writer = _Writer(head, make_id)
    corrections = 0
    for container_id, known in folded.items():
        if container_id not in listed and complete:
            corrections += _vanished(writer, known)
    for container_id, entry in listed.items():
        corrections += _seen(writer, entry, folded.get(container_id, []))
    workspaces = len({entry["workspace_id"] for entry in listed.values()})
    return Reconciled(writer.leaves + writer.facts, workspaces, len(listed), corrections, complete)


def ended_between(since_ns: int, until_ns: int, engine_id: str, states: Iterable[Record], corrections: int) -> int:
    """How many of an engine's containers ended or changed while nobody watched: an engine's or a host's restart ends them all.

    Args:
        since_ns, until_ns: when nobody watched, engine's clock, ns since the Unix epoch.
        states: State records of the engine's workspaces, as they are before the listing that ends it.
        corrections: containers that the listing found otherwise.
    """
    return corrections + len(
        [
            container
            for state in states
            for container in state["containers"]
            if container["engine_id"] == engine_id
            and container["state"] != RUNNING
            and since_ns - CONFIRM_NS <= (container["finished_at_ns"] or 0) <= until_ns
        ]
    )


def _head(by_number: Mapping[int, Record]) -> Record:
    if not by_number:
        raise InvalidMessage("malformed", "a listing without parts")
    head = by_number[min(by_number)]
    if any(part["snapshot_id"] != head["snapshot_id"] or part["engine_id"] != head["engine_id"] for part in by_number.values()):
        raise InvalidMessage("malformed", "parts of different listings")
    if not EARLIEST_NS <= head["listed_at_ns"] < LATEST_NS:
        raise InvalidMessage("bad_time", f"listed_at_ns {head['listed_at_ns']} lies outside of the years 2000 to 2199")
    if not 0 <= head["generation"] <= MAX_GENERATION:
        raise InvalidMessage("bad_generation", f"clock generation {head['generation']} lies outside of 0 to {MAX_GENERATION}")
    return head


def _folded(states: Iterable[Record], engine_id: str) -> dict[str, list[_Known]]:
    """The engine's containers that were folded and not removed; one in two workspaces has moved."""
    folded: dict[str, list[_Known]] = {}
    for state in states:
        for container in state["containers"]:
            # Records of earlier programs list removed containers too.
            if container["engine_id"] == engine_id and container["state"] != REMOVED:
                known = _Known(state["workspace_id"], state["workspace_name"], state["condition"] == "failing", container)
                folded.setdefault(container["id"], []).append(known)
    return folded


def _vanished(writer: _Writer, everywhere: Sequence[_Known]) -> int:
    gone = [known for known in everywhere if known.order < writer.order]
    for known in gone:
        writer.leave(known)
    return len(gone)


def _seen(writer: _Writer, entry: Record, everywhere: Sequence[_Known]) -> int:
    """One entry of the listing; returns the corrections found."""
    here = next((known for known in everywhere if known.workspace_id == entry["workspace_id"]), None)
    lags = here is not None and may_lag(here.container["state"], here.order, entry["state"], writer.order)
    unsettled = entry["unsettled"] or entry["state"] not in STATES or lags
    corrections = 0
    if not unsettled:
        for known in everywhere:
            if known is not here and known.order < writer.order:
                writer.leave(known)
                corrections += 1
    if unsettled:
        if entry["inspect"] is not None:
            writer.observe(entry, None)
    elif here is None:
        writer.observe(entry, entry["state"])
    elif here.order <= writer.order:
        container = here.container
        corrections += is_correction(container["state"], entry["state"])
        if entry["inspect"] is not None or _differs(entry, container) or _proves_something(entry, here, writer.order):
            writer.observe(entry, entry["state"])
    elif entry["inspect"] is not None:
        writer.observe(entry, None)
    return corrections


def _differs(entry: Record, container: Record) -> bool:
    who = entry["container"]
    if entry["state"] != container["state"] or who["name"] != container["name"] or who["service"] != container["service"]:
        return True
    # Some engines list no health: null says nothing.
    return entry["state"] in UP and entry["health"] not in (None, container["health"])


def _proves_something(entry: Record, known: _Known, listed: Order) -> bool:
    """What time decides needs a fact to be decided by: it still runs, long after a problem, or its engine outlived its end."""
    if not known.failing:
        return False
    if entry["state"] == RUNNING:
        return listed[1] - known.order[1] >= STEADY_NS
    return awaits_confirmation(known.container["exit_code"], known.container["finished_at_ns"], known.order[1], listed[1])


class _Writer:
    """Makes the observations of one listing."""

    def __init__(self, head: Record, make_id: MakeId) -> None:
        self._head = head
        self._make_id = make_id
        self.order: Order = (head["generation"], head["listed_at_ns"])
        self.leaves: list[dict[str, Any]] = []
        self.facts: list[dict[str, Any]] = []

    def observe(self, entry: Record, state: str | None) -> None:
        observation = {"present": True, "state": state, "health": entry["health"], "inspect": entry["inspect"]}
        self.facts.append(self._fact(entry["workspace_id"], entry["workspace_name"], entry["container"], observation))

    def leave(self, known: _Known) -> None:
        container = known.container
        who = {
            "id": container["id"],
            "name": container["name"],
            "service": container["service"],
            "image": container["image"],
            "grouped_by": "UNKNOWN",
            "labels": {},
        }
        observation = {"present": False, "state": None, "health": None, "inspect": None}
        self.leaves.append(self._fact(known.workspace_id, known.workspace_name, who, observation))

    def _fact(self, workspace_id: str, workspace_name: str, container: Record, observation: Record) -> dict[str, Any]:
        head = self._head
        generation, listed_at_ns = self.order
        return {
            "kind": "observation",
            "id": self._make_id(head["engine_id"], generation, listed_at_ns, container["id"], LISTING, workspace_id),
            "workspace_id": workspace_id,
            "workspace_name": workspace_name,
            "engine_id": head["engine_id"],
            "engine_name": head["engine_name"],
            "generation": generation,
            "time_ns": listed_at_ns,
            "recorded_at_ns": head["recorded_at_ns"],
            "container": container,
            "engine_event": None,
            "observation": {"source": LISTING, "sync_id": head["snapshot_id"], **observation},
            "command": None,
            "notice": None,
        }
