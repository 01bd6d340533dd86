"""Fuzzing in short; `make fuzz` is the long one."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.campaign import fuzz
from tests.fuzz.targets import Target, all_targets


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return all_targets()


def test_every_decoder_and_parser_answers_or_refuses(targets: list[Target]) -> None:
    for target in targets:
        _, wrong = fuzz([target], random.randrange(1_000_000), 1_000 if target.weight > 4 else 60)
        assert wrong == ""


def test_good_input_is_taken_and_broken_input_is_mostly_refused_so_that_both_ways_are_walked(targets: list[Target]) -> None:
    counted, _ = fuzz([target for target in targets if target.name == "fact, fast reader and fold"], 1, 2_000)
    assert 200 < counted["fact, fast reader and fold: refused"] < 1_900


def test_a_parser_that_breaks_is_found_with_its_input() -> None:
    def breaks(data: bytes) -> None:
        if b"x" in data:
            raise KeyError("x")
        raise ValueError

    target = Target("breaks", lambda draw: bytes([draw.randrange(256)]), breaks, (ValueError,), 10)
    _, wrong = fuzz([target], 1, 5_000)
    assert wrong.startswith("breaks: KeyError: 'x', of b'x', batch 1.")
