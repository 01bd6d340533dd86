"""What may be asked of producers."""

from __future__ import annotations

import math

from schemas.errors import SettingError


def checked_seconds(name: str, seconds: float) -> float:
    """An interval as producers take it.

    Raises:
        SettingError: it is none between 1 s and 1 h.
    """
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and 1 <= seconds <= 3600):
        raise SettingError(f"{name} = {seconds!r} is no interval", "give seconds between 1 and 3600")
    return float(seconds)
