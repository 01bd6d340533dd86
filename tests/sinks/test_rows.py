"""Rows: every column of every table is filled by its record, whatever a record of that schema holds."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.requests import ERASE_HEADER
from streams.core import samples
from streams.core.invalid import InvalidMessage
from streams.sinks.rows import TOPICS, Block, PackedBlock, arrived, blocks
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import T0_NS, arrive, position, rows_of

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(max_size=12)
PACKED = st.lists(INT64, max_size=30).map(lambda numbers: struct.pack(f"<{len(numbers)}q", *numbers))


def values(schema: Any, ints: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Anything that an Avro schema lets through; an `int` is written like a `long`, so it may hold as much, but for one in a union."""
    if isinstance(schema, list):
        return st.one_of(*(values(branch, INT32) for branch in schema))
    kind = schema["type"] if isinstance(schema, dict) else schema
    match kind:
        case "record":
            return st.fixed_dictionaries({field["name"]: values(field["type"], ints) for field in schema["fields"]})
        case "enum":
            return st.sampled_from(schema["symbols"])
        case "array":
            return st.lists(values(schema["items"], ints), max_size=2)
        case "map":
            return st.dictionaries(TEXT, values(schema["values"], ints), max_size=2)
    simple: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(), "boolean": st.booleans(), "int": ints, "long": INT64,
        "double": st.floats(), "string": TEXT, "bytes": st.one_of(PACKED, PACKED, st.binary(max_size=20)),
    }  # fmt: skip
    return simple[kind]


@cache
def anything(name: str, ints: st.SearchStrategy[int] = INT32) -> st.SearchStrategy[Any]:
    """Any record of a topic."""
    return values(codec(topics.BY_NAME[name].subject).schema, ints)


def ints_of(schema: Any, value: Any) -> Iterator[int]:
    """Values of Avro's `int` in a record, but for those in unions of more than one type beside null."""
    if isinstance(schema, list):
        if value is not None:
            yield from ints_of(next(branch for branch in schema if branch != "null"), value)
    elif (schema["type"] if isinstance(schema, dict) else schema) == "int":
        yield value
    elif isinstance(schema, dict) and schema["type"] == "record":
        for field in schema["fields"]:
            yield from ints_of(field["type"], value[field["name"]])
    elif isinstance(schema, dict) and schema["type"] == "array":
        for item in value:
            yield from ints_of(schema["items"], item)


def columns(made: Iterable[Block]) -> dict[str, dict[str, list[Any]]]:
    return {block.table: {name: list(column) for name, column in zip(block.names, block.columns, strict=True)} for block in made}


def test_each_table_gets_exactly_its_columns(chdb_archive: Real) -> None:
    """A column that nobody fills would be zero for ever, and nobody would see it."""
    everything = [
        (topics.DOCKER_EVENTS, records.fact()),
        (topics.WORKSPACE_STATE, records.state()),
        (topics.WORKSPACE_CHANGES, records.event()),
        (topics.WORKSPACE_USAGE, records.usage(samples=[records.sample()])),
        (topics.WORKSPACE_USAGE, records.usage(windows=[records.window(), records.window(grain="day")])),
        (topics.DEAD_LETTERS, records.dead_letter()),
    ]
    made = [block for topic, record in everything for block in rows_of(topic, arrive(topic, record, position(1)))]
    erasing = arrive(topics.WORKSPACE_STATE, None, position(1), "gone", (*records.forgotten_by(position(2)), (ERASE_HEADER, b"{}")))
    made += rows_of(topics.WORKSPACE_STATE, erasing)
    filled = {block.table: set(block.kept if isinstance(block, PackedBlock) else block.names) for block in made}
    there: dict[str, set[str]] = {}
    stored = (
        "SELECT table, name FROM system.columns WHERE database = {d:String} AND default_kind IN ('', 'DEFAULT') AND table LIKE '%_rows'"
    )
    for table, name in chdb_archive.rows(stored, d=chdb_archive.address.database):
        there.setdefault(table, set()).add(name)
    assert filled == there


