"""Fuzzing in short; `make fuzz` is the long one."""

from __future__ import annotations

import random

import pytest

from schemas import topics
from schemas.codec import codec, subjects
from tests.fuzz.campaign import fuzz
from tests.fuzz.corpus import written
from tests.fuzz.records import Records
from tests.fuzz.target import Target
from tests.fuzz.targets import all_targets


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return all_targets()


def test_every_decoder_and_parser_answers_or_refuses(targets: list[Target]) -> None:
    for target in targets:
        seen = fuzz([target], random.randrange(1_000_000), min(target.batch, 500))
        assert seen.wrong == ""


def test_every_topic_is_fuzzed_as_bytes_and_each_target_has_a_name_of_its_own(targets: list[Target]) -> None:
    names = [target.name for target in targets]
    assert sorted(names) == sorted(set(names))
    assert {f"{topic.name}, codec" for topic in topics.ALL} <= set(names)
    assert {topic.subject for topic in topics.ALL} == set(subjects())


def test_good_input_is_taken_and_broken_input_is_mostly_refused_so_that_both_ways_are_walked(targets: list[Target]) -> None:
    name = "docker.events, codec"
    seen = fuzz([target for target in targets if target.name == name], 1, 2_000)
    assert 200 < seen.refused[name] < 1_900


def test_most_records_decode_in_every_version_and_say_something_else_than_before() -> None:
    coder, draw = codec("fact"), random.Random(1)
    records = Records("fact", written()["docker.events"])
    values = [records.value(draw)[1] for _ in range(500)]
    assert {value[2:10] for value in values} >= set(coder._readers)
    assert sum(records.record(draw) not in records.good for _ in range(100)) > 90


def test_a_parser_that_breaks_is_found_with_its_input() -> None:
    def breaks(data: bytes) -> None:
        if b"x" in data:
            raise KeyError("x")
        raise ValueError

    target = Target("breaks", lambda draw: bytes([draw.randrange(256)]), breaks, (ValueError,), 100)
    seen = fuzz([target], 1, 5_000)
    assert seen.wrong.startswith("breaks: KeyError: 'x', of b'x', batch 1.")
    at = int(seen.wrong.rpartition(".")[2])
    assert fuzz([target], 1, 100, at).wrong == seen.wrong


def test_a_refusal_that_hides_a_want_of_memory_is_found() -> None:
    def breaks(_: bytes) -> None:
        try:
            raise MemoryError
        except MemoryError as error:
            raise ValueError("refused") from error

    assert fuzz([Target("hides", lambda _: b"", breaks, (ValueError,), 10)], 1, 10).wrong.startswith("hides: ValueError: refused")
