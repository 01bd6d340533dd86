"""Instants in questions to the API: what it cannot mean or the archive cannot hold is a wrong argument, never a fault of ours."""

from __future__ import annotations

import time

import pytest

from streams.api.problems import Problem
from streams.api.times import parse_time_ns


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-01-31T12:00:00", "9" * 30 + "d", "9" * 400, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
)
def test_what_is_no_instant_or_lies_outside_of_all_clocks_is_a_wrong_argument(text: str) -> None:
    with pytest.raises(Problem):
        parse_time_ns("since", text)


def test_instants_and_durations_ago_are_read() -> None:
    assert parse_time_ns("since", None) is None
    assert parse_time_ns("since", "1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert parse_time_ns("since", "1970-01-01T01:00:01 01:00") == 1_000_000_000
    ago = parse_time_ns("since", "2h")
    assert ago is not None
    assert abs(ago - (time.time_ns() - 7_200 * 10**9)) < 60 * 10**9
