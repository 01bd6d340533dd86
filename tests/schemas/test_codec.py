"""The codec: what it encodes it decodes, and of anything else it says only `Undecodable`."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from fastavro.utils import generate_one
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, Undecodable, codec, subjects, versions
from schemas.counters import COLUMNS, pack, unpack
from schemas.topics import ALL
from tests.schemas.field_docs import field_doc


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


def test_the_same_bytes_are_refused_with_the_same_words() -> None:
    """What reads them names its stream by its place in memory."""
    whole = codec("snapshot").encode(generate_one(codec("snapshot").schema))
    for end in range(10, len(whole)):
        with pytest.raises(Undecodable) as refused:
            codec("snapshot").decode(whole[:end])
        assert " object at " not in refused.value.reason


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


def _int_paths(node: Any, named: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths to every field of type `int` of a schema, through records, arrays, unions and names."""
    if isinstance(node, list):
        return [found for branch in node for found in _int_paths(branch, named, path)]
    if isinstance(node, str):
        return [path] if node == "int" else _int_paths(named[node], named, path) if node in named else []
    if node["type"] == "array":
        return _int_paths(node["items"], named, (*path, "[]"))
    if node["type"] != "record":
        return []
    named[node["name"]] = node
    return [found for field in node["fields"] for found in _int_paths(field["type"], named, (*path, field["name"]))]


def _sample(node: Any, named: dict[str, Any]) -> Any:
    """A value of a schema with every optional section filled and one item in every array."""
    if isinstance(node, list):
        return _sample(node[-1], named)
    if isinstance(node, str) and node not in named:
        return {"int": 1, "long": 1, "string": "x", "boolean": True, "bytes": b"", "double": 1.0, "null": None}[node]
    node = named[node] if isinstance(node, str) else node
    if node["type"] == "record":
        named[node["name"]] = node
        return {field["name"]: _sample(field["type"], named) for field in node["fields"]}
    if node["type"] == "array":
        return [_sample(node["items"], named)]
    return {} if node["type"] == "map" else node["symbols"][0]


@pytest.mark.parametrize("subject", subjects())
def test_an_integer_outside_32_bits_where_the_schema_says_int_is_refused_wherever_it_stands(subject: str) -> None:
    schema = codec(subject).schema
    # As a foreign writer would: on the wire an int and a long are the same.
    wide = parse_schema(json.loads(json.dumps(schema).replace('"int"', '"long"')), {})
    header = codec(subject).encode(_sample(schema, {}))[:10]
    for path in _int_paths(schema, {}):
        record = _sample(schema, {})
        at: Any = record
        for step in path[:-1]:
            at = at[0] if step == "[]" else at[step]
        for value, fits in ((2**31 - 1, True), (-(2**31), True), (2**31, False), (-(2**31) - 1, False), (2**62, False)):
            at[path[-1]] = value
            out = io.BytesIO()
            schemaless_writer(out, wide, record)
            if fits:
                assert codec(subject).decode(header + out.getvalue())
            else:
                with pytest.raises(Undecodable, match="32 bits"):
                    codec(subject).decode(header + out.getvalue())


def test_the_test_above_looks_at_every_depth() -> None:
    paths = set(_int_paths(codec("snapshot").schema, {}))
    assert ("generation",) in paths
    assert ("containers", "[]", "inspect", "restart_count") in paths