def test_an_observation_shows_its_inspect_and_a_notice_its_name() -> None:
    inspect = {"exit_code": 3, "oom_killed": True, "error": "no such file", "started_at_ns": 5, "health": "healthy", "restart_count": 2}
    observation = {"source": "listing", "present": True, "state": "exited", "sync_id": "s", "inspect": inspect}
    notice = {"name": "gap", "reason": "nobody watched", "since_ns": 7, "value": 9}
    told = [
        records.fact("a", kind="observation", engine_event=None, observation=observation),
        records.fact("b", kind="notice", engine_event=None, container=None, notice=notice),
        records.fact("c", engine_event={"action": "die", "exit_code": 137, "exec_duration_s": 4, "signal": 9}),
    ]
    table = columns(rows_of(topics.DOCKER_EVENTS, *(arrive(topics.DOCKER_EVENTS, fact, position(1)) for fact in told)))[
        "docker_events_rows"
    ]
    assert table["action"] == ["listing", "gap", "die"]
    assert table["state"] == ["exited", "", ""]
    assert table["health"] == ["healthy", "", ""]
    assert table["exit_code"] == [3, None, 137]
    assert table["oom_killed"] == [True, None, None]
    assert table["error"] == ["no such file", "", ""]
    assert table["started_at"] == [5, None, None]
    assert table["present"] == [True, None, None]
    assert table["reason"] == ["", "nobody watched", ""]
    assert (table["since"], table["value"]) == ([None, 7, None], [None, 9, None])
    assert table["container_id"] == ["c1", "", "c1"]


def test_a_sample_of_a_younger_writer_is_cut_and_of_an_older_one_filled_with_not_known() -> None:
    width = len(samples.COLUMNS)
    derived = [struct.pack(f"<{n}q", *range(1, n + 1)) for n in (width, width + 2, width - 2)]
    usage = records.usage(samples=[{**records.sample(str(n)), "derived": packed} for n, packed in enumerate(derived)])
    table = columns(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(1))))["samples_rows"]
    last, before = samples.COLUMNS[-1], samples.COLUMNS[-3]
    assert table[last] == [width, width, -1]
    assert table[before] == [width - 2] * 3
    assert table["read_at"] == [1, 1, 1]


def test_a_sync_event_belongs_to_its_engine_and_a_workspace_event_to_its_workspace() -> None:
    events = [records.event(1), records.event(2, None, "sync_start", sync={"sync_id": "s", "engine": "laptop"})]
    arrivals = [arrive(topics.WORKSPACE_CHANGES, event, position(1)) for event in events]
    table = columns(rows_of(topics.WORKSPACE_CHANGES, *arrivals))["workspace_changes_rows"]
    assert (table["subject"], table["workspace_id"], table["engine"]) == (["shop@laptop", "E1"], ["shop@laptop", ""], ["", "laptop"])


def test_a_dead_letter_from_no_topic_keeps_its_own_identity() -> None:
    letters = [
        arrive(topics.DEAD_LETTERS, records.dead_letter(-1, -1), position(4), headers=(("wst-id", b"producer.1"),)),
        arrive(topics.DEAD_LETTERS, records.dead_letter(-1, -1), position(5)),
        arrive(topics.DEAD_LETTERS, records.dead_letter(8), position(6), headers=(("wst-id", b"x"),)),
    ]
    assert columns(rows_of(topics.DEAD_LETTERS, *letters))["dead_letters_rows"]["id"] == ["producer.1", "1.0.5", ""]


