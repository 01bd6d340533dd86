"""Unpacks tar archives, on every Python 3.11: only 3.11.4 and later know `filter` as an argument."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path


def unpack(packed: Path, into: Path, wanted: Callable[[tarfile.TarInfo], bool] = lambda one: True) -> None:
    """Puts an archive's members, or those wanted, into a folder."""
    with tarfile.open(packed) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(into, [one for one in archive if wanted(one)])  # noqa: S202  # archives of our own and of Maven
