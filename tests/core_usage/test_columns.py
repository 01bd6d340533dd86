"""What stands where in packed bytes is said once in the core, and the schema says the same."""

from __future__ import annotations

import re

import pytest

from schemas import counters as wire
from schemas.codec import codec
from streams.core import counters, samples
from streams.core.invalid import InvalidMessage
from tests.core_usage.ticks import Log, tick
from tests.core_usage.ticks import counters as packed_counters
from tests.schemas.field_docs import field_doc


def names_in(doc: str) -> list[str]:
    found = re.findall(r"(\d+) ([a-z_]+): ", doc)
    assert [int(number) for number, _ in found] == list(range(len(found)))
    return [name for _, name in found]


def test_the_columns_of_readings_are_those_of_the_schema() -> None:
    assert list(counters.COLUMNS) == names_in(field_doc(codec("stats_tick").schema, "samples", "counters")) == list(wire.COLUMNS)


def test_the_columns_of_derived_samples_are_those_of_the_schema() -> None:
    assert list(samples.COLUMNS) == names_in(field_doc(codec("usage").schema, "samples", "derived"))


def test_every_outcome_is_explained_in_the_schema() -> None:
    assert re.findall(r"([a-z_]+): ", field_doc(codec("usage").schema, "samples", "outcome")) == list(samples.OUTCOMES)


def test_a_reading_is_the_columns_the_fold_reads_in_their_order() -> None:
    packed = wire.pack(list(range(len(wire.COLUMNS))))
    assert counters.unpack(packed) == tuple(wire.COLUMNS.index(name) for name in counters.READ)
    assert sorted(counters.READ, key=wire.COLUMNS.index) == list(counters.READ)


def test_columns_an_older_writer_lacks_are_unknown_and_those_a_younger_one_appended_are_cut() -> None:
    packed = packed_counters()
    assert counters.normal(packed[: 8 * 20]) == packed[: 8 * 20] + b"\xff" * 8 * 18
    assert counters.normal(packed + b"\x01" * 16) == packed
    row = tuple(range(len(samples.COLUMNS)))
    assert samples.unpack(samples.pack(*row) + b"\0" * 8) == row
    assert samples.unpack(samples.pack(*row)[:-8]) == (*row[:-1], -1)


@pytest.mark.parametrize("size", [1, 7, 303, 305])
def test_bytes_that_are_no_row_of_integers_are_the_inputs_fault_and_change_nothing(size: int) -> None:
    log = Log()
    log.read(0, a=packed_counters(0))
    with pytest.raises(InvalidMessage, match=f"{size} bytes"):
        log.fold(tick(10, {"a": packed_counters(10), "b": b"x" * size}))
    assert log.state.position == (1, 3, 1)
    assert log.read(20, a=packed_counters(20))["a"]["interval_ns"] == 20 * 10**9
    with pytest.raises(ValueError, match="whole number"):
        samples.unpack(b"x" * size)


def test_what_the_fold_publishes_fits_the_schema() -> None:
    log = Log()
    for second in range(0, 600, 10):
        log.read(second, a=packed_counters(second), b=packed_counters(second, network_namespace=0))
    assert {record["kind"] for record in log.records} == {"samples", "windows"}
    for record in log.records:
        assert codec("usage").decode(codec("usage").encode(record)) == record
