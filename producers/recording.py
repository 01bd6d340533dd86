"""Recordings: what an engine said and answered, sanitised, with the time of each, as gzipped JSON lines.

The first line is a header, each further one `[offset_ns, kind, container id, answer]`; a listing that repeats the
one before it is null. `RecordingEngine` stands before a real engine and writes down what the ordinary loops ask.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from producers.engine import Engine, EngineError, Events
from producers.engine_json import Json
from producers.sanitize import Sanitizer
from schemas.errors import SettingError

FORMAT: Final = 1
_FLUSH_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        offset_ns: since the recording began, ns.
        kind: info, list, inspect, event or stats.
        container_id: empty for info and list.
        answer: as the engine gave it, sanitised.
    """

    offset_ns: int
    kind: str
    container_id: str
    answer: Any


@dataclass(frozen=True, slots=True)
class Header:
    """What a recording is.

    Attributes:
        began_ns: the recorder's clock at offset 0, ns since the Unix epoch.
        collect_s: interval of its samples, s.
    """

    began_ns: int
    api_version: str
    collect_s: float


class Recorder:
    """Writes a recording; for several threads.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, header: Header, sanitizer: Sanitizer) -> None:
        self.clean = sanitizer
        self._out = gzip.open(path, "wt", encoding="utf-8", compresslevel=9)  # noqa: SIM115  # open as long as the engine
        self._lock = threading.Lock()
        self._began = self._flushed = time.monotonic()
        self._listing = ""
        first = {"wst_recording": FORMAT, "began_ns": header.began_ns, "api_version": header.api_version, "collect_s": header.collect_s}
        self._out.write(json.dumps(first) + "\n")

    def write(self, kind: str, container_id: str, answer: object) -> None:
        """Adds a line with the present offset."""
        with self._lock:
            if self._out.closed:
                return
            now = time.monotonic()
            if kind == "list":
                listing = json.dumps(answer)
                answer, self._listing = None if listing == self._listing else answer, listing
            line = [round((now - self._began) * 1e9), kind, container_id, answer]
            self._out.write(json.dumps(line, separators=(",", ":")) + "\n")
            if now - self._flushed > _FLUSH_EVERY_S:
                self._flushed = now
                self._out.flush()

    def close(self) -> None:
        """Ends the file."""
        with self._lock:
            self._out.close()


class RecordingEngine:
    """An engine whose answers are also written down, under a name of their own.

    Args:
        name: stands for the engine's name in the recording.
    """

    def __init__(self, engine: Engine, recorder: Recorder, name: str | None) -> None:
        self._engine = engine
        self._recorder = recorder
        self._name = name
        self.url = engine.url
        self.api_version = engine.api_version

    def info(self) -> Json:
        """As the engine."""
        answer = self._engine.info()
        clean = self._recorder.clean.info(answer) | ({"Name": self._name} if self._name else {})
        self._recorder.write("info", "", clean)
        return answer

    def list(self) -> list[object]:
        """As the engine."""
        answer = self._engine.list()
        self._recorder.write("list", "", [self._recorder.clean.listed(entry) for entry in answer])
        return answer

    def inspect(self, container_id: str) -> Json | None:
        """As the engine."""
        answer = self._engine.inspect(container_id)
        if answer is not None:
            self._recorder.write("inspect", container_id, self._recorder.clean.inspect(answer))
        return answer

    def events(self, since_ns: int | None) -> Events:
        """As the engine."""
        return _RecordedStream(self._engine.events(since_ns), self._recorder)

    def stats(self, container_ids: Sequence[str], deadline: float) -> Iterator[tuple[str, Json | EngineError | None]]:
        """As the engine."""
        for container_id, answer in self._engine.stats(container_ids, deadline):
            if isinstance(answer, dict):
                self._recorder.write("stats", container_id, self._recorder.clean.stats(answer))
            yield container_id, answer

    def close(self) -> None:
        """Closes engine and file."""
        self._engine.close()
        self._recorder.close()


class _RecordedStream:
    def __init__(self, stream: Events, recorder: Recorder) -> None:
        self._stream = stream
        self._recorder = recorder

    def __iter__(self) -> Iterator[object]:
        for raw in self._stream:
            self._recorder.write("event", "", self._recorder.clean.event(raw))
            yield raw

    def close(self) -> None:
        self._stream.close()


def read(path: Path) -> tuple[Header, list[Entry]]:
    """Reads a recording whole; one that was cut off ends where it was cut.

    Raises:
        SettingError: the file is no recording, or of a younger wst.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            first = json.loads(next(lines))
            if first["wst_recording"] > FORMAT:
                raise SettingError(f"{path} is a recording of a newer wst", "upgrade wst")
            header = Header(int(first["began_ns"]), str(first["api_version"]), float(first["collect_s"]))
            return header, list(_entries(lines))
    except OSError as error:
        raise SettingError(f"{path} cannot be read", str(error)) from error
    except (ValueError, OverflowError, LookupError, TypeError, StopIteration, EOFError, RecursionError, zlib.error) as error:
        raise SettingError(f"{path} is no recording", "make one with `wst record FILE`") from error


def _entries(lines: Iterator[str]) -> Iterator[Entry]:
    listing: Any = []
    try:
        for line in lines:
            offset_ns, kind, container_id, answer = json.loads(line)
            if kind == "list":
                listing = answer = listing if answer is None else answer
            yield Entry(int(offset_ns), str(kind), str(container_id), answer)
    except (EOFError, json.JSONDecodeError):
        return  # the recorder was killed: what it wrote until then is whole
