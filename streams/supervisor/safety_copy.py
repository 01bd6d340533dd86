"""The copy that `wst up` makes of a data directory before a newer program changes it, and the refusal of one that is newer still.

What a program writes is known by its migrations of the archive and by the format of the directory; both stand in a file there,
written before anything of it runs. A copy costs little: parts of ClickHouse's tables are never changed once they are
written, so that they are linked, as its own FREEZE does; everything else is copied.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from schemas.errors import SettingError

_PROGRAM: Final = "PROGRAM"
_COPY: Final = "before-upgrade"
_ARCHIVE: Final = "archive"
#: Neither history nor state: logs, figures, signs of life, locks, and the copy itself.
_LEFT_OUT: Final = ("logs", "metrics", "alive.*", "parts.json*", "lock", "*.lock", "*-shm", f"{_COPY}*")
#: Below a table's folder a part's files lie in a folder of its own: `store/abc/UUID/PART/…`.
_PART_DEPTH: Final = 4


def migration_names() -> list[str]:
    """This program's migrations, in order; without the module that applies them, which is heavy for a supervisor."""
    folder = resources.files("schemas").joinpath("clickhouse")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def before_start(folder: Path, migrations: Sequence[str], copies: bool = True) -> str:
    """Refuses a directory that a newer program wrote, and copies one of an older program; says what it did, empty: nothing.

    Args:
        migrations: names of this program's migrations of the archive, in order.
        copies: whether a copy is wanted.

    Raises:
        SettingError: a newer program wrote it, or it cannot be copied.
    """
    try:
        found = json.loads((folder / _PROGRAM).read_text())["migrations"]
    except FileNotFoundError:
        found = []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(f"{folder / _PROGRAM} cannot be read", "is the disk full or broken? `wst export` saves the archive") from error
    if unknown := [name for name in found if name not in migrations]:
        raise SettingError(
            f"{folder} was written by a newer wst (its archive has {unknown[-1]})",
            f"upgrade wst, or go back to {folder / _COPY} if it is there",
        )
    said = ""
    if found != list(migrations):
        if copies and (folder / _ARCHIVE).exists():
            said = f"an earlier version wrote {folder}: a copy of it is in {_copy(folder)}"
        _note(folder / _PROGRAM, {"migrations": list(migrations)})
    return said


def _note(path: Path, said: dict[str, Any]) -> None:
    written = path.with_name(path.name + ".new")
    written.write_text(json.dumps(said) + "\n")
    written.replace(path)


def _copy(folder: Path) -> Path:
    """Copies the directory into itself; a copy of an earlier upgrade goes once the new one is whole."""
    target, begun = folder / _COPY, folder / f"{_COPY}.new"
    shutil.rmtree(begun, ignore_errors=True)
    try:
        shutil.copytree(folder, begun, ignore=shutil.ignore_patterns(*_LEFT_OUT), copy_function=_take, symlinks=True)
        if target.exists():
            shutil.rmtree(target)
        begun.rename(target)
    except OSError as error:
        shutil.rmtree(begun, ignore_errors=True)
        raise SettingError(f"{folder} cannot be copied before it is upgraded ({error})", "make room, or take --no-copy") from error
    return target


def _take(source: str, target: str) -> str:
    if _is_of_a_part(Path(source)):
        os.link(source, target)
        return target
    return shutil.copy2(source, target)


def _is_of_a_part(path: Path) -> bool:
    """Whether ClickHouse never changes the file: it lies in a part that is whole."""
    below = path.parts[len(path.parts) - 1 - path.parts[::-1].index("store") :] if "store" in path.parts else ()
    return len(below) == _PART_DEPTH + 1 and not below[3].startswith(("tmp", "detached", "delete")) and "_" in below[3]
