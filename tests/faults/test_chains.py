"""What the checker lets pass where nobody watched, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.chains import busy_then, is_part_of, unwatched


def listing(at: int, since: int | None, outcome: str = "listed") -> dict[str, Any]:
    return {"outcome": outcome, "listed_at_ns": at, "watched_since_ns": since}


def test_a_stretch_reaches_from_the_listing_before_to_where_watching_began_anew() -> None:
    told = [listing(10, 10), listing(20, 10), listing(5, None, "silent"), listing(30, 30), listing(40, 30)]
    assert unwatched(told) == [(20, 30)]
    assert unwatched(told[:2]) == []


def test_only_containers_that_did_something_then_may_lack_states() -> None:
    heard = [{"Actor": {"ID": name}, "timeNano": at} for name, at in (("a", 19), ("b", 20), ("c", 30), ("d", 31))]
    assert busy_then(heard, [(20, 30)]) == {"b", "c"}


@pytest.mark.parametrize(
    ("have", "so"),
    [
        (["created", "running", "exited"], True),
        (["running", "exited"], True),
        (["running"], False),
        (["exited", "running", "exited"], False),
        (["created", "paused", "exited"], False),
        ([], False),
    ],
)
def test_nothing_is_made_up_or_out_of_order_and_the_end_is_the_same(have: list[str], so: bool) -> None:
    assert is_part_of(have, ["created", "running", "exited"]) == so
