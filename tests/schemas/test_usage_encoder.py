"""The fast encoder of samples gives the codec's bytes, to the last one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.usage_encoder import FIELDS, SAMPLE_FIELDS, encode_samples

INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)

SAMPLES = st.fixed_dictionaries(dict.fromkeys(SAMPLE_FIELDS, TEXT) | {"derived": st.binary(max_size=400)})
RECORDS = st.fixed_dictionaries({
    **dict.fromkeys(FIELDS, TEXT),
    **dict.fromkeys(("epoch", "offset", "tick_at_ns", "host_memory_bytes"), LONG),
    **dict.fromkeys(("generation", "partition", "part"), INT),
    "kind": st.just("samples"),
    "labels": st.dictionaries(TEXT, TEXT, max_size=5),
    "samples": st.lists(SAMPLES, max_size=200),
    "windows": st.just([]),
})  # fmt: skip


@given(RECORDS)
def test_a_record_of_samples_is_encoded_as_the_codec_does(record: dict[str, Any]) -> None:
    assert encode_samples(record) == codec("usage").encode(record)


def test_its_fields_are_the_schemas_in_their_order() -> None:
    fields = codec("usage").schema["fields"]
    assert tuple(field["name"] for field in fields) == FIELDS
    samples = next(field for field in fields if field["name"] == "samples")["type"]["items"]["fields"]
    assert tuple(field["name"] for field in samples) == SAMPLE_FIELDS
