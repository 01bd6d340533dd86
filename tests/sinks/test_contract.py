"""One suite for every archive: in memory, the embedded engine, ClickHouse over HTTP. What was written is read, whatever came twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused
from streams.core import samples
from streams.core.histogram import Histogram
from streams.query.archive import Archive, Cursor, EventFilter
from streams.query.memory import MemoryArchive
from streams.sinks.consumer import Sink
from streams.sinks.source import Raw
from tests.sinks import records
from tests.sinks.archives import embedded_url, open_archive
from tests.sinks.records import HOSTILE, T0_NS, arrive, position, rows_of
from tests.sinks.test_consumer import Script, assembled, raw


@dataclass
class Pair:
    """A sink and the archive that reads what it wrote."""

    sink: Sink
    archive: Archive

    async def write(self, topic: topics.Topic, *written: tuple[dict[str, Any] | None, int], **more: Any) -> None:
        await self.sink.write(rows_of(topic, *(arrive(topic, record, position(offset), **more) for record, offset in written)))


@pytest.fixture(params=["memory", "chdb", "http"])
async def pair(request: pytest.FixtureRequest, unique: str) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryArchive()
        yield Pair(memory, memory)
        return
    url = embedded_url() if request.param == "chdb" else request.getfixturevalue("clickhouse_http").url
    real = open_archive(url, unique)
    yield Pair(real.sink, real.archive)
    await real.close()


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


async def test_an_empty_archive_answers_with_nothing(pair: Pair) -> None:
    assert await pair.archive.states() == []
    assert (await pair.archive.events(EventFilter())).events == []
    assert await pair.archive.samples("shop", 0, 2**62) == []
    assert await pair.archive.windows("shop", "hour", 0, 2**62) == []


async def test_states_come_back_as_they_were_published_the_latest_of_each(pair: Pair) -> None:
    whole = records.state("b", position(9), labels={HOSTILE: HOSTILE}, last_error=HOSTILE, last_sync_ns=T0_NS)
    await pair.write(topics.WORKSPACE_STATE, (whole, 1), (records.state("b", position(3)), 2), (records.state("a", position(4)), 3))
    states = await pair.archive.states()
    assert [state["workspace_id"] for state in states] == ["a", "b"]
    assert states[1] == codec("state").decode(codec("state").encode(whole))


async def test_a_forgotten_workspace_has_no_state_until_a_later_fact(pair: Pair) -> None:
    await pair.write(topics.WORKSPACE_STATE, (records.state("a", position(4)), 1))
    await pair.write(topics.WORKSPACE_STATE, (None, 2), key="a", headers=records.forgotten_by(position(7)))
    await pair.write(topics.WORKSPACE_STATE, (records.state("a", position(5)), 3))
    assert await pair.archive.states() == []
    await pair.write(topics.WORKSPACE_STATE, (records.state("a", position(8)), 4))
    assert [state["offset"] for state in await pair.archive.states()] == [8]


async def test_a_record_no_table_takes_becomes_a_dead_letter_and_all_others_go_in(pair: Pair) -> None:
    """A forgotten workspace whose record has an absurd time: Kafka's are any 64 bits, of ms."""
    state, facts = codec("state"), [raw(offset) for offset in range(40, 45)]
    told = [
        Raw("wst.workspace.state", position(n), f"w{n:02}".encode(), state.encode(records.state(f"w{n:02}", position(n))), (), 1, n)
        for n in range(33)
    ]
    for offset in (0, 17, 18, 32):
        told[offset] = Raw("wst.workspace.state", position(offset), b"x", None, records.forgotten_by(position(offset)), 2**62, offset)
    source = Script([*told, *facts])
    consumer, letters = assembled(source, pair.sink)
    await consumer.run()
    assert [one["workspace_id"] for one in await pair.archive.states()] == [f"w{n:02}" for n in range(33) if n not in (0, 17, 18, 32)]
    refused = [codec("dead_letter").decode(record.value) for record in letters.records]
    assert [(one["code"], one["stage"], one["topic"], one["offset"], one["key"], one["value"]) for one in refused] == [
        ("refused", "sink", "wst.workspace.state", offset, b"x", None) for offset in (0, 17, 18, 32)
    ]
    assert all("last_updated" in one["reason"] for one in refused)
    assert source.committed == [32, 44]


