"""The one line by which a part of `wst up` tells its supervisor that it can be used, and how."""

from __future__ import annotations

from typing import Final

#: Begin of the line on stdout; an address follows.
READY: Final = "wst-ready "


def say_ready(address: str) -> None:
    """Says it."""
    print(f"{READY}{address}", flush=True)  # noqa: T201  # the supervisor reads it
