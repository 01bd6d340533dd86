"""Good input to begin with: a log and a recording that lie in the repository, and what tests make of kinds that those lack."""

from __future__ import annotations

import gzip
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any, Final

from producers.recording import read
from schemas import topics
from schemas.codec import codec
from schemas.journal import Journal
from tests.core_state import makers
from tests.life.make_previous import PREVIOUS
from tests.platform.process import ROOT
from tests.platform.unpack import unpack
from tests.sinks import records
from tests.state.desk import Log, entry

DEMO: Final = ROOT / "producers" / "data" / "demo.wstrec.gz"


def written() -> dict[str, list[bytes]]:
    """Some values of each topic, by the topic's name without the prefix, as an earlier version wrote them and as they are written now."""
    found: dict[str, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        unpack(PREVIOUS / "data.tar.xz", Path(folder), lambda one: "journal" in one.name)
        journal, after = Journal(Path(folder) / "data" / "journal.sqlite", 4), 0
        while entries := journal.read(after, 500):
            for one in entries:
                values = found.setdefault(one.record.topic.removeprefix("wst."), [])
                if one.record.value is not None and len(one.record.value) < 4_000 and len(values) < 200:
                    values.append(one.record.value)
            after = entries[-1].seq
        journal.close()
    for topic, values in found.items():
        coder = codec(topics.BY_NAME[topic].subject)
        found[topic] = values + [coder.encode(coder.decode(value)) for value in values[:50]]
    found[topics.DOCKER_EVENTS.name] += [codec("fact").encode(value) for value in _facts()]
    found[topics.DOCKER_SNAPSHOTS.name] += [codec("snapshot").encode(value) for value in _snapshots()]
    found[topics.DEAD_LETTERS.name] = [codec("dead_letter").encode(records.dead_letter(number)) for number in range(3)]
    return found


def _facts() -> list[makers.Record]:
    """Of each kind some, more than a recording shows."""
    return [
        makers.event("start", 0), makers.event("die", 1, exit_code=137), makers.event("oom", 2), makers.event("destroy", 3),
        makers.event("exec_create", 4, exec_id="e" * 64, program="sh"), makers.seen("running", 5, inspect={"started_at_ns": 5}),
        makers.inspected(6, restart_count=3), *(makers.command(name, 7) for name in ("archive", "unarchive", "register", "forget")),
        makers.command("mute", 8, for_s="60"), makers.command("rename", 9, name="x"), makers.command("forget", 10, erase="1"),
    ]  # fmt: skip


def _snapshots() -> list[dict[str, Any]]:
    """Whole, in parts, failed, and of an engine that nobody watched for a while."""
    log = Log()
    made = [
        log.snapshot(entry("web", "running"), entry("db", "exited")), log.snapshot(entry("web", "running"), parts=2),
        log.snapshot(outcome="failed", parts=2, answered=False, error_code="engine_unreachable", error="connection refused"),
        log.snapshot(listed_at_ns=makers.at(100), watched_since_ns=makers.at(95)),
    ]  # fmt: skip
    return [codec("snapshot").decode(one.value) for one in made]


def answered() -> dict[str, list[Any]]:
    """Some answers of an engine by kind, from the recording that lies in the package."""
    found: dict[str, list[Any]] = {}
    for one in read(DEMO)[1]:
        answers = found.setdefault(one.kind, [])
        if one.answer is not None and len(answers) < 100:
            answers.append(one.answer)
    return found


def recordings() -> list[bytes]:
    """The first lines of the bundled one, packed and plain."""
    with gzip.open(DEMO, "rb") as lines:
        plain = b"".join(islice(lines, 40))
    return [gzip.compress(plain), gzip.compress(plain[:2_000]), plain[:500]]