async def test_events_are_read_by_time_either_way_page_by_page_without_a_gap_or_a_repeat(pair: Pair) -> None:
    times = [T0_NS + n // 3 for n in range(20)]
    written = [(records.event(n, f"ws{n % 2}", at_ns=at), n) for n, at in enumerate(times)]
    random.Random(3).shuffle(written)
    await pair.write(topics.WORKSPACE_CHANGES, *written)
    await pair.write(topics.WORKSPACE_CHANGES, *written[:7])
    for newest_first, limit in itertools.product((False, True), (1, 7, 20, 50)):
        pages, after = [], None
        while True:
            page = await pair.archive.events(EventFilter(), limit=limit, newest_first=newest_first, after=after)
            pages.append(page.events)
            if page.next is None:
                break
            after = Cursor.parse(str(page.next))
        read = [event for page_ in pages for event in page_]
        assert sorted(seqs(read)) == list(range(20))
        # Times come in threes, and 10 comes after 9: at one instant the number decides, not the text of the id.
        assert seqs(read) == sorted(range(20), reverse=newest_first)
        assert all(len(page_) == limit for page_ in pages[:-1])


async def test_events_are_filtered_by_workspace_type_and_time(pair: Pair) -> None:
    await pair.write(
        topics.WORKSPACE_CHANGES,
        (records.event(1, "a", at_ns=T0_NS), 1),
        (records.event(2, "a", kind="error", at_ns=T0_NS + 1), 2),
        (records.event(3, "b", at_ns=T0_NS + 2), 3),
        # A sync event is an engine's, even where the engine is called like a workspace.
        (records.event(4, None, kind="sync_start", at_ns=T0_NS + 3, stream="engine", engine_id="a"), 4),
    )
    cases = [
        (EventFilter(), [1, 2, 3, 4]),
        (EventFilter(workspace_id="a"), [1, 2]),
        (EventFilter(types=("error", "sync_start")), [2, 4]),
        (EventFilter(since_ns=T0_NS + 1, until_ns=T0_NS + 3), [2, 3]),
        (EventFilter(workspace_id="a", types=("error",), since_ns=T0_NS + 2), []),
    ]
    for which, found in cases:
        assert seqs((await pair.archive.events(which)).events) == found


async def test_hostile_words_are_values_never_sql(pair: Pair) -> None:
    words = (
        HOSTILE,
        "x' OR 1=1 --",
        "\\' OR 1=1 --",
        "{workspace_id:String}",
        "%(x)s",
        "",
        "\n",
        "NULL",
        "\\N",
        "한글🙂",
        "a\tb",
        "\\t",
        "\\",
    )
    await pair.write(topics.WORKSPACE_CHANGES, *((records.event(n + 1, word, message=word), n) for n, word in enumerate(words) if word))
    for n, word in enumerate(words):
        page = await pair.archive.events(EventFilter(workspace_id=word))
        assert [(event["seq"], event["message"]) for event in page.events] == ([(n + 1, word)] if word else [])
        assert (await pair.archive.events(EventFilter(types=(word, "' OR 1=1")))).events == []
        after = Cursor(T0_NS, 0, word)
        await pair.archive.events(EventFilter(), after=Cursor.parse(str(after)))
    assert Cursor.parse(str(Cursor(-5, 7, HOSTILE))) == Cursor(-5, 7, HOSTILE)


@pytest.mark.parametrize("text", ["", "%%%", "YWJj", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTo", "ü"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="no cursor"):
        Cursor.parse(text)


async def test_samples_are_exact_and_the_earliest_tick_of_a_repeated_one_wins(pair: Pair) -> None:
    sample = records.sample("c1", T0_NS, cpu_ns=2**62 + 1)
    again = records.sample("c1", T0_NS, "out_of_order", cpu_ns=-1)
    for at, one in ((9, again), (3, sample), (7, again)):
        await pair.write(topics.WORKSPACE_USAGE, (records.usage(position(at), samples=[one, records.sample("c2", T0_NS + at)]), at))
    rows = await pair.archive.samples("shop@laptop", T0_NS, T0_NS + 8)
    assert [(row["container_id"], row["read_at"], row["outcome"], row["log_offset"]) for row in rows] == [
        ("c1", T0_NS, "folded", 3),
        ("c2", T0_NS + 3, "folded", 3),
        ("c2", T0_NS + 7, "folded", 7),
    ]
    told = dict(zip(samples.COLUMNS, samples.unpack(sample["derived"]), strict=True))
    assert {name: rows[0][name] for name in samples.COLUMNS[1:]} == {name: told[name] for name in samples.COLUMNS[1:]}
    assert [row["read_at"] for row in await pair.archive.samples("shop@laptop", T0_NS, T0_NS + 8, limit=1)] == [T0_NS + 7]
    assert await pair.archive.samples("shop", T0_NS, T0_NS + 8) == []


async def test_samples_that_repeat_within_one_insert_and_have_hostile_names_are_each_one_row(pair: Pair) -> None:
    """They are not looked for when they go in, so the readers' FINAL has to find them in one part."""
    hostile = {"container_name": HOSTILE, "service": "", "outcome": "folded"}
    kept = [records.sample(f"c{n}", T0_NS + n % 2, cpu_ns=n) | hostile for n in range(5)]
    again = [records.sample(f"c{n}", T0_NS + n % 2, "out_of_order", cpu_ns=-1) for n in range(5)]
    written = [(records.usage(position(at), samples=rows, workspace_name=HOSTILE), at) for at, rows in ((9, again), (3, kept), (7, again))]
    await pair.write(topics.WORKSPACE_USAGE, *written)
    rows = await pair.archive.samples("shop@laptop", T0_NS, T0_NS + 8)
    assert sorted((row["container_id"], row["cpu_ns"], row["container_name"], row["workspace_name"], row["service"]) for row in rows) == [
        (f"c{n}", n, HOSTILE, HOSTILE, "") for n in range(5)
    ]


async def test_windows_are_those_of_the_workspace_with_the_most_samples(pair: Pair) -> None:
    hour_ms = 3_600_000
    start = T0_NS // 10**6
    histogram = Histogram()
    histogram.add_all((0, 1_000, 250_000))
    written = [
        records.window(start, sample_count=5, cpu_core_ns=5, histograms={"cpu_millipercent": histogram.to_bytes()}),
        records.window(start, sample_count=4, cpu_core_ns=4),
        records.window(start, sample_count=9, container_id="c1"),
        records.window(start + hour_ms, sample_count=1, final=True),
        records.window(start, grain="day", sample_count=70),
    ]
    for offset, window in enumerate(written):
        await pair.write(topics.WORKSPACE_USAGE, (records.usage(position(offset), windows=[window]), offset))
    hours = await pair.archive.windows("shop@laptop", "hour", T0_NS, T0_NS + 2 * hour_ms * 10**6)
    assert [(row["start"], row["sample_count"], row["final"], row["cpu_core_ns"]) for row in hours] == [
        (start, 5, False, 5),
        (start + hour_ms, 1, True, 0),
    ]
    assert hours[0]["sketches"] == {"cpu_millipercent": histogram.to_clickhouse()}
    assert len(await pair.archive.windows("shop@laptop", "hour", T0_NS + 1, T0_NS + 2 * hour_ms * 10**6)) == 1
    assert [row["sample_count"] for row in await pair.archive.windows("shop@laptop", "day", 0, 2**62)] == [70]
    with pytest.raises(Refused, match="week"):
        await pair.archive.windows("shop@laptop", "week", 0, 1)


async def test_many_questions_at_once_are_answered(pair: Pair) -> None:
    await pair.write(topics.WORKSPACE_CHANGES, *((records.event(n, at_ns=T0_NS + n), n) for n in range(50)))
    pages = await asyncio.gather(*(pair.archive.events(EventFilter(since_ns=T0_NS + n)) for n in range(20)))
    assert [len(page.events) for page in pages] == [50 - n for n in range(20)]
