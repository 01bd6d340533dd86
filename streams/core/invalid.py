"""The one error of the core: input that says nothing that can be folded."""

from __future__ import annotations


class InvalidMessage(Exception):
    """A decoded record that is the input's fault; it belongs in the dead letters.

    Attributes:
        code: stable word for programs: malformed, missing_section, bad_id, bad_time, bad_generation, bad_container.
        reason: what is wrong, in words.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
