"""What a replay folds a second on one core, and how long as-of and why take over a year of changes.

    python -m benchmarks.replay                                     # 1,000,000 facts; a year of 1,000 workspaces, 10 changes a day
    python -m benchmarks.replay --facts 200000 --days 30

The fold is CPU time of this process over facts in memory: decode, parse, fold. As-of and why are asked of the embedded
archive, in wall time, the best and the worst of seven instants.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from itertools import islice
from time import perf_counter, process_time

from benchmarks.fold_state import START_NS, events
from schemas import topics
from schemas.codec import codec
from streams import migrate
from streams.core import workspace
from streams.core.facts import Position, parse_fact
from streams.core.state import WorkspaceState
from streams.query.archive import ClickHouseArchive
from streams.query.past import facts_until, states_at
from streams.query.why import trace, why
from streams.replay.refold import RawFact, Refold
from streams.sinks.clickhouse import Address, ClickHouseSink, connect
from streams.sinks.rows import Arrived, arrived, blocks

DAY_NS = 86_400 * 10**9
_BATCH = 20_000


def fold(facts: int) -> None:
    """Folds facts of 1,000 workspaces, batch by batch, and prints facts a second."""
    made = events(1_000, facts)
    again, seconds, offset = Refold(), 0.0, 0
    while batch := list(islice(made, 50_000)):
        raw = [RawFact(value, Position(1, 0, number)) for number, value in enumerate(batch, offset)]
        offset += len(batch)
        begun = process_time()
        again.run(raw)
        seconds += process_time() - begun
    print(f"replay: {again.facts:,} facts, {again.facts / seconds:,.0f} facts/s, {sum(map(len, again.event_ids.values())):,} events")


def year(workspaces: int, days: int, per_day: int) -> Iterator[tuple[str, Arrived]]:
    """Facts and states of a long time, as they arrive at the sink; each workspace's facts are spread over each day."""
    decode, encode = codec("fact").decode, codec("fact").encode
    count = days * per_day
    made = [decode(value) for value in events(1, 4 * (count + 12))][::4][1 : count + 1]
    states: dict[str, WorkspaceState] = {}
    for step, base in enumerate(made):
        for number in range(workspaces):
            name = f"shop-{number}@laptop"
            at_ns = START_NS + step * DAY_NS // per_day + number * DAY_NS // per_day // workspaces
            record = base | {"workspace_id": name, "time_ns": at_ns, "recorded_at_ns": at_ns, "id": f"{step * workspaces + number:016x}"}
            position = Position(1, 0, step * workspaces + number + 1)
            yield topics.DOCKER_EVENTS.name, arrived(topics.DOCKER_EVENTS.name, position, name.encode(), encode(record), (), at_ns // 10**6)
            state = states.setdefault(name, workspace.initial(name))
            workspace.fold(state, parse_fact(record), position)
            said = workspace.to_record(state)
            if said is not None:
                value = codec("state").encode(said)
                yield topics.WORKSPACE_STATE.name, arrived(topics.WORKSPACE_STATE.name, position, name.encode(), value, (), at_ns // 10**6)


async def ask(folder: str, workspaces: int, days: int, per_day: int) -> None:
    """Fills an archive and asks it."""
    address = Address(f"chdb://{folder}", "wst")
    client = connect(address)
    migrate.apply(address, client)
    sink, waiting, rows = ClickHouseSink(address), dict[str, list[Arrived]](), 0
    for topic, one in year(workspaces, days, per_day):
        waiting.setdefault(topic, []).append(one)
        if len(waiting[topic]) >= _BATCH:
            await sink.write(blocks(topic, waiting[topic]))
            rows += len(waiting.pop(topic))
    for topic, some in waiting.items():
        await sink.write(blocks(topic, some))
        rows += len(some)
    archive = ClickHouseArchive(address)
    instants = [START_NS + days * DAY_NS * part // 7 + 12_345_678_901 for part in range(1, 8)]
    await states_at(archive, instants[0])
    took = []
    for at_ns in instants:
        begun = perf_counter()
        found = await states_at(archive, at_ns)
        took.append(perf_counter() - begun)
    print(f"as-of: {rows:,} rows, {len(found)} workspaces: {_shown(took)}")
    took = []
    for at_ns in instants:
        begun = perf_counter()
        (state,) = await states_at(archive, at_ns, "shop-7@laptop")
        took.append(perf_counter() - begun)
    print(f"as-of of one workspace ({state['status']}): {_shown(took)}")
    took = []
    for at_ns in instants:
        begun = perf_counter()
        why(trace("shop-7@laptop", await facts_until(archive, "shop-7@laptop", at_ns)), "wst.docker.events", at_ns)
        took.append(perf_counter() - begun)
    print(f"why, over up to {days * per_day:,} facts of it: {_shown(took)}")
    await archive.close()
    await sink.close()
    client.close()


def _shown(seconds: list[float]) -> str:
    return f"best {min(seconds) * 1e3:.0f} ms, median {statistics.median(seconds) * 1e3:.0f} ms, worst {max(seconds) * 1e3:.0f} ms"


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--per-day", type=int, default=10)
    given = parser.parse_args()
    if given.facts:
        fold(given.facts)
    if given.days:
        with tempfile.TemporaryDirectory(prefix="wst-replay-") as folder:
            asyncio.run(ask(folder, given.workspaces, given.days, given.per_day))


if __name__ == "__main__":
    main()
