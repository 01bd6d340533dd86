"""`forget --erase` in every archive: all rows of before are gone, whatever is delivered again; what comes after is kept."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import topics
from schemas.requests import ERASE_HEADER
from streams.core.facts import Position
from streams.query.archive import EventFilter
from streams.sinks.block import ERASED, Block
from streams.sinks.clickhouse import Address, Busy, ClickHouseSink, connect
from streams.sinks.consumer import SinkConsumer
from streams.sinks.erase import REACH
from streams.sinks.source import Raw
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import T0_NS, arrive, position, rows_of
from tests.sinks.test_consumer import Letters, Script
from tests.sinks.test_contract import Pair, pair

__all__ = ["pair"]

SECOND = 10**9
GONE, OTHER = "gone@laptop", "other@laptop"
FORGOTTEN = position(20)


def told_of(workspace_id: str, base: int, at_ns: int) -> list[Block]:
    """Rows of every table; facts at `base` and what follows from them."""
    at = position(base)
    started: dict[str, Any] = {"at_ns": at_ns, "cause": {"topic": "wst.docker.events", "epoch": 1, "partition": 0, "offset": base}}
    ticked = {**started, "stream": "usage", "cause": {"topic": "wst.docker.stats", "epoch": 1, "partition": 0, "offset": base + 1000}}
    window: dict[str, Any] = {"first_read_ns": at_ns, "last_read_ns": at_ns, "sample_count": base}  # of the same hour, as its samples go on
    windows = [records.window(grain=grain, container_id=of, **window) for grain in ("hour", "day") for of in (None, "c1")]
    arrivals: list[tuple[topics.Topic, dict[str, Any], int]] = [
        (topics.DOCKER_EVENTS, records.fact(f"f{base}{workspace_id}", workspace_id, at_ns), base),
        (topics.WORKSPACE_STATE, records.state(workspace_id, at), base + 500),
        (topics.WORKSPACE_CHANGES, records.event(base, workspace_id, **started), base + 500),
        (topics.WORKSPACE_CHANGES, records.event(base, workspace_id, **ticked) | {"id": f"usage.1.{base}.{workspace_id}"}, base + 501),
        (topics.WORKSPACE_USAGE, records.usage(at, workspace_id, samples=[records.sample("c1", at_ns)]), base + 500),
        (topics.WORKSPACE_USAGE, records.usage(at, workspace_id, windows=windows), base + 501),
        (topics.DEAD_LETTERS, records.dead_letter(base, key=workspace_id.encode(), refused_at_ns=at_ns), base),
    ]
    return [block for topic, record, offset in arrivals for block in rows_of(topic, arrive(topic, record, position(offset)))]


def tombstone(workspace_id: str = GONE, at: Position = FORGOTTEN, more: bytes = b"{}") -> list[Block]:
    """As the worker writes it, at T0."""
    headers = (*records.forgotten_by(at), (ERASE_HEADER, more))
    return rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, None, position(600), workspace_id, headers))


BEFORE = told_of(GONE, 5, T0_NS - 60 * SECOND)


async def told(pair: Pair, workspace_id: str) -> list[int]:
    """How many states, events, samples and windows there are."""
    archive = pair.archive
    return [
        sum(state["workspace_id"] == workspace_id for state in await archive.states()),
        len((await archive.events(EventFilter(workspace_id=workspace_id))).events),
        len(await archive.samples(workspace_id, 0, 2**62)),
        len(await archive.windows(workspace_id, "hour", 0, 2**62)),
        len(await archive.windows(workspace_id, "day", 0, 2**62)),
    ]


async def test_erased_it_is_in_no_answer_whatever_comes_again_and_in_whatever_order(pair: Pair) -> None:
    await pair.sink.write(BEFORE + told_of(OTHER, 6, T0_NS - 60 * SECOND))
    assert await told(pair, GONE) == [1, 2, 1, 1, 1]
    await pair.sink.write(tombstone())
    assert await told(pair, GONE) == [0] * 5
    for again in (tombstone(), [*reversed(BEFORE)]):
        await pair.sink.write(again)
        assert await told(pair, GONE) == [0] * 5
    assert await told(pair, OTHER) == [1, 2, 1, 1, 1]


async def test_a_later_life_is_kept_when_the_old_one_is_delivered_again_or_erased_late(pair: Pair) -> None:
    after = told_of(GONE, 30, T0_NS + 60 * SECOND)
    for some in (BEFORE, after, tombstone(), BEFORE):
        await pair.sink.write(some)
    assert await told(pair, GONE) == [1, 2, 1, 1, 1]
    assert [state["offset"] for state in await pair.archive.states()] == [30]
    await pair.sink.write(tombstone(at=position(10)))  # an earlier erasure, delivered again
    assert await told(pair, GONE) == [1, 2, 1, 1, 1]
    await pair.sink.write(tombstone(at=position(40)))
    assert (await told(pair, GONE))[0] == 0


async def test_a_fact_or_sample_of_the_very_moment_goes_and_the_one_after_it_stays(pair: Pair) -> None:
    for base, at_ns in ((20, T0_NS + 999_999), (21, T0_NS + 10**6)):
        await pair.sink.write(told_of(GONE, base, at_ns))
    await pair.sink.write(tombstone())
    assert [state["offset"] for state in await pair.archive.states()] == [21]
    assert [row["read_at"] for row in await pair.archive.samples(GONE, 0, 2**62)] == [T0_NS + 10**6]


async def test_no_table_and_no_view_has_a_row_of_it(chdb_archive: Real) -> None:
    stored = "SELECT name FROM system.tables WHERE database = {d:String} AND engine LIKE '%MergeTree'"
    tables = {name for (name,) in chdb_archive.rows(stored, d=chdb_archive.address.database)} - {"wst_migrations", ERASED}
    assert tables == set(REACH), "a table that erasing does not know of"
    for workspace_id in (GONE, OTHER):
        await chdb_archive.write(told_of(workspace_id, 5, T0_NS - 60 * SECOND))

    def counts(workspace_id: str) -> dict[str, int]:
        return {
            table: chdb_archive.rows(
                f"SELECT count() FROM {{db}}.{table} WHERE {'key' if table == 'dead_letters_rows' else 'workspace_id'} = {{w:String}}",
                w=workspace_id,
            )[0][0]
            for table in tables
        }

    assert all(counts(GONE).values())
    kept = counts(OTHER)
    await chdb_archive.write(tombstone())
    assert not any(counts(GONE).values())
    assert counts(OTHER) == kept
    chdb_archive.merge()
    await chdb_archive.write(BEFORE)
    assert not any(counts(GONE).values())
    views = "SELECT DISTINCT table FROM system.columns WHERE database = {d:String} AND name = 'workspace_id' AND table IN" + (
        " (SELECT name FROM system.tables WHERE database = {d:String} AND engine = 'View' AND name NOT LIKE '%\\_in')"
    )
    shown = [name for (name,) in chdb_archive.rows(views, d=chdb_archive.address.database)]
    assert len(shown) > 8
    for view in shown:
        assert chdb_archive.rows(f"SELECT count() FROM {{db}}.{view} WHERE workspace_id = {{w:String}}", w=GONE) == [(0,)], view


class Dying(ClickHouseSink):
    """Loses the archive before its n-th statement, then works; as killed there, for the archive."""

    def __init__(self, address: Address, statements: int) -> None:
        super().__init__(address, lambda address: Losing(connect(address), self))  # type: ignore[arg-type, return-value]
        self.left = statements
        self.died = False


class Losing:
    def __init__(self, client: Any, sink: Dying) -> None:
        self._client = client
        self._sink = sink

    def __getattr__(self, name: str) -> Any:
        if name in ("insert", "query", "command"):
            self._sink.left -= 1
            if self._sink.left == 0:
                self._sink.died = True
                raise Busy("killed here")
        return getattr(self._client, name)


@pytest.mark.parametrize("restarted", [False, True], ids=["tried-again", "another-process"])
async def test_killed_between_two_statements_of_an_erasure_it_is_done_again_and_committed_after(
    chdb_archive: Real, restarted: bool
) -> None:
    for statements in (2, 8):  # recorded; some tables done
        workspace_id = f"gone{statements}"
        await chdb_archive.write(told_of(workspace_id, 5, T0_NS - 60 * SECOND))
        headers = (*records.forgotten_by(FORGOTTEN), (ERASE_HEADER, b"{}"))
        told = Raw("wst.workspace.state", position(7), workspace_id.encode(), None, headers, T0_NS // 10**6, 7)
        source, sink = Script([told]), Dying(chdb_archive.address, statements)
        if restarted:
            with pytest.raises(Busy):
                await sink.write(tombstone(workspace_id))
            await sink.close()
            sink = Dying(chdb_archive.address, 0)
        source.consumer = SinkConsumer(source, sink, Letters(), "wst.")
        await source.consumer.run()
        await sink.close()
        assert sink.died is not restarted
        assert source.committed == [7]
        for table in REACH:
            key = "key" if table == "dead_letters_rows" else "workspace_id"
            assert chdb_archive.rows(f"SELECT count() FROM {{db}}.{table} WHERE {key} = {{w:String}}", w=workspace_id) == [(0,)], table
