"""Errors for people: what happened, and what to do about it, in one line."""

from __future__ import annotations

from typing import ClassVar


class WstError(Exception):
    """A failure that the command line shows as one line, never as a traceback.

    Args:
        message: what happened, and where.
        hint: what to do about it; empty when the message says it all.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class Refused(WstError):
    """It ran and the answer is no: no such workspace, a fault found, a command that makes no sense."""

    exit_code = 1


class SettingError(WstError):
    """A setting or an argument makes no sense; the message names it."""

    exit_code = 2


class Unreachable(WstError):
    """A part that is needed does not answer: broker, ClickHouse, engine or API."""

    exit_code = 3
