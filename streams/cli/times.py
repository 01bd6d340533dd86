"""Instants as people type them, read in the terminal's zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final

import click

from schemas.settings import parse_duration

_DAYS: Final = {"today": 0, "yesterday": 1}
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def parse_time(text: str, now: datetime) -> datetime:
    """An aware instant of `2h`, `2h ago`, `yesterday 14:00`, `14:00`, a date, or RFC 3339.

    Args:
        now: aware, in the zone that text without one is meant in.

    Raises:
        ValueError: it is none of these, or names a time the zone skips.
    """
    text = text.strip()
    try:
        return now - timedelta(seconds=parse_duration(text.removesuffix("ago").strip()))
    except (ValueError, OverflowError):
        pass
    day, _, clock = text.rpartition(" ")
    match = _CLOCK.fullmatch(clock)
    if match and (day in _DAYS or not day):
        hour, minute, second = (int(part or 0) for part in match.groups())
        return _at((now - timedelta(days=_DAYS.get(day, 0))).replace(hour=hour, minute=minute, second=second, microsecond=0))
    if text in _DAYS:
        return _at((now - timedelta(days=_DAYS[text])).replace(hour=0, minute=0, second=0, microsecond=0))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is no time; write it as 2h, 2h ago, yesterday 14:00, or 2026-01-31T12:00:00+01:00") from None
    return at if at.tzinfo else _at(at)


def _at(wall: datetime) -> datetime:
    """What a wall clock shows, with the offset of that day: it may be another than now's."""
    return wall.replace(tzinfo=None).astimezone()


class Time(click.ParamType):
    """An option that takes an instant."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value, datetime.now().astimezone())
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)
