"""What lies on disk or in a changelog: our own values, and files that people write or carry.

A damaged value of our own ends who reads it, loudly and with any error; that it hangs or fills the memory is what must not be.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import sqlite3
import struct
import tarfile
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from producers.recording import read
from schemas import topics
from schemas.errors import Refused, SettingError, WstError
from schemas.journal import Journal
from schemas.metrics.telling import read_figures
from schemas.publish import Record
from schemas.settings import load_settings
from streams.cli.carried import FORMAT, Export
from streams.core import histogram, usage_bytes, window_bytes
from streams.core import workspace as state_fold
from streams.core.invalid import InvalidMessage
from streams.core.workspace import WorkspaceState
from streams.engine_rows import EngineRow
from streams.handlers.config import configs
from tests.fuzz.corpus import recordings
from tests.fuzz.mutate import bytes_like, json_like
from tests.fuzz.of_folds import folded_tables
from tests.fuzz.target import Target, of_bytes
from tests.platform.process import ROOT

#: What Python raises of bytes that are no value: any of these ends a worker with its name and place.
_BROKEN: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, struct.error, InvalidMessage)
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="wst-fuzz-")
_SCRATCH: Final = Path(_FOLDER.name)
_TOML: Final = b"""collect_interval = "5s"
partitions = 12
engines = ["unix:///var/run/docker.sock"]
[[handlers]]
type = "webhook"
url = "https://example.org"
[[alert_rules]]
name = "cpu"
above = 90
"""


def targets(log: dict[str, list[bytes]]) -> list[Target]:
    """Of a log by topic."""
    states, rows, usage = folded_tables(log)
    windows = [
        slot.ticks.packed or window_bytes.pack(slot.ticks.window())
        for value in usage for engine in usage_bytes.from_bytes(value).engines.values() for slot in engine.windows.hours.values()
    ]  # fmt: skip
    histograms = [one for window in windows for one in window_bytes.split(window)[2] if one]
    return [
        of_bytes("value of a state, kept", states, _read_state, _BROKEN, 1_000),
        of_bytes("value of an engine, kept", rows, lambda data: EngineRow.from_bytes(data).to_bytes(), _BROKEN, 1_000),
        of_bytes("value of usage, kept", usage, lambda data: usage_bytes.to_bytes(usage_bytes.from_bytes(data)), _BROKEN, 1_000),
        of_bytes("window, packed", windows, window_bytes.unpack, _BROKEN, 1_000),
        of_bytes("histogram, packed", histograms, _read_histogram, (ValueError,), 1_000),
        of_bytes("journal", [_journal(log)], _read_journal, (WstError, sqlite3.Error, ValueError, TypeError), 25),
        of_bytes("recording", recordings(), _read_recording, (SettingError,), 50),
        of_bytes("wst.toml", [(ROOT / "wst.example.toml").read_bytes(), _TOML, _TOML], _load_toml, (SettingError,), 25),
        Target("export", _exports(), _read_export, (Refused,), 50),
        of_bytes("figures of another part", [_figures()], _read_figures, (), 100),
    ]


def _read_state(data: bytes) -> object:
    state: WorkspaceState = state_fold.from_bytes(data)
    return state_fold.to_bytes(state)


def _read_histogram(data: bytes) -> object:
    return histogram.from_bytes(data).to_clickhouse()


def _journal(log: dict[str, list[bytes]]) -> bytes:
    """The file of a small journal."""
    path = _SCRATCH / "made.sqlite"
    journal = Journal(path, 4)
    values = [value for topic in topics.ALL for value in log[topic.name][:3]]
    journal.append([Record("wst.docker.events", b"shop", value, (("wst-type", b"x"), ("wst-id", b"1")), 5) for value in values])
    journal.set_cursor("kafka", "wst.docker.events", 0, 2)
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    return path.read_bytes()


def _read_journal(data: bytes) -> None:
    path = _SCRATCH / "fuzz.sqlite"
    for left in _SCRATCH.glob("fuzz.sqlite*"):
        left.unlink()
    path.write_bytes(data)
    journal = Journal(path, 4)
    try:
        for one in journal.read(0, 500):
            len(one.record.value or b"")
        journal.cursors()
        journal.last_seq()
    finally:
        journal.close()


def _read_recording(data: bytes) -> object:
    # Half of them are broken inside the packing, where the lines are.
    path = _SCRATCH / "fuzz.wstrec.gz"
    path.write_bytes(data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1))
    return read(path)


def _load_toml(data: bytes) -> object:
    """The settings, and the handlers that they name."""
    path = _SCRATCH / "wst" / "wst.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(_SCRATCH)
    try:
        return configs(load_settings().handlers)
    finally:
        os.environ.pop("XDG_CONFIG_HOME")
        os.environ |= {} if before is None else {"XDG_CONFIG_HOME": before}


def _exports() -> Callable[[random.Random], bytes]:
    """Tar files of an export with one part, broken in the tar or in the manifest."""
    content = b"PAR1 rows PAR1"
    name = "samples_rows/202601.parquet"
    told = {"rows": 1, "bytes": len(content), "sha256": sha256(content).hexdigest()}
    manifest = {"format": FORMAT, "wst": "0.1.0", "epoch": 1, "migrations": {"0001_tables.sql": "x"}, "files": {name: told}}

    def packed(said: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for member, data in (("manifest.json", said), (name, content)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    good = json.dumps(manifest).encode()

    def make(draw: random.Random) -> bytes:
        chance = draw.random()
        if chance < 0.4:
            return packed(json.dumps(json_like(draw, [manifest])).encode())
        return packed(bytes_like(draw, [good])) if chance < 0.7 else bytes_like(draw, [packed(good)])

    return make


def _read_export(data: bytes) -> None:
    path = _SCRATCH / "fuzz.tar"
    path.write_bytes(data)
    export = Export(path)
    try:
        export.check()
    finally:
        export.close()


def _figures() -> bytes:
    return json.dumps({"part": "api", "at": 1e12, "figures": [["wst_build_info", ["0.1.0", "api"], 1.0], ["x", [], 2]]}).encode()


def _read_figures(data: bytes) -> None:
    folder = _SCRATCH / "metrics"
    folder.mkdir(exist_ok=True)
    (folder / "api.json").write_bytes(data)
    for _ in read_figures(_SCRATCH):
        pass
