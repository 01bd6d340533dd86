"""The codec: what it encodes it decodes, and of anything else it says only `Undecodable`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from fastavro.utils import generate_one
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, Undecodable, codec, field_doc, subjects, versions
from schemas.counters import COLUMNS, pack, unpack
from schemas.topics import ALL


def _fields(node: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(node, list):
        for branch in node:
            found += _fields(branch, path)
    elif isinstance(node, dict):
        for field in node.get("fields", []):
            found.append((f"{path}.{field['name']}", field))
            found += _fields(field["type"], f"{path}.{field['name']}")
        for inner in ("items", "values", "type"):
            if isinstance(node.get(inner), dict | list):
                found += _fields(node[inner], path)
    return found


@pytest.mark.parametrize("subject", subjects())
def test_every_topic_has_a_subject_and_every_field_a_doc_that_gives_the_unit_its_name_promises(subject: str) -> None:
    assert subject in {topic.subject for topic in ALL}
    units = {"_ns": "ns", "_ms": "ms", "_bytes": "byte", "_s": "s", "_millipercent": "percent"}
    for version in versions(subject).values():
        assert version["doc"]
        for path, field in _fields(version):
            assert field.get("doc"), path
            for suffix, unit in units.items():
                if path.endswith(suffix) and not path.endswith("core_ns"):
                    assert unit in field["doc"], f"{path}: {field['doc']}"


@pytest.mark.parametrize("subject", subjects())
def test_a_record_comes_back_as_it_went(subject: str) -> None:
    record = generate_one(codec(subject).schema)
    assert codec(subject).encode(codec(subject).decode(codec(subject).encode(record))) == codec(subject).encode(record)


@pytest.mark.parametrize("subject", subjects())
@given(data=st.binary(max_size=200))
def test_hostile_bytes_are_undecodable_and_nothing_else(subject: str, data: bytes) -> None:
    header = codec(subject).encode(generate_one(codec(subject).schema))[:10]
    for attempt in (data, header + data):
        with suppress(Undecodable):
            codec(subject).decode(attempt)


def test_truncated_and_trailing_bytes_are_refused() -> None:
    whole = codec("control").encode(generate_one(codec("control").schema))
    for broken in (whole[:-1], whole + b"\0", b"", None, whole[:5]):
        with pytest.raises(Undecodable):
            codec("control").decode(broken)


def test_a_schema_nobody_published_is_named_as_unknown() -> None:
    whole = codec("fact").encode(generate_one(codec("fact").schema))
    with pytest.raises(Undecodable) as refused:
        codec("fact").decode(whole[:2] + bytes(8) + whole[10:])
    assert refused.value.code == "unknown_schema"


def test_a_record_of_an_older_version_is_read_with_the_newer_ones_defaults() -> None:
    old = {"type": "record", "name": "T", "fields": [{"name": "a", "type": "long"}]}
    new = json.loads(json.dumps(old))
    new["fields"].append({"name": "b", "type": ["null", "string"], "default": None})
    written = Codec("t", {1: old}).encode({"a": 7})
    assert Codec("t", {1: old, 2: new}).decode(written) == {"a": 7, "b": None}


def test_the_counters_columns_are_those_the_schema_documents_in_its_order() -> None:
    doc = field_doc(codec("stats_tick").schema, "samples", "counters")
    at = 0
    for number, name in enumerate(COLUMNS):
        found = doc.find(f"{number} {name}: ", at)
        assert found >= at, f"column {number} {name} is not documented in its place"
        at = found
    assert f"{len(COLUMNS)} " not in doc[at:]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_counters_come_back_as_they_went(values: list[int]) -> None:
    assert list(unpack(pack(values))) == values


def test_columns_of_other_versions_are_filled_or_left_out() -> None:
    values = list(range(len(COLUMNS)))
    assert unpack(pack(values) + bytes(8))[-1] == values[-1]
    assert unpack(pack(values)[:-8])[-1] == -1
    with pytest.raises(ValueError, match="whole number"):
        unpack(b"123")
