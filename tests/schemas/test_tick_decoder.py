"""The fast decoder of ticks gives what the codec gives: records, and errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.codec import Undecodable, codec
from schemas.tick_decoder import FIELDS, SAMPLE_FIELDS, TickDecoder
from tests.schemas.damaged import damaged

CODEC = codec("stats_tick")
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
SAMPLES = st.fixed_dictionaries({
    "container_id": TEXT, "container_name": TEXT, "service": TEXT | st.none(), "counters": st.binary(max_size=400),
})  # fmt: skip
TICKS = st.fixed_dictionaries({
    **dict.fromkeys(("workspace_id", "workspace_name", "engine_id", "engine_name"), TEXT),
    **dict.fromkeys(("tick_at_ns", "interval_ms", "host_memory_bytes"), LONG),
    **dict.fromkeys(("generation", "part", "parts", "host_cpus"), INT),
    "labels": st.dictionaries(TEXT, TEXT, max_size=5),
    "samples": st.lists(SAMPLES, max_size=200),
})  # fmt: skip
DECODER = TickDecoder()


@given(TICKS, TICKS)
def test_a_tick_is_decoded_as_the_codec_does_whatever_came_before(one: dict[str, Any], other: dict[str, Any]) -> None:
    for tick in (one, other, one | {"samples": other["samples"]}, other | {"tick_at_ns": one["tick_at_ns"]}, other):
        assert DECODER.decode(CODEC.encode(tick)) == tick


def outcome(decode: Any, data: bytes | None) -> Any:
    try:
        return decode(data)
    except Undecodable as error:
        return error.code, error.reason


@settings(max_examples=400)
@given(damaged(TICKS.map(CODEC.encode)))
@example(b"")
@example(CODEC.header)
@example(CODEC.header + b"\x80")
@example(CODEC.header + b"\x02\xff" * 4 + b"\0" * 9)  # no UTF-8
@example(CODEC.header + b"\0" * 4 + b"\0" * 7 + b"\0" + b"\x01\0")  # a block of negative count
@example(CODEC.header + b"\0" * 4 + b"\x80\x00" + b"\0" * 8)  # a number longer than it need be
def test_damaged_bytes_give_what_the_codec_gives_the_same_error_too(data: bytes) -> None:
    assert outcome(DECODER.decode, data) == outcome(CODEC.decode, data)


def test_no_value_at_all_is_refused_as_the_codec_does() -> None:
    assert outcome(DECODER.decode, None) == outcome(CODEC.decode, None)


@pytest.mark.parametrize("field", ["generation", "part", "parts", "host_cpus"])
def test_an_integer_beyond_its_32_bits_is_refused(field: str) -> None:
    tick = {"workspace_id": "a", "workspace_name": "a", "engine_id": "e", "tick_at_ns": 1, "interval_ms": 1, "samples": []}
    wide = CODEC.encode(tick | {field: 2**31 - 1}).replace(b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x10")
    with pytest.raises(Undecodable, match="32 bits"):
        DECODER.decode(wide)


def test_labels_of_two_ticks_are_not_one_object() -> None:
    tick = {"workspace_id": "a", "workspace_name": "a", "engine_id": "e", "tick_at_ns": 1, "interval_ms": 1, "samples": []}
    data = CODEC.encode(tick | {"labels": {"a": "b"}})
    DECODER.decode(data)["labels"]["c"] = "d"
    assert DECODER.decode(data)["labels"] == {"a": "b"}


def test_its_fields_are_the_schemas_in_their_order() -> None:
    fields = CODEC.schema["fields"]
    assert tuple(field["name"] for field in fields) == FIELDS
    samples = next(field for field in fields if field["name"] == "samples")["type"]["items"]["fields"]
    assert tuple(field["name"] for field in samples) == SAMPLE_FIELDS
