"""A small file system of its own that tests fill: a tmpfs, as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_BALLAST: Final = "ballast"


def missing() -> str | None:
    """Say what keeps us from mounting one here, or None."""
    if os.geteuid() != 0:
        return "not root"
    return None if shutil.which("mount") else "mount not found"


class SmallDisk:
    """Mounted on a folder for as long as it is entered.

    Args:
        folder: made if it is not there; what is in it is hidden meanwhile.
    """

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder = folder
        self._size_mb = size_mb

    def fill(self) -> None:
        """Takes what room is left."""
        size = 0
        with (self.folder / _BALLAST).open("wb") as ballast:
            for step in (1 << 20, 1 << 12):  # others take and give meanwhile
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(ballast.fileno(), size, step)
                        size += step

    def free(self) -> None:
        """Gives it back."""
        (self.folder / _BALLAST).unlink()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._size_mb}m", "tmpfs", str(self.folder)], check=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Lazily: whoever still has a file open there keeps it.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
