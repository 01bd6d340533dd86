"""What is fuzzed: every decoder and parser of input that others wrote, with good input to begin with and the errors it may raise.

The invariant: an answer, or one of these errors; never another, never a hang, never more memory than a record's size explains.
"""

from __future__ import annotations

import gzip
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from producers import record, sample
from producers.engine_json import InvalidMessage as InvalidAnswer
from producers.identity import DEFAULT_RULES, Policy
from producers.recording import read
from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.errors import SettingError
from schemas.journal import Journal
from schemas.settings import load_settings
from schemas.tick_decoder import decode_tick
from streams.api.problems import Problem
from streams.api.times import parse_time_ns
from streams.cli.times import parse_time
from streams.core import usage, workspace
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.core.usage import fold_tick
from streams.log_facts import read_fact
from streams.sinks.rows import TOPICS, arrived, blocks
from tests.fuzz.mutate import bytes_like, json_like
from tests.life.make_previous import PREVIOUS
from tests.platform.process import ROOT
from tests.platform.unpack import unpack

AT: Final = Position(1, 0, 1)
DEMO: Final = ROOT / "producers" / "data" / "demo.wstrec.gz"
RULES: Final = record.Rules("laptop", Policy((), (), (), DEFAULT_RULES), str)


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is fuzzed.

    Attributes:
        make: makes one input.
        run: takes it; raises only what `may_raise` names.
        weight: how often it is chosen, by what it costs.
    """

    name: str
    make: Callable[[random.Random], Any]
    run: Callable[[Any], object]
    may_raise: tuple[type[Exception], ...]
    weight: int


def of_bytes(
    name: str, corpus: Sequence[bytes], run: Callable[[bytes], object], may_raise: tuple[type[Exception], ...], weight: int
) -> Target:
    """A target that takes bytes."""
    return Target(name, lambda draw: bytes_like(draw, corpus), run, may_raise, weight)


def of_json(name: str, corpus: Sequence[Any], run: Callable[[Any], object], weight: int) -> Target:
    """A target that takes an answer of the engine."""
    return Target(name, lambda draw: json_like(draw, corpus), run, (InvalidAnswer,), weight)


def all_targets() -> list[Target]:
    """Everything, with a corpus from a log and a recording that lie in the repository."""
    log = written()
    targets = [_topic(topic, log[topic]) for topic in TOPICS if log.get(topic)]
    targets += [
        of_bytes("fact, fast reader and fold", log["docker.events"], _fold_fact, (Undecodable, InvalidMessage), 30),
        of_bytes("tick, fast reader and fold", log["docker.stats"], _fold_tick, (Undecodable, InvalidMessage), 20),
        of_bytes("snapshot", log["docker.snapshots"], codec("snapshot").decode, (Undecodable,), 10),
        of_bytes("control", log["workspace.control"], codec("control").decode, (Undecodable,), 10),
    ]
    said = answered()
    targets += [
        of_json("engine event", said["event"], lambda raw: record.event(raw, RULES), 40),
        of_json("engine listing", [one for listing in said["list"] for one in listing], lambda raw: record.listed(raw, RULES), 40),
        of_json("engine inspect", said["inspect"], record.inspected, 40),
        of_json("engine stats", said["stats"], lambda raw: sample.counters(raw, sample.Context()), 30),
    ]
    times = [b"2h", b"2h ago", b"yesterday 14:00", b"14:00", b"2026-01-31", b"2026-01-31T12:00:00+09:00", b"90m", b"1.5d"]
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    return [
        *targets,
        of_bytes("time, API", times, lambda data: parse_time_ns("since", _text(data)), (Problem,), 40),
        of_bytes("time, command line", times, lambda data: parse_time(_text(data), now), (click.BadParameter, ValueError), 40),
        of_bytes("recording", _recordings(), _read_recording, (SettingError,), 4),
        of_bytes("wst.toml", [(ROOT / "wst.example.toml").read_bytes(), _TOML], _load_toml, (SettingError,), 2),
    ]


def written() -> dict[str, list[bytes]]:
    """Some values of each topic, as the earlier version of `tests/life` wrote them, by the topic's name without the prefix."""
    found: dict[str, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        unpack(PREVIOUS / "data.tar.xz", Path(folder), lambda one: "journal" in one.name)
        journal, after = Journal(Path(folder) / "data" / "journal.sqlite", 4), 0
        while entries := journal.read(after, 500):
            for entry in entries:
                values = found.setdefault(entry.record.topic.removeprefix("wst."), [])
                if entry.record.value is not None and len(entry.record.value) < 4_000 and len(values) < 200:
                    values.append(entry.record.value)
            after = entries[-1].seq
        journal.close()
    return found


def answered() -> dict[str, list[Any]]:
    """Some answers of an engine by kind, from the recording that lies in the package."""
    found: dict[str, list[Any]] = {}
    for entry in read(DEMO)[1]:
        answers = found.setdefault(entry.kind, [])
        if entry.answer is not None and len(answers) < 100:
            answers.append(entry.answer)
    return found


def _topic(topic: str, corpus: Sequence[bytes]) -> Target:
    """What the sink does with a value: decode, check, rows."""
    about = codec(topics.BY_NAME[topic].subject)

    def rows(value: bytes) -> object:
        found = about.decode(value)
        key = found.get("workspace_id") or found.get("engine_id") or ""
        return blocks(topic, [arrived(topic, AT, str(key).encode("utf-8", "surrogatepass"), value, (), 0)])

    return of_bytes(f"{topic} to rows", corpus, rows, (Undecodable, InvalidMessage), 10)


def _fold_fact(value: bytes) -> object:
    fact = read_fact(value)
    return workspace.fold(workspace.initial(fact.workspace_id), fact, AT)


def _fold_tick(value: bytes) -> object:
    tick = decode_tick(value)
    return fold_tick(usage.initial(tick["workspace_id"]), tick, AT, 1_780_000_000_000)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _recordings() -> list[bytes]:
    """The first lines of the bundled one, packed and plain."""
    with gzip.open(DEMO, "rb") as lines:
        plain = b"".join(islice(lines, 40))
    return [gzip.compress(plain), gzip.compress(plain[:2_000]), plain[:500]]


def _read_recording(data: bytes) -> object:
    # Half of them are broken inside the packing, where the lines are.
    path = _SCRATCH / "fuzz.wstrec.gz"
    path.write_bytes(data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1))
    return read(path)


_TOML: Final = b"""collect_interval = "5s"
partitions = 12
engines = ["unix:///var/run/docker.sock"]
[[handlers]]
type = "webhook"
url = "https://example.org"
"""


def _load_toml(data: bytes) -> object:
    path = _SCRATCH / "wst" / "wst.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(_SCRATCH)
    try:
        return load_settings()
    finally:
        os.environ.pop("XDG_CONFIG_HOME")
        os.environ |= {} if before is None else {"XDG_CONFIG_HOME": before}


_SCRATCH: Final = Path(tempfile.mkdtemp(prefix="wst-fuzz-"))
