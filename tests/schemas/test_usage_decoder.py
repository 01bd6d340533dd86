"""The fast decoder of samples gives what the codec gives: records, and errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.codec import Undecodable, codec
from schemas.usage_decoder import Sampled, UsageDecoder, Which, Whose, sampled
from tests.schemas.damaged import damaged

CODEC = codec("usage")
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=100)
SAMPLES = st.lists(
    st.fixed_dictionaries({**dict.fromkeys(Which._fields, TEXT), "derived": st.binary(min_size=0, max_size=300)}), max_size=12
)
USAGE = st.fixed_dictionaries({
    "kind": st.just("samples"),
    **dict.fromkeys(Whose._fields, TEXT),
    **dict.fromkeys(("epoch", "offset", "tick_at_ns", "host_memory_bytes"), LONG),
    **dict.fromkeys(("generation", "partition", "part"), INT),
    "labels": st.dictionaries(TEXT, TEXT, max_size=3),
    "samples": SAMPLES,
})  # fmt: skip
DECODER = UsageDecoder()
FRESH = {"derived": bytes(208)}


def whole(record: dict[str, Any]) -> Any:
    return sampled(CODEC.decode(CODEC.encode(record)))


@settings(deadline=None)
@given(USAGE, USAGE)
def test_samples_are_decoded_as_the_codec_does_whatever_came_before_under_the_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    numbers = {name: other[name] for name in ("offset", "tick_at_ns", "part", "host_memory_bytes")}
    values = {"samples": [sample | FRESH for sample in one["samples"]]}
    for record in (
        one,
        one | numbers,
        one | values,
        other,
        one,
        one | {"samples": other["samples"]},
        one | {"epoch": other["epoch"]},
        other,
    ):
        assert DECODER.decode(b"k", CODEC.encode(record)) == whole(record)


def test_a_record_like_the_one_before_is_not_read_by_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all would be right, and slow."""
    who = [{"container_id": "c" * 64, "container_name": f"web-{n}", "service": "web", "outcome": "folded", **FRESH} for n in range(70)]
    record = {
        "kind": "samples", "workspace_id": "shop@laptop", "workspace_name": "shop", "engine_id": "E1", "engine_name": "laptop",
        "labels": {"a": "b"}, "epoch": 1, "partition": 3, "offset": 7, "tick_at_ns": 10**18, "host_memory_bytes": 1 << 34, "samples": who,
    }  # fmt: skip
    later = record | {"offset": 9_000_000, "tick_at_ns": 10**18 + 10**10}
    decoder, expected = UsageDecoder(), whole(later)
    decoder.decode(b"shop@laptop", CODEC.encode(record))

    def refuse(data: bytes | None) -> None:
        raise AssertionError

    monkeypatch.setattr(CODEC, "decode", refuse)
    found = decoder.decode(b"shop@laptop", CODEC.encode(later))
    assert found == expected


def test_windows_come_as_the_codec_gives_them() -> None:
    whose = dict.fromkeys(Whose._fields, "a")
    record = {"kind": "windows", **whose, "epoch": 1, "partition": 0, "offset": 1, "windows": []}
    assert DECODER.decode(b"a", CODEC.encode(record)) == CODEC.decode(CODEC.encode(record))


def outcome(decode: Any, data: bytes | None) -> Any:
    try:
        found = decode(data)
    except Undecodable as error:
        return error.code, error.reason
    if isinstance(found, Sampled) or found["kind"] != "samples" or found["windows"]:
        return found
    return sampled(found)


@settings(max_examples=400, deadline=None)
@given(USAGE.map(CODEC.encode).flatmap(lambda whole: st.tuples(st.just(whole), damaged(st.just(whole)))))
@example((b"", b""))
@example((CODEC.header, CODEC.header + b"\x02"))
def test_damaged_bytes_give_what_the_codec_gives_the_same_error_too(pair: tuple[bytes, bytes]) -> None:
    decoder = UsageDecoder()
    for data in pair:
        assert outcome(lambda data: decoder.decode(b"k", data), data) == outcome(CODEC.decode, data)


def test_a_record_that_is_cut_within_its_last_value_is_refused_also_as_the_first_one_read_so() -> None:
    who = {"container_id": "c", "container_name": "web", "service": "web", "outcome": "folded", **FRESH}
    record = {"kind": "samples", "workspace_id": "shop@laptop", "workspace_name": "shop", "engine_id": "E1", "engine_name": "laptop"}
    numbers = {"generation": 0, "epoch": 1, "partition": 2, "offset": 3, "tick_at_ns": 4, "part": 0, "host_memory_bytes": 5}
    data = CODEC.encode(record | numbers | {"labels": {}, "samples": [who]})
    decoder = UsageDecoder()
    decoder.decode(b"k", data)
    with pytest.raises(Undecodable):
        decoder.decode(b"k", data[:-20])


def test_no_value_at_all_is_refused_as_the_codec_does() -> None:
    assert outcome(lambda data: DECODER.decode(b"k", data), None) == outcome(CODEC.decode, None)


@pytest.mark.parametrize("field", ["generation", "partition", "part"])
def test_an_integer_beyond_its_32_bits_is_refused_also_when_the_rest_is_known(field: str) -> None:
    known = {
        "kind": "samples", "workspace_id": "a", "workspace_name": "a", "engine_id": "e", "epoch": 1, "partition": 0, "offset": 1,
        "samples": [dict.fromkeys(Which._fields, "c") | FRESH],
    }  # fmt: skip
    DECODER.decode(b"a", CODEC.encode(known))
    wide = CODEC.encode(known | {field: 2**31 - 1}).replace(b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x10")
    with pytest.raises(Undecodable, match="32 bits"):
        DECODER.decode(b"a", wide)
