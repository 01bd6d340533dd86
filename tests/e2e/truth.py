"""What a witness heard, by the time, against what wst told: exact wherever no recorded gap hides the engine.

Where nobody watched (`state_gaps`), and until the listing that ended it, wst may have missed what was; it may never have made
anything up. Everywhere else each change is told once, at the engine's own time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.e2e.witness import STATE_AFTER

Json = dict[str, Any]
#: (time in ms, what it became)
Change = tuple[int, str]
Span = tuple[int, int]


@dataclass
class Truth:
    """What changed, by container and by workspace, each in the order of time."""

    containers: dict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    workspaces: dict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))


def truth_of(heard: Iterable[Json], workspace_of: Mapping[str, str]) -> Truth:
    """The changes that follow from what the engine said."""
    found, running = Truth(), defaultdict[str, set[str]](set)
    for event in heard:
        state = STATE_AFTER.get(event["Action"])
        if state is None:
            continue
        at_ms, container = int(event["timeNano"]) // 1_000_000, event["Actor"]["ID"]
        workspace = workspace_of[container]
        _became(found.containers[container], at_ms, state)
        (running[workspace].add if state == "running" else running[workspace].discard)(container)
        _became(found.workspaces[workspace], at_ms, "active" if running[workspace] else "inactive")
    return found


def _became(changes: list[Change], at_ms: int, what: str) -> None:
    if not changes or changes[-1][1] != what:
        changes.append((at_ms, what))


def told_of(events: Iterable[Json], workspace_of: Mapping[str, str]) -> tuple[Truth, Truth]:
    """What wst told of the same: what it heard, and what a listing corrected."""
    heard, corrected, walked = Truth(), Truth(), set(workspace_of.values())
    for event in sorted(events, key=lambda event: int(event["seq"])):
        data, into = event["data"], corrected if event.get("correction") else heard
        at_ms = time_ms(event["timestamp"])
        if event["type"] == "container_update" and data["container_id"] in workspace_of and data["old_state"] != data["new_state"]:
            into.containers[data["container_id"]].append((at_ms, data["new_state"]))
        elif event["type"] == "status_changed" and event["workspace_id"].split("@")[0] in walked:
            into.workspaces[event["workspace_id"].split("@")[0]].append((at_ms, data["new_status"]))
    return heard, corrected


def time_ms(text: str) -> int:
    """Milliseconds of an RFC 3339 time."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def hidden_spans(gaps: Iterable[tuple[str, int, int]], syncs_ms: Iterable[int]) -> dict[str, list[Span]]:
    """Per workspace, from each gap's begin to the end of the first sync after it, ms.

    Args:
        gaps: workspace id, begin and end, ms.
        syncs_ms: when syncs were complete.
    """
    syncs, spans = sorted(syncs_ms), defaultdict[str, list[Span]](list)
    for workspace, begin, end in gaps:
        later = bisect_right(syncs, end)
        spans[workspace.split("@")[0]].append((begin, syncs[later] if later < len(syncs) else end))
    return spans


def is_hidden(spans: Iterable[Span], at_ms: int) -> bool:
    """Whether nobody watched then."""
    return any(begin <= at_ms <= end for begin, end in spans)


def differences(truth: Truth, told: Truth, corrected: Truth, spans: Mapping[str, list[Span]], workspace_of: Mapping[str, str]) -> list[str]:
    """Changes that are missing, made up, or corrected where a correction has no place."""
    found = []
    for who in sorted(truth.containers.keys() | told.containers.keys() | corrected.containers.keys()):
        hidden = spans.get(workspace_of[who], [])
        found += _unlike(
            f"container {who[:12]}", truth.containers[who], told.containers[who], corrected.containers[who], hidden, by_container=True
        )
    for who in sorted(truth.workspaces.keys() | told.workspaces.keys() | corrected.workspaces.keys()):
        hidden = spans.get(who, [])
        found += _unlike(
            f"workspace {who}", truth.workspaces[who], told.workspaces[who], corrected.workspaces[who], hidden, by_container=False
        )
    return found


def _unlike(
    who: str, real: list[Change], told: list[Change], corrected: list[Change], hidden: list[Span], *, by_container: bool
) -> list[str]:
    expected = Counter(change for change in real if not is_hidden(hidden, change[0]))
    watched = Counter(change for change in told if not is_hidden(hidden, change[0]))
    found = [f"{who}: not told: {change}" for change in (expected - watched).elements()]
    found += [f"{who}: made up: {change}" for change in (watched - expected).elements()]
    if not by_container:  # within a gap a workspace's status follows from the part of it that was heard
        return found + [f"{who}: corrected outside of any gap: {change}" for change in corrected if not is_hidden(hidden, change[0])]
    # Within a gap a change may be told that was none to the truth: from a state that wst had missed the end of.
    states = set(real) | {(at_ms, _state_at(real, at_ms)) for at_ms, _ in told}
    found += [f"{who}: never was: {change}" for change in told if change not in states]
    for at_ms, what in corrected:
        if not is_hidden(hidden, at_ms):
            found.append(f"{who}: corrected outside of any gap: {(at_ms, what)}")
        elif what != _state_at(real, at_ms):
            found.append(f"{who}: corrected to {what} at {at_ms}, while it was {_state_at(real, at_ms)}")
    return found


def _state_at(real: list[Change], at_ms: int) -> str:
    place = bisect_right(real, at_ms, key=lambda change: change[0])
    return real[place - 1][1] if place else "nothing"
