"""A file whose age says whether a part does its work: health checks of containers look at it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def say_alive(data_dir: Path, part: str) -> None:
    """Touches `alive.PART` in the data directory; for each part to call as it comes round with its work.

    Never from a timer of its own: that would go on while the work hangs.
    """
    # A file that cannot be touched grows old, and that is what the check looks for.
    with suppress(OSError):
        (data_dir / f"alive.{part}").touch()
