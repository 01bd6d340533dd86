"""What a fact costs the state side on one core: Avro decoding, parsing, folding, and what a changed workspace costs once a slice.

    python -m benchmarks.fold_state                   # 500 workspaces × 4 containers, 50,000 events
    python -m benchmarks.fold_state --workspaces 20000

CPU time of this process, µs per fact, the best of three rounds. The events are lives of Compose services: started, used by execs, paused,
stopped and started again, with the labels and names real ones have; about every second fact changes something that is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from time import process_time

from schemas.codec import Record, codec
from schemas.identity import event_fact_id
from streams.core.facts import Position, parse_fact
from streams.core.state import WorkspaceState
from streams.core.workspace import fold, from_bytes, initial, to_bytes, to_record

START_NS = 1_764_000_000 * 10**9
SERVICES = ("web", "worker", "postgres", "redis")
LIFE = ("start", "exec_create", "exec_start", "exec_die", "health_status", "pause", "unpause", "kill", "die", "stop")
SAID: dict[str, Record] = {"die": {"exit_code": 143}, "kill": {"signal": 15}, "health_status": {"health": "healthy"}}


def events(workspaces: int, facts: int) -> Iterator[bytes]:
    """Encoded facts, one container after the other."""
    encode = codec("fact").encode
    for number in range(facts):
        place, step = number % (workspaces * 4), number // (workspaces * 4)
        action = LIFE[(step - 1) % len(LIFE)] if step else "create"
        shop, service = f"shop-{place // 4}", SERVICES[place % 4]
        time_ns, container_id = START_NS + number * 1_000_000, f"{place:064x}"
        labels = {"com.docker.compose.project": shop, "com.docker.compose.service": service, "team": "blue"}
        container: Record = {
            "id": container_id,
            "name": f"{shop}-{service}-1",
            "service": service,
            "image": f"{service}:1.2",
            "labels": labels,
        }
        yield encode(
            {
                "kind": "engine_event",
                "id": event_fact_id("engine", 0, time_ns, action, container_id),
                "workspace_id": f"{shop}@laptop",
                "workspace_name": shop,
                "engine_id": "6cd2c2bb-0000-4000-8000-5a5a5a5a5a5a",
                "engine_name": "laptop",
                "time_ns": time_ns,
                "recorded_at_ns": time_ns,
                "container": container | {"grouped_by": "compose"},
                "engine_event": {"action": action, **SAID.get(action, {})},
            }
        )


def fold_all(raw: list[bytes], until: str) -> tuple[dict[str, WorkspaceState], int]:
    """Takes every record as far as `until`, one after the other, as a worker does; the states and how many changes were told."""
    decode = codec("fact").decode
    states: dict[str, WorkspaceState] = {}
    told = 0
    for offset, value in enumerate(raw):
        record = decode(value)
        if until == "decode":
            continue
        fact = parse_fact(record)
        if until == "parse":
            continue
        state = states.get(fact.workspace_id)
        if state is None:
            state = states[fact.workspace_id] = initial(fact.workspace_id)
        _, changes = fold(state, fact, Position(1, 0, offset))
        told += len(changes)
    return states, told


def cost_us(raw: list[bytes], until: str) -> float:
    """CPU time of one record, the best of three rounds, µs."""
    best = float("inf")
    for _ in range(3):
        began = process_time()
        fold_all(raw, until)
        best = min(best, process_time() - began)
    return best / len(raw) * 1e6


def main() -> None:
    """Prints the costs, part by part."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--workspaces", type=int, default=500)
    arguments.add_argument("--facts", type=int, default=50_000)
    chosen = arguments.parse_args()
    raw = list(events(chosen.workspaces, chosen.facts))
    states, told = fold_all(raw, "fold")
    print(f"{len(raw):,} facts, {len(states):,} workspaces, {told / len(raw):.2f} changes a fact")
    before = 0.0
    for part in ("decode", "parse", "fold"):
        so_far = cost_us(raw, part)
        print(f"{part:>10}: {so_far - before:6.2f} µs a fact")
        before = so_far
    print(f"{'in all':>10}: {1e6 / before:,.0f} facts/s")
    began = process_time()
    values = [to_bytes(state) for state in states.values()]
    written = process_time()
    for value in values:
        from_bytes(value)
    read = process_time()
    for state in states.values():
        to_record(state)
    shown = process_time()
    for what, seconds in (("to_bytes", written - began), ("from_bytes", read - written), ("to_record", shown - read)):
        print(f"{what:>10}: {seconds / len(values) * 1e6:6.2f} µs a workspace")
    print(f"{'value':>10}: {max(map(len, values)):,} bytes at most")


if __name__ == "__main__":
    main()
