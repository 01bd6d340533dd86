"""What `wst doctor` looks at; each check gives findings and never raises for what it finds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from schemas.engines import masked_url
from schemas.errors import WstError
from schemas.settings import PREFIX, Settings, unknown_variables
from schemas.topics import WORKSPACE_CONTROL
from streams.cli.text import size

Level = Literal["ok", "warning", "fault"]

_LOW_BYTES: Final = 2 << 30
_TOO_LOW_BYTES: Final = 200 << 20
#: Of a volume, where one part's few files are all there is.
_LOW_RATIO: Final = 0.2
_TOO_LOW_RATIO: Final = 0.05
_SKEW_S: Final = 2.0
_SKEWED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        fix: what to do; empty when it is well.
    """

    level: Level
    part: str
    what: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class TreeHere:
    """A running tree of this machine.

    Attributes:
        engines: what it watches, without passwords; none: it plays a recording.
    """

    data_dir: Path
    engines: list[str]


def tree_here(health: Mapping[str, Any] | WstError) -> TreeHere | None:
    """The tree that a health check is of; None: there is none, or its files are not here (a container's, another host's)."""
    if isinstance(health, WstError) or "data_dir" not in health:
        return None
    folder = Path(health["data_dir"])
    return TreeHere(folder, list(health["engines"])) if os.access(folder / "parts.json", os.R_OK) else None


def misspelt() -> Iterator[Finding]:
    """Variables that look like settings and are none: whoever set them believes otherwise."""
    from difflib import get_close_matches

    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in unknown_variables():
        meant = get_close_matches(name, known, 1)
        yield Finding(
            "fault", "settings", f"{name} is no setting of wst", f"is {meant[0]} meant?" if meant else "`wst config` lists them all"
        )


def data_dir(path: Path, *, holds_all: bool) -> Iterator[Finding]:
    """Can be written, has room.

    Args:
        holds_all: a whole tree's archive and journal; otherwise one part's few files, for which a small volume will do.
    """
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        yield Finding("fault", "data", f"{path} cannot be written", "set WST_DATA_DIR to a directory that can")
        return
    usage = shutil.disk_usage(existing)
    low, too_low = (_LOW_BYTES, _TOO_LOW_BYTES) if holds_all else (usage.total * _LOW_RATIO, usage.total * _TOO_LOW_RATIO)
    what = f"{path}: {size(usage.free)} of {size(usage.total)} free"
    if usage.free < min(too_low, _TOO_LOW_BYTES):
        yield Finding("fault", "data", what, "make room: what cannot be written is not recorded")
    elif usage.free < min(low, _LOW_BYTES):
        yield Finding("warning", "data", what, "make room soon")
    else:
        yield Finding("ok", "data", what)


def api(health: Mapping[str, Any] | WstError, url: str) -> Iterator[Finding]:
    """Answers, its parts run, and its archive takes what they bring."""
    if isinstance(health, WstError):
        hint = getattr(health, "hint", "") or "see its log"
        yield Finding("fault", "api", health.message, hint)
        return
    level: Level = "ok" if health["status"] == "ok" else "warning"
    yield Finding(
        level,
        "api",
        f"{masked_url(url)} is {health['status']}, {health['workspaces']} workspaces",
        "" if level == "ok" else "wait a moment",
    )
    for part in health.get("parts", ()):
        what = f"{part['name']} is {part['state']}" + (
            f", started again {part['restarts']} times ({part['last_end']})" if part["restarts"] else ""
        )
        bad = part["state"] not in ("up", "done") or part["restarts"]
        yield Finding("warning" if bad else "ok", "part", what, "its log is in logs/ of the data directory" if bad else "")
    if health.get("sink", {}).get("away"):
        yield Finding("fault", "clickhouse", "the archive does not answer the sink", "see the sink's log; nothing is lost meanwhile")


def configured_engines(settings: Settings) -> Iterator[Finding]:
    """The engines that `wst up` or `wst producer` would watch if it were started here and now."""
    from streams.supervisor.engine import find_engines

    try:
        found = find_engines(settings.engines, os.environ, Path.home())
    except WstError as error:
        yield Finding("fault", "engine", error.message, getattr(error, "hint", ""))
        return
    if not found:
        yield Finding("warning", "engine", "no Docker Engine was found", "start Docker, or name an engine in WST_ENGINES")
    for engine in found:
        yield from engine_at(engine.url, engine.by)


def engine_at(url: str, by: str) -> Iterator[Finding]:
    """Reachable, with a clock like ours.

    Args:
        by: who named it.
    """
    from streams.cli.engine_probe import NoAnswer, probe

    shown = masked_url(url)
    try:
        seen = probe(url)
    except NoAnswer as error:
        yield Finding("fault", "engine", f"the Docker Engine at {shown} (from {by}) does not answer", str(error))
        return
    if seen is None:
        yield Finding("ok", "engine", f"{shown} is reached over ssh or with a password: not looked at from here")
        return
    yield Finding("ok", "engine", f"{shown} is {seen.name}, Docker {seen.version}")
    yield clock(seen.name, seen.ahead_s)


