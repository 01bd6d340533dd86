"""Does what wst says equal what happened? Differences as lines; an empty list: it does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.e2e.witness import STATE_AFTER, container_chains, event_keys, status_chains

Json = dict[str, Any]


def states_against_engine(states: list[Json], inspects: dict[str, Json]) -> list[str]:
    """`wst status --json` against `docker inspect` of every container there is."""
    told = {c["id"]: c for state in states for c in state["containers"] if c["state"] != "removed"}
    real = {inspect["Id"]: inspect for inspect in inspects.values()}
    found = [f"{name} is in wst, not in the engine" for name in told.keys() - real.keys()]
    found += [f"{name} is in the engine, not in wst" for name in real.keys() - told.keys()]
    for container in told.keys() & real.keys():
        found += _container_differences(told[container], real[container])
    for state in states:
        running = sum(1 for c in state["containers"] if c["state"] == "running")
        if state["running"] != running or (state["status"] == "active") != (running > 0):
            found.append(f"{state['workspace_id']}: {state['status']} with {state['running']}/{running} running")
    return found


def _container_differences(told: Json, inspect: Json) -> list[str]:
    real = inspect["State"]
    pairs = {
        "state": (told["state"], real["Status"]),
        "name": (told["name"], inspect["Name"].removeprefix("/")),
        "image": (told["image"], inspect["Config"]["Image"]),
        # Of a container that does not run the engine still says how its last check went, or "unhealthy": wst says nothing.
        "health": (told["health"], real.get("Health", {}).get("Status") if real["Running"] else None),
        "restart_count": (told["restart_count"], inspect["RestartCount"]),
        "started_at": (_ms(told["started_at"]), _ms(real["StartedAt"])),
    }
    if real["Status"] == "exited":
        pairs["exit_code"] = (told["exit_code"], real["ExitCode"])
        pairs["finished_at"] = (_ms(told["finished_at"]), _ms(real["FinishedAt"]))
        pairs["oom_killed"] = (told["oom_killed"], real["OOMKilled"])
    return [
        f"{told['name']}.{field}: wst says {ours!r}, the engine {theirs!r}" for field, (ours, theirs) in pairs.items() if ours != theirs
    ]


def _ms(text: str | None) -> int | None:
    """Milliseconds of an RFC 3339 time; the engine's year 1 means never."""
    if not text or text.startswith("0001"):
        return None
    whole, _, rest = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1000 + int((rest + "000")[:3])


def events_against_witness(events: list[Json], heard: list[Json], workspace_of: dict[str, str]) -> list[str]:
    """The event topic against what an independent listener heard: chains of states and statuses, numbering."""
    found = numbering_faults(events)
    containers: dict[str, list[str]] = defaultdict(list)
    statuses: dict[str, list[str]] = defaultdict(list)
    told = sorted(events, key=lambda event: int(event["seq"]))
    for event in told:
        data = event["data"]
        if event["type"] == "container_update":
            chain = containers[data["container_id"]]
            if not chain or chain[-1] != data["new_state"]:
                chain.append(data["new_state"])
        elif event["type"] == "status_changed":
            statuses[event["workspace_id"].split("@")[0]].append(data["new_status"])
    expected = container_chains(heard)
    for container, chain in expected.items():
        if containers.get(container) != chain:
            found.append(f"container {container[:12]}: wst says {containers.get(container)}, the engine {chain}")
            found += _told_of(container, told) + _heard_of(container, heard)
    for workspace, chain in status_chains(heard, workspace_of).items():
        if statuses.get(workspace) != chain:
            found.append(f"workspace {workspace}: wst says {statuses.get(workspace)}, the engine {chain}")
    return found


def _told_of(container: str, told: Iterable[Json]) -> list[str]:
    """What wst told of a container, with its time and what it was told from."""
    updates = [event for event in told if event["type"] == "container_update" and event["data"]["container_id"] == container]
    return [
        f"  told {event['timestamp']} {event['data']['new_state']}{' found by a listing' if event.get('correction') else ''}"
        f" (number {event['seq']}, cause {event['cause']})"
        for event in updates
    ]


def _heard_of(container: str, heard: Iterable[Json]) -> list[str]:
    """What the witness heard of a container that changes its state."""
    of_it = [event for event in heard if event["Actor"]["ID"] == container and event["Action"] in STATE_AFTER]
    times = [datetime.fromtimestamp(int(event["timeNano"]) / 1e9, UTC) for event in of_it]
    return [f"  heard {at.isoformat(timespec='milliseconds')} {event['Action']}" for at, event in zip(times, of_it, strict=True)]


def numbering_faults(events: list[Json]) -> list[str]:
    """Numbers within a workspace and stream run from 1 without gap or repeat, and no id stands twice."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event["workspace_id"] is not None:
            numbers[event["workspace_id"], event["stream"]].append(event["seq"])
    found = [
        f"{key}: numbers {sorted(seqs)[:5]}…{sorted(seqs)[-3:]} of {len(seqs)} events"
        for key, seqs in numbers.items()
        if sorted(seqs) != list(range(1, len(seqs) + 1))
    ]
    ids = [event["id"] for event in events]
    return found + ([f"{len(ids) - len(set(ids))} ids stand twice"] if len(ids) != len(set(ids)) else [])


def facts_against_witness(facts: set[tuple[str, str, int]], heard: list[Json], probed: set[str]) -> list[str]:
    """The engine events in the archive against those heard; of containers with a health check without execs, which are its own."""
    expected = {key for key in event_keys(heard) if not (key[0] in probed and key[1].startswith("exec_"))}
    facts = {key for key in facts if not (key[0] in probed and key[1].startswith("exec_"))}
    found = [f"missing in the archive: {key}" for key in sorted(expected - facts)[:5]]
    return found + [f"invented in the archive: {key}" for key in sorted(facts - expected)[:5]]
