"""The fast reader of facts gives what the codec and the parser give: facts, and errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.codec import Undecodable, codec
from streams.core import fact_bytes
from streams.core.fact_bytes import FactReader
from streams.core.facts import EARLIEST_NS, LATEST_NS, Fact, parse_fact
from streams.core.invalid import InvalidMessage
from tests.core_state.makers import command, event, inspected, seen
from tests.schemas.damaged import damaged

CODEC = codec("fact")
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
TIME = st.integers(EARLIEST_NS, LATEST_NS - 1) | st.sampled_from((EARLIEST_NS - 1, LATEST_NS, 0, -1)) | LONG
TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
NAME = st.sampled_from(("shop", "db", "laptop", "", "x" * 201)) | TEXT
ID = st.text("0123456789abcdef", min_size=16, max_size=16) | st.sampled_from(("00 11 22 33 44 5", "zz" * 8)) | TEXT
CONTAINERS = st.fixed_dictionaries({
    "id": st.sampled_from(("a" * 64, "b" * 64, "")) | TEXT, "name": NAME, "service": NAME | st.none(), "image": NAME,
    "grouped_by": st.sampled_from(fact_bytes.GROUPINGS), "labels": st.dictionaries(TEXT, TEXT, max_size=3),
})  # fmt: skip
EVENTS = st.fixed_dictionaries({
    "action": st.sampled_from(("start", "die", "health_status: healthy", "exec_create")) | TEXT, "health": TEXT | st.none(),
    "exit_code": INT | st.none(), "exec_duration_s": LONG | st.none(), "signal": INT | st.none(), "old_name": TEXT | st.none(),
    "exec_id": TEXT | st.none(), "program": TEXT | st.none(), "command_hash": TEXT | st.none(),
}) | st.builds(lambda action: {"action": action}, st.sampled_from(("start", "stop", "die")))  # fmt: skip
INSPECTS = st.fixed_dictionaries({
    **dict.fromkeys(("started_at_ns", "finished_at_ns", "cpu_limit_nanocpus", "memory_limit_bytes", "created_at_ns"), LONG | st.none()),
    **dict.fromkeys(("oom_killed", "has_healthcheck"), st.booleans()), "long_running": st.booleans() | st.none(),
    **dict.fromkeys(("error", "health", "stop_signal"), TEXT | st.none()),
    "exit_code": INT | st.none(), "restart_count": INT, "restart_policy": TEXT,
})  # fmt: skip
SEEN = st.fixed_dictionaries({
    "source": st.sampled_from(fact_bytes.SOURCES), "present": st.booleans(), "state": TEXT | st.none(), "health": TEXT | st.none(),
    "sync_id": st.just("") | TEXT, "inspect": INSPECTS | st.none(),
})  # fmt: skip
FACTS = st.fixed_dictionaries({
    "kind": st.sampled_from(fact_bytes.KINDS[:3]), "id": ID, "workspace_id": NAME, "workspace_name": NAME, "engine_id": NAME,
    "engine_name": NAME, "generation": st.just(0) | INT, "time_ns": TIME, "recorded_at_ns": LONG, "container": CONTAINERS | st.none(),
    "engine_event": EVENTS | st.none(), "observation": SEEN | st.none(),
})  # fmt: skip
READER = FactReader(CODEC.header, CODEC.decode)


def slowly(data: bytes | None) -> Fact:
    return parse_fact(CODEC.decode(data))


def outcome(read: Any, data: bytes | None) -> Any:
    try:
        return read(data)
    except (Undecodable, InvalidMessage) as error:
        return type(error), error.code, error.reason


@settings(max_examples=300)
@given(FACTS, FACTS)
def test_a_fact_is_read_as_the_codec_and_the_parser_do_whatever_came_before(one: dict[str, Any], other: dict[str, Any]) -> None:
    for record in (one, other, one | {"container": other["container"]}, other | {"time_ns": one["time_ns"]}, one):
        data = CODEC.encode(record)
        assert outcome(READER.read, data) == outcome(slowly, data)


GENUINE = [
    CODEC.encode(record)
    for record in (
        event("start", 0), event("die", 1, exit_code=137), event("exec_create", 2, exec_id="e" * 64, program="sh"),
        seen("running", 3, inspect={"started_at_ns": 5}), inspected(4, restart_count=3), command("archive", 5),
    )
]  # fmt: skip


@pytest.mark.parametrize("data", GENUINE)
def test_what_producers_write_is_read_alike(data: bytes) -> None:
    assert READER.read(data) == slowly(data)


def test_what_producers_write_most_takes_the_fast_way() -> None:
    def decode(data: bytes | None) -> dict[str, Any]:
        raise AssertionError("the slow way")

    reader = FactReader(CODEC.header, decode)
    for data in GENUINE[:5]:
        assert reader.read(data) == slowly(data)


@settings(max_examples=400)
@given(damaged(st.sampled_from(GENUINE) | FACTS.map(CODEC.encode)))
@example(b"")
@example(CODEC.header)
@example(CODEC.header + b"\x02\x20")
@example(GENUINE[0] + b"\0")
@example(GENUINE[0][:-1])
def test_damaged_bytes_give_what_the_slow_way_gives_the_same_error_too(data: bytes) -> None:
    assert outcome(READER.read, data) == outcome(slowly, data)


def test_no_value_at_all_is_refused() -> None:
    assert outcome(READER.read, None) == outcome(slowly, None)


def test_its_fields_and_symbols_are_the_schemas_in_their_order() -> None:
    fields = {field["name"]: field["type"] for field in CODEC.schema["fields"]}
    assert tuple(fields) == fact_bytes.FIELDS
    assert tuple(fields["kind"]["symbols"]) == fact_bytes.KINDS
    container = {field["name"]: field["type"] for field in fields["container"][1]["fields"]}
    assert tuple(container) == fact_bytes.CONTAINER_FIELDS
    assert tuple(container["grouped_by"]["symbols"]) == fact_bytes.GROUPINGS
    assert tuple(field["name"] for field in fields["engine_event"][1]["fields"]) == fact_bytes.EVENT_FIELDS
    observation = {field["name"]: field["type"] for field in fields["observation"][1]["fields"]}
    assert tuple(observation) == fact_bytes.OBSERVATION_FIELDS
    assert tuple(observation["source"]["symbols"]) == fact_bytes.SOURCES
    assert tuple(field["name"] for field in observation["inspect"][1]["fields"]) == fact_bytes.INSPECT_FIELDS
