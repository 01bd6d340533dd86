"""What a replay folds a second on one core, and how long as-of and why take over a year of changes.

    python -m benchmarks.replay                                     # 1,000,000 facts; a year of 1,000 workspaces, 10 changes a day
    python -m benchmarks.replay --facts 200000 --days 30

The fold is CPU time of this process over facts in memory: decode, parse, fold. As-of and why are asked of the embedded
archive as a person asks them: through the API's app, from the question to its JSON, in wall time, the best and the worst of seven instants.

The year of one workspace with four containers is folded and written by the sink; that of the others is copied from it by ClickHouse, under
names of the same length, so that the records stay records.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from itertools import islice
from time import perf_counter, process_time
from typing import Any, Final

import httpx
from clickhouse_connect.driver import Client

from benchmarks.fold_state import START_NS, events
from schemas import topics
from schemas.codec import codec
from streams import migrate
from streams.api.app import make_app
from streams.core import workspace
from streams.core.facts import Position, parse_fact
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.present import time_text
from streams.replay.refold import RawFact, Refold
from streams.sinks.clickhouse import Address, ClickHouseSink, connect
from streams.sinks.rows import Arrived, arrived, blocks
from tests.face.api_parts import LOCAL, make_live

DAY_NS: Final = 86_400 * 10**9
FIRST: Final = "shop-0000"
_AT_ONCE: Final = 250
#: {names}: of the workspaces that are made, {many}: of all.
COPY: Final = """
INSERT INTO {db}.{table} SELECT t.* REPLACE (
    replaceAll(t.workspace_id, '{first}', n.name) AS workspace_id, replaceAll(t.workspace_name, '{first}', n.name) AS workspace_name,
    replaceAll(t.record, '{first}', n.name) AS record, t.log_offset + n.number AS log_offset)
FROM {db}.{table} AS t
CROSS JOIN (SELECT number, concat('shop-', leftPad(toString(number), 4, '0')) AS name FROM numbers({begin}, {count})) AS n
WHERE t.workspace_id = '{first}@laptop'
"""


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


def renamed(value: Any) -> Any:
    """A record of `shop-0` as one of the first workspace."""
    if isinstance(value, dict):
        return {key: renamed(each) for key, each in value.items()}
    return value.replace("shop-0", FIRST) if isinstance(value, str) else value


def year(workspaces: int, days: int, per_day: int) -> dict[str, list[Arrived]]:
    """Facts and states of the first workspace over a long time, as they arrive at the sink; offsets leave room for the others'."""
    decode, encode = codec("fact").decode, codec("fact").encode
    name, state = f"{FIRST}@laptop", workspace.initial(f"{FIRST}@laptop")
    found: dict[str, list[Arrived]] = {topics.DOCKER_EVENTS.name: [], topics.WORKSPACE_STATE.name: []}

    def came(topic: topics.Topic, value: bytes, position: Position, at_ns: int) -> None:
        found[topic.name].append(arrived(topic.name, position, name.encode(), value, (), at_ns // 10**6))

    for step, value in enumerate(events(1, days * per_day)):
        at_ns = START_NS + step * DAY_NS // per_day
        record = renamed(decode(value)) | {"time_ns": at_ns, "recorded_at_ns": at_ns, "id": f"{step:016x}"}
        position = Position(1, 0, (step + 1) * workspaces)
        came(topics.DOCKER_EVENTS, encode(record), position, at_ns)
        workspace.fold(state, parse_fact(record), position)
        said = workspace.to_record(state)
        if said is not None:
            came(topics.WORKSPACE_STATE, codec("state").encode(said), position, at_ns)
    return found


async def fill(address: Address, client: Client, workspaces: int, days: int, per_day: int) -> None:
    """Makes the archive of all workspaces."""
    begun = perf_counter()
    sink = ClickHouseSink(address)
    for topic, some in year(workspaces, days, per_day).items():
        await sink.write(blocks(topic, some))
    await sink.close()
    for begin in range(1, workspaces, _AT_ONCE):
        for table in ("docker_events_rows", "workspace_states_rows"):
            told = {"db": address.database, "table": table, "first": FIRST, "begin": begin, "count": min(_AT_ONCE, workspaces - begin)}
            client.command(COPY.format(**told), settings={"async_insert": 0, "max_insert_threads": 1})
    counted = client.query(f"SELECT count() FROM {address.database}.docker_events_rows").result_rows[0][0]
    print(f"a year made: {counted:,} facts of {workspaces:,} workspaces in {perf_counter() - begun:.0f} s", flush=True)


async def timed(what: str, ask: Callable[[int], Awaitable[httpx.Response]], instants: list[int]) -> Any:
    """Asks of each instant, once more than it is timed, and prints a line; returns the last answer, read after the timing."""
    found = await ask(instants[0])
    took = []
    for at_ns in instants:
        begun = perf_counter()
        found = await ask(at_ns)
        took.append(perf_counter() - begun)
    print(
        f"{what}: best {min(took) * 1e3:.0f} ms, median {statistics.median(took) * 1e3:.0f} ms, worst {max(took) * 1e3:.0f} ms", flush=True
    )
    return found.json()


async def ask_all(address: Address, workspaces: int, days: int, per_day: int) -> None:
    """The questions, through the API."""
    archive = ClickHouseArchive(address)
    app = make_app(make_live(), archive, LOCAL, lambda: {"parts": []})
    instants = [START_NS + days * DAY_NS * part // 7 + 12_345_678_901 for part in range(1, 8)]
    one = f"shop-{min(7, workspaces - 1):04}@laptop"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as asking:

        async def asked(path: str, **parameters: str) -> httpx.Response:
            return (await asking.get(path, params=parameters)).raise_for_status()

        found = await timed(
            f"as-of of {workspaces:,} workspaces", lambda at_ns: asked("/api/v1/as-of", time=time_text(at_ns) or ""), instants
        )
        assert len(found["workspaces"]) == workspaces, len(found["workspaces"])
        (state,) = (await timed("as-of of one", lambda at: asked("/api/v1/as-of", time=time_text(at) or "", workspace=one), instants))[
            "workspaces"
        ]
        assert (state["workspace_id"], len(state["containers"])) == (one, 4), state
        why = await timed(
            f"why, over up to {days * per_day:,} facts of it",
            lambda at_ns: asked(f"/api/v1/workspaces/{one}/why", at=time_text(at_ns) or ""),
            instants,
        )
        assert why["causes"], why
    await archive.close()


async def ask(folder: str, given: argparse.Namespace) -> None:
    """Fills an archive and asks it."""
    address = Address(f"chdb://{folder}", "wst")
    client = connect(address)
    migrate.apply(address, client)
    await fill(address, client, given.workspaces, given.days, given.per_day)
    for _ in range(given.rounds):
        await ask_all(address, given.workspaces, given.days, given.per_day)
    client.close()


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--per-day", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3, help="of the questions")
    given = parser.parse_args()
    if given.facts:
        fold(given.facts)
    if given.days:
        with tempfile.TemporaryDirectory(prefix="wst-replay-") as folder:
            asyncio.run(ask(folder, given))


if __name__ == "__main__":
    main()
