"""An export on disk: a directory or one tar file, with a manifest that says what is in it and how to tell whether it is whole."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from schemas.errors import Refused, SettingError

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_FILE: Final = re.compile(r"[a-z][a-z0-9_]{0,60}_rows/[0-9a-z]{1,12}\.parquet")
_LARGEST: Final = 8 << 30

Json = dict[str, Any]


class Writer(Protocol):
    """Takes the files of an export; it is there under its name only when `finish` has returned."""

    def add(self, name: str, content: bytes) -> None:
        """Writes one file."""

    def finish(self) -> None:
        """Gives it its name."""

    def drop(self) -> None:
        """Removes what was written."""


def writer(path: Path) -> Writer:
    """What writes to a path: `….tar` is one file, anything else a directory.

    Raises:
        SettingError: something is there already, or its folder is not.
    """
    if path.exists():
        raise SettingError(f"{path} exists", "name a new one: an export overwrites nothing")
    if not path.parent.is_dir():
        raise SettingError(f"{path.parent} is no directory")
    return _Tar(path) if path.suffix == ".tar" else _Directory(path)


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(mode=0o700)

    def add(self, name: str, content: bytes) -> None:
        target = self._unfinished / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)

    def finish(self) -> None:
        self._unfinished.rename(self._path)

    def drop(self) -> None:
        shutil.rmtree(self._unfinished, ignore_errors=True)


class _Tar:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        self._unfinished.unlink(missing_ok=True)
        self._unfinished.touch(mode=0o600)
        self._tar = tarfile.open(self._unfinished, "w")  # noqa: SIM115  # open until `finish`

    def add(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o600
        self._tar.addfile(member, io.BytesIO(content))

    def finish(self) -> None:
        self._tar.close()
        self._unfinished.rename(self._path)

    def drop(self) -> None:
        self._tar.close()
        self._unfinished.unlink(missing_ok=True)


def entry(content: bytes, rows: int) -> Json:
    """What the manifest says of a file."""
    return {"rows": rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _manifest(said: Any) -> Json:
    """The manifest, if it says all that an import reads of it.

    Raises:
        KeyError, TypeError: it does not.
    """
    manifest: Json = {"format": said["format"]}
    for name, kind in (("epoch", int), ("migrations", dict), ("files", dict)):
        manifest[name] = _of(said, name, kind)
    for told in manifest["files"].values():
        _of(told, "rows", int)
        _of(told, "sha256", str)
    return manifest


def _of(said: Any, name: str, kind: type) -> Any:
    if not isinstance(said[name], kind):
        raise TypeError(f"{name} in its manifest is no {kind.__name__}")
    return said[name]


class Export:
    """An export that can be read; every file is checked against the manifest before it is given out.

    Raises:
        Refused: it is none, or not whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tar: tarfile.TarFile | None = None
        try:
            if path.is_file():
                self._tar = tarfile.open(path, "r:")  # noqa: SIM115  # open until `close`
            self.manifest = _manifest(json.loads(self._bytes(MANIFEST)))
        except (OSError, KeyError, ValueError, TypeError, RecursionError, tarfile.TarError) as error:
            raise Refused(f"{path} is no export of wst ({error})", "`wst export` makes one") from error
        if self.manifest["format"] != FORMAT:
            raise Refused(f"{path} is of format {str(self.manifest['format'])[:20]}, this wst reads {FORMAT}", "upgrade wst")
        self.files: dict[str, Json] = self.manifest["files"]
        strange = [name for name in self.files if not _FILE.fullmatch(name)]
        if strange:
            raise Refused(f"{path} names a file {strange[0][:80]!r} that no export has")

    def _bytes(self, name: str) -> bytes:
        if self._tar is None:
            return (self._path / name).read_bytes()
        member = self._tar.getmember(name)
        # A sparse member may be of any size in a small file.
        is_plain = member.isfile() and not member.issparse() and member.size < _LARGEST
        found = self._tar.extractfile(member) if is_plain else None
        if found is None:
            raise KeyError(name)
        return found.read()

    def content(self, name: str) -> bytes:
        """A file, whole and unchanged.

        Raises:
            Refused: it is not.
        """
        try:
            content = self._bytes(name)
        except (OSError, KeyError, ValueError, tarfile.TarError) as error:
            raise Refused(f"{self._path} lacks {name}", "export again") from error
        if hashlib.sha256(content).hexdigest() != self.files[name]["sha256"]:
            raise Refused(f"{name} in {self._path} is not what was exported", "it was changed or cut; export again")
        return content

    def check(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Reads every file once: nothing of an export that is not whole is imported."""
        for name in self.files:
            told(name)
            self.content(name)

    def close(self) -> None:
        """Lets go of the file."""
        if self._tar is not None:
            self._tar.close()
