"""The data directory of an embedded tree: one tree at a time, of a format this program knows."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from schemas.errors import SettingError

#: Format of the directory as a whole: raised when an older program could not read it.
FORMAT: Final = 1
_LOCK: Final = "lock"
_VERSION: Final = "VERSION"


@dataclass(slots=True)
class DataDir:
    """A data directory held by this process until `release`, or until the process ends, however it ends."""

    path: Path
    _lock: int

    @classmethod
    def hold(cls, path: Path) -> Self:
        """Takes the directory, and makes it when it is missing.

        Raises:
            SettingError: another tree has it, it cannot be written, or a newer program wrote it.
        """
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingError(f"the data directory {path} cannot be used ({error.strerror})", "set --data or WST_DATA_DIR") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(lock)
            os.close(lock)
            raise SettingError(f"the data directory {path} is in use by {holder}", "stop it, or give another one with --data") from None
        try:
            _check_version(path / _VERSION)
        except SettingError:
            os.close(lock)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "since": int(time.time())}).encode(), 0)
        return cls(path, lock)

    def clear(self) -> None:
        """Empties the directory, but for the lock."""
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in (_LOCK, _VERSION):
                entry.unlink()

    def release(self) -> None:
        """Lets go of the directory."""
        os.close(self._lock)


def _holder(lock: int) -> str:
    try:
        said = json.loads(os.pread(lock, 1_000, 0))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(said["since"]))
        return f"another `wst up` (process {said['pid']}, since {since})"
    except (ValueError, KeyError, TypeError):
        return "another `wst up` that is just starting"


def _check_version(path: Path) -> None:
    try:
        found = int(path.read_text().strip())
    except FileNotFoundError:
        path.write_text(f"{FORMAT}\n")
        return
    except (OSError, ValueError) as error:
        raise SettingError(f"{path} is no format number", "is this a data directory of wst? Give another one with --data") from error
    if found > FORMAT:
        raise SettingError(f"{path.parent} was written by a newer wst (format {found})", "upgrade wst, or give another one with --data")
