"""Exits and durations in words."""

from __future__ import annotations

import pytest

from streams.core.words import SECOND_NS, duration, exit_reason, ordinal


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.35, "350 ms"),
        (2.9, "2 s"),
        (119, "119 s"),
        (300, "5 min"),
        (7199, "119 min"),
        (3 * 3600, "3 h"),
        (5 * 86400, "5 days"),
    ],
)
def test_a_duration_is_said_in_one_unit(seconds: float, words: str) -> None:
    assert duration(int(seconds * SECOND_NS)) == words


def test_a_negative_duration_is_none() -> None:
    assert duration(-5) == "0 ms"


@pytest.mark.parametrize(
    ("number", "words"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st"), (113, "113th")]
)
def test_ordinals(number: int, words: str) -> None:
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("code", "oom", "stop", "times", "watched", "words"),
    [
        (0, False, False, 0, True, "finished after 2 s"),
        (3, False, False, 4, True, "exit code 3 after 2 s, 4th time"),
        (137, True, False, 1, True, "out of memory after 2 s"),
        (1, True, False, 2, True, "out of memory after 2 s, 2nd time"),
        (137, False, False, 1, True, "killed from outside Docker (SIGKILL) after 2 s"),
        (143, False, False, 2, True, "killed from outside Docker (SIGTERM) after 2 s, 2nd time"),
        (137, False, False, 0, False, "exit code 137 (SIGKILL) after 2 s, unwatched"),
        (143, False, True, 0, True, "stopped on request after 2 s"),
        (137, False, True, 0, True, "stopped on request, exit code 137 after 2 s"),
        (127, False, False, 1, True, "exit code 127 (its command was not found) after 2 s"),
        (255, False, False, 1, False, "exit code 255 (or ended with the engine) after 2 s"),
        (None, False, False, 0, False, "ended after 2 s, unwatched"),
    ],
)
def test_an_exit_is_told_in_words(code: int | None, oom: bool, stop: bool, times: int, watched: bool, words: str) -> None:
    assert exit_reason(code, oom=oom, stop_requested=stop, ran_ns=2 * SECOND_NS, times=times, watched=watched) == words


def test_an_exit_of_unknown_length_says_none() -> None:
    assert exit_reason(3, oom=False, stop_requested=False, ran_ns=None, times=1, watched=True) == "exit code 3"