def clock(name: str, ahead_s: float) -> Finding:
    """An engine's clock against this host's: times of facts are the engine's."""
    what = f"the clock of {name} is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this host's"
    if abs(ahead_s) > _SKEWED_S:
        return Finding("fault", "clock", what, "set the time on both (timedatectl set-ntp true)")
    return Finding("warning", "clock", what, "set the time on both") if abs(ahead_s) > _SKEW_S else Finding("ok", "clock", f"{name} agrees")


def producers(records: Iterable[Mapping[str, Any]], now_ns: int) -> Iterator[Finding]:
    """One for each engine: two would publish everything twice, under two names at worst."""
    alive: dict[str, dict[str, Mapping[str, Any]]] = {}
    names: dict[str, set[str]] = {}
    for record in records:
        section = record["producer"]
        # It says so again within its interval; two missed ones are a death.
        if record["kind"] == "producer" and now_ns - record["written_at_ns"] < 3 * section["interval_ms"] * 1_000_000:
            alive.setdefault(record["target"], {})[section["producer_id"]] = section
            names.setdefault(section["engine_name"], set()).add(record["target"])
    for engine_id, sections in alive.items():
        hosts = ", ".join(sorted({section["host"] or "?" for section in sections.values()}))
        if len(sections) > 1:
            yield Finding("fault", "producer", f"engine {engine_id} has {len(sections)} producers (on {hosts})", "stop all but one")
        else:
            yield Finding("ok", "producer", f"engine {engine_id} has one producer (on {hosts})")
    for name, ids in names.items():
        if len(ids) > 1:
            yield Finding("fault", "producer", f"{len(ids)} engines are called {name}", "give each its own WST_ENGINE_NAME")


def cluster(settings: Settings) -> Iterator[Finding]:
    """Broker, topics, and the archive of a cluster."""
    yield from _said("kafka", lambda: _topics(settings))
    yield from _said("clickhouse", lambda: _archive(settings))


def _said(part: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Findings of a look that may fail with a line for people."""
    try:
        yield from list(look())
    except WstError as error:
        yield Finding("fault", part, error.message, error.hint)


def _topics(settings: Settings) -> Iterator[Finding]:
    import asyncio

    from streams.cli.topic_admin import TopicAdmin

    async def plan() -> list[str]:
        async with TopicAdmin(settings) as admin:
            return [str(step) for step in await admin.plan()]

    missing = asyncio.run(plan())
    yield Finding("ok", "kafka", f"{settings.brokers} answers")
    for step in missing:
        yield Finding("fault", "topics", f"to do: {step}", "run `wst topics apply`")
    if not missing:
        yield Finding("ok", "topics", "all are as they must be")


def _archive(settings: Settings) -> Iterator[Finding]:
    from streams.migrate import address_of, require
    from streams.sinks.clickhouse import connect

    address = address_of(settings)
    if address.directory is not None:
        return
    client = connect(address)
    try:
        require(address, client)
    finally:
        client.close()
    yield Finding("ok", "clickhouse", f"{address.shown} answers, database {address.database} is of this version")


def control_records(settings: Settings, embedded: bool) -> list[Mapping[str, Any]]:
    """Everything `workspace.control` says that can be read; of each key the last word.

    Raises:
        WstError: the log is out of reach.
    """
    from schemas.codec import Undecodable, codec

    decode = codec(WORKSPACE_CONTROL.subject).decode
    found: list[Mapping[str, Any]] = []
    for value in _control_of_journal(settings) if embedded else _control_of_kafka(settings):
        try:
            found.append(decode(value))
        except Undecodable:
            continue
    return found


def _control_of_journal(settings: Settings) -> Iterator[bytes | None]:
    from schemas.journal import Journal
    from streams.embedded.broker import PARTITIONS

    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        return
    journal = Journal(path, PARTITIONS)
    try:
        for partition in range(PARTITIONS):
            for entry in journal.read_partition(WORKSPACE_CONTROL.full(settings.topic_prefix), partition, 0, 100_000):
                yield entry.record.value
    finally:
        journal.close()


def _control_of_kafka(settings: Settings) -> list[bytes | None]:
    import asyncio

    from streams.cli.topic_admin import read_all

    return asyncio.run(read_all(settings, WORKSPACE_CONTROL.full(settings.topic_prefix)))


def now_ns() -> int:
    """This host's clock, ns since the Unix epoch."""
    return time.time_ns()