@pytest.mark.parametrize("name", TOPICS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_let_through_has_rows_and_what_is_not_is_the_inputs_fault(name: str, data: st.DataObject) -> None:
    topic = topics.BY_NAME[name]
    record = data.draw(st.one_of(anything(name), anything(name, INT64)))
    try:
        arrival = arrive(topic, record, position(1))
    except (Undecodable, InvalidMessage):
        return
    assert all(-(2**31) <= number < 2**31 for number in ints_of(codec(topic.subject).schema, codec(topic.subject).decode(arrival.value)))
    for block in blocks(name, [arrival, arrival]):
        assert len(block.columns) == len(block.names)
        assert {len(column) for column in block.columns} == {block.rows}


@given(st.sampled_from(TOPICS), st.one_of(st.none(), st.binary(max_size=60)))
@settings(deadline=None)
def test_any_bytes_are_a_record_or_one_of_two_errors(name: str, value: bytes | None) -> None:
    fault: tuple[type[Exception], ...] = (Undecodable, InvalidMessage)
    with pytest.raises(fault):
        arrived(name, position(1), b"k", value, (), T0_NS)
    version = codec(topics.BY_NAME[name].subject).encode(records.state())[:10] if name == "workspace.state" else b"\xc3\x01"
    with pytest.raises(fault):
        arrived(name, position(1), b"k", version + (value or b"")[:8], (), T0_NS)


async def test_whatever_a_record_holds_it_goes_in(chdb_archive: Real) -> None:
    """One insert per made-up record: none may be refused by ClickHouse, or it would stop the sink for ever."""
    chosen: list[tuple[str, Any]] = []

    @given(data=st.data(), name=st.sampled_from(TOPICS))
    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    def choose(data: st.DataObject, name: str) -> None:
        chosen.append((name, data.draw(anything(name))))

    choose()
    for offset, (name, record) in enumerate(chosen):
        try:
            arrival = arrive(topics.BY_NAME[name], record, position(offset))
        except InvalidMessage:
            continue
        await chdb_archive.write(blocks(name, [arrival]))
    # A view with a parameter cannot be read without one.
    readable = "SELECT name FROM system.tables WHERE database = {d:String} AND name != 'usage_daily_in'"
    for (view,) in chdb_archive.rows(readable, d=chdb_archive.address.database):
        chdb_archive.client.query(f"SELECT count() FROM (SELECT * FROM `{chdb_archive.address.database}`.{view})")


BEYOND = 2**31


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (topics.DOCKER_EVENTS, records.fact(generation=BEYOND)),
        (topics.DOCKER_EVENTS, records.fact(generation=-BEYOND - 1)),
        *((topics.WORKSPACE_STATE, records.state() | {name: BEYOND}) for name in ("running", "total", "sync_attempts", "partition")),
        (topics.WORKSPACE_STATE, records.state(containers=[records.container_state(restart_count=BEYOND)])),
        (topics.WORKSPACE_USAGE, records.usage(samples=[records.sample()], partition=BEYOND)),
        (topics.WORKSPACE_USAGE, records.usage(windows=[records.window(container_count=BEYOND)])),
        (topics.DEAD_LETTERS, records.dead_letter(partition=BEYOND)),
    ],
)
def test_an_int_of_more_than_32_bits_is_no_record(topic: topics.Topic, record: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        arrive(topic, record, position(1))


@pytest.mark.parametrize("cause", [b"9223372036854775808.0.1", b"1.2147483648.1", b"1.0.-9223372036854775809"])
def test_a_tombstone_of_no_possible_position_is_none(cause: bytes) -> None:
    with pytest.raises(InvalidMessage, match="wst-cause"):
        arrive(topics.WORKSPACE_STATE, None, position(1), "a", (("wst-cause", cause),))


async def test_times_at_the_ends_of_64_bits_and_nul_bytes_go_in(chdb_archive: Real) -> None:
    for number, ns in enumerate((-(2**63), -1, 0, 2**63 - 1)):
        made = [
            (topics.DOCKER_EVENTS, records.fact(f"a\0{number}", time_ns=ns, recorded_at_ns=0, container=records.container(name="\0"))),
            (topics.WORKSPACE_STATE, records.state("a\0b", status_since_ns=ns, last_updated_ns=ns, last_sync_ns=ns)),
            (topics.WORKSPACE_CHANGES, records.event(number, "a\0b", at_ns=ns)),
            (topics.WORKSPACE_USAGE, records.usage(tick_at_ns=ns, samples=[records.sample(read_ns=ns)])),
            (topics.WORKSPACE_USAGE, records.usage(windows=[records.window(ns), records.window(ns, "day")])),
            (topics.DEAD_LETTERS, records.dead_letter(refused_at_ns=ns)),
        ]
        for topic, record in made:
            await chdb_archive.write(rows_of(topic, arrive(topic, record, position(number))))
