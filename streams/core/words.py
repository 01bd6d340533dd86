"""States, exits and reasons in words for people. Container names are untrusted: whoever shows a sentence escapes it."""

from __future__ import annotations

from typing import Final

from streams.core.state import CREATED, DEAD, EXITED, PAUSED, REMOVED, REMOVING, RESTARTING, RUNNING

SECOND_NS: Final = 1_000_000_000
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400

KILLED_CODES: Final = {137: "SIGKILL", 143: "SIGTERM"}
"""Exit codes (128 + signal) that somebody's signal makes."""

# What shells and the engine have agreed on: https://tldp.org/LDP/abs/html/exitcodes.html, docker run's exit status.
_CODE_MEANINGS: Final = {
    125: "the engine could not run it",
    126: "its command cannot be run",
    127: "its command was not found",
    130: "interrupted",
    134: "aborted",
    135: "bus error",
    136: "arithmetic error",
    139: "segmentation fault",
    255: "or ended with the engine",
}

_VERBS: Final = {
    CREATED: "was created",
    RUNNING: "runs",
    PAUSED: "is paused",
    RESTARTING: "is restarting",
    REMOVING: "is being removed",
    EXITED: "ended",
    DEAD: "is dead",
    REMOVED: "was removed",
}


_RENAMED: Final = "renamed"


def duration(ns: int) -> str:
    """A duration as a person would say it: 350 ms, 2 s, 5 min, 3 h, 2 days."""
    seconds = ns // SECOND_NS
    if seconds < 1:
        return f"{max(ns, 0) // 1_000_000} ms"
    if seconds < 2 * MINUTE_S:
        return f"{seconds} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds // MINUTE_S} min"
    if seconds < 2 * DAY_S:
        return f"{seconds // HOUR_S} h"
    return f"{seconds // DAY_S} days"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st …"""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def exit_reason(code: int | None, *, oom: bool, stop_requested: bool, ran_ns: int | None, times: int, watched: bool) -> str:
    """Why a run ended.

    Args:
        code: exit code, None when nobody knows.
        oom: the run suffered for want of memory.
        stop_requested: a stop was asked for.
        ran_ns: how long it ran; None when nobody knows.
        times: the how-manieth unexpected end in a row this is; 0 for an expected one.
        watched: the end was told by the engine's events and not found by a sync.
    """
    after = "" if ran_ns is None else f" after {duration(ran_ns)}"
    again = f", {ordinal(times)} time" if times > 1 else ""
    if stop_requested:
        return f"stopped on request{after}" if code in (None, 0, 143) else f"stopped on request, exit code {code}{after}"
    if code == 0:
        return f"finished{after}"
    if oom:
        return f"out of memory{after}{again}"
    if code is None:
        return f"ended{after}{again}, unwatched"
    if code in KILLED_CODES:
        if not watched:
            return f"exit code {code} ({KILLED_CODES[code]}){after}, unwatched"
        return f"killed from outside Docker ({KILLED_CODES[code]}){after}{again}"
    meaning = f" ({_CODE_MEANINGS[code]})" if code in _CODE_MEANINGS else ""
    return f"exit code {code}{meaning}{after}{again}"


def renamed(to: str | None) -> str:
    """Why a container left a workspace that is its name; `to`: its new name, None when nobody said it."""
    return _RENAMED if to is None else f"{_RENAMED} to {to}"


def container_sentence(name: str, state: str, health: str | None, exit_reason: str | None) -> str:
    """What a container does, in one sentence: `web ended: exit code 3 after 2 s`."""
    if _left_by_rename(state, exit_reason):
        return f"{name} was {exit_reason}"
    said = f"{name} {_VERBS.get(state, state)}"
    if health is not None:
        return f"{said}, {health}"
    return f"{said}: {exit_reason}" if exit_reason else said


def status_reason(name: str, state: str, exit_reason: str | None, *, archived: bool, left: int) -> str:
    """Why a workspace's status became what it is, from the container that made it so.

    Args:
        name: of the container that caused it.
        state: its state now.
        exit_reason: why its last run ended, if it did.
        archived: the workspace was archived until now.
        left: containers the workspace still has.
    """
    if state == RUNNING:
        return f"{name} started running while archived" if archived else f"{name} runs"
    if state == REMOVED and not left and not _left_by_rename(state, exit_reason):
        return f"{name}, its last container, was removed"
    return container_sentence(name, state, None, exit_reason)


def _left_by_rename(state: str, exit_reason: str | None) -> bool:
    return state == REMOVED and exit_reason is not None and exit_reason.startswith(_RENAMED)
