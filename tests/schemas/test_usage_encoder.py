"""The fast encoders of usage give the codec's bytes, to the last one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.event_encoder import CAUSE_FIELDS, SECTION_FIELDS, encode_metrics_update
from schemas.event_encoder import FIELDS as EVENT_FIELDS
from schemas.usage_encoder import FIELDS, SAMPLE_FIELDS, WINDOW_FIELDS, WINDOW_NUMBERS, encode_samples, encode_windows

INT = st.integers(-(2**31), 2**31 - 1)
# All lengths of a number, and what lies at their bounds.
LONG = st.integers(-(2**63), 2**63 - 1) | st.builds(lambda bits, by: (1 << bits) - by, st.integers(0, 62), st.integers(0, 2))
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
BYTES = st.dictionaries(TEXT, st.binary(max_size=400), max_size=5)

SAMPLES = st.fixed_dictionaries(dict.fromkeys(SAMPLE_FIELDS, TEXT) | {"derived": st.binary(max_size=400)})
WINDOWS = st.fixed_dictionaries({
    **dict.fromkeys(WINDOW_FIELDS, TEXT),
    **dict.fromkeys(("start_ms", *WINDOW_NUMBERS), LONG),
    "container_count": INT,
    "grain": st.sampled_from(("UNKNOWN", "hour", "day")),
    "container_id": st.none() | TEXT,
    "final": st.booleans(),
    "sketches": BYTES,
    "histograms": BYTES,
})  # fmt: skip
HEADS = {
    **dict.fromkeys(FIELDS, TEXT),
    **dict.fromkeys(("epoch", "offset", "tick_at_ns", "host_memory_bytes"), LONG),
    **dict.fromkeys(("generation", "partition", "part"), INT),
    "labels": st.dictionaries(TEXT, TEXT, max_size=5),
}
RECORDS = st.fixed_dictionaries({**HEADS, "kind": st.just("samples"), "samples": st.lists(SAMPLES, max_size=200), "windows": st.just([])})
WINDOW_RECORDS = st.fixed_dictionaries(
    {**HEADS, "kind": st.just("windows"), "samples": st.just([]), "windows": st.lists(WINDOWS, max_size=70)}
)
FIGURES = st.dictionaries(TEXT, st.floats(allow_nan=False), max_size=12)
EVENTS = st.fixed_dictionaries({
    **dict.fromkeys(("id", "workspace_id", "engine_id", "message"), TEXT),
    "type": st.just("metrics_update"),
    "stream": st.just("usage"),
    "seq": LONG,
    "timestamp_ns": LONG,
    "cause": st.fixed_dictionaries({"topic": TEXT, "epoch": LONG, "partition": INT, "offset": LONG}),
    "metrics_update": st.fixed_dictionaries({"old_metrics": FIGURES, "new_metrics": FIGURES, "delta": FIGURES, "updated_at_ns": LONG}),
})  # fmt: skip


@given(RECORDS)
def test_a_record_of_samples_is_encoded_as_the_codec_does(record: dict[str, Any]) -> None:
    assert encode_samples(record) == codec("usage").encode(record)


@given(WINDOW_RECORDS)
def test_a_record_of_windows_is_encoded_as_the_codec_does(record: dict[str, Any]) -> None:
    assert encode_windows(record) == codec("usage").encode(record)


@given(EVENTS)
def test_an_update_of_metrics_is_encoded_as_the_codec_does(event: dict[str, Any]) -> None:
    assert encode_metrics_update(event) == codec("event").encode(event)


def test_their_fields_are_the_schemas_in_their_order() -> None:
    fields = codec("usage").schema["fields"]
    assert tuple(field["name"] for field in fields) == FIELDS
    of_items = {field["name"]: field["type"]["items"]["fields"] for field in fields if field["name"] in ("samples", "windows")}
    assert tuple(field["name"] for field in of_items["samples"]) == SAMPLE_FIELDS
    assert tuple(field["name"] for field in of_items["windows"]) == WINDOW_FIELDS
    fields = codec("event").schema["fields"]
    assert tuple(field["name"] for field in fields) == EVENT_FIELDS
    sections = {field["name"]: field["type"][1]["fields"] for field in fields if field["name"] in ("cause", "metrics_update")}
    assert tuple(field["name"] for field in sections["cause"]) == CAUSE_FIELDS
    assert tuple(field["name"] for field in sections["metrics_update"]) == SECTION_FIELDS
