"""`wst replay`: history folded again, beside the running system."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from schemas.errors import SettingError
from streams.cli.times import Time

if TYPE_CHECKING:
    from schemas.settings import Settings
    from streams.replay.into import Into
    from streams.replay.refold import Difference, Refold
    from streams.replay.sources import Source

Json = dict[str, Any]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,60}")
_SHOWN: Final = 50
_DAY_NS: Final = 86_400 * 10**9


@click.command(epilog="Example: wst replay --from archive --compare")
@click.option("--from", "place", type=click.Choice(("kafka", "journal", "archive")), help="Where facts are read; without it: the log.")
@click.option("--since", type=Time(), metavar="TIME", help="Compare only workspaces that something happened to since then.")
@click.option("--into", metavar="NAME", help="Write states and events into a new database NAME of the archive.")
@click.option("--compare", is_flag=True, help="Compare states, field by field, and event ids with what the running system says.")
@click.option("--windows", is_flag=True, help="Fold samples again, too, into hourly and daily windows.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object.")
def replay(place: str | None, since: datetime | None, into: str | None, compare: bool, windows: bool, as_json: bool) -> None:
    """Folds the facts again with this version's rules.

    It writes nothing, unless --into says where. With --compare the exit status is 1 where anything differs. The log is Kafka's where
    WST_BROKERS is set, else the journal of a `wst up`, running or not.
    """
    from schemas.settings import load_settings

    settings = load_settings()
    if into is not None and (not _NAME.fullmatch(into) or into == settings.clickhouse_database):
        raise SettingError(
            f"--into {into[:80]!r} is no name of a new database", "small letters, digits and underscores; not the archive's own"
        )
    since_ns = 0 if since is None else round(since.timestamp() * 1e6) * 1000
    source = _source(settings, place or ("kafka" if "brokers" in settings.model_fields_set else "journal"))
    try:
        said = _run(settings, source, Asked(since_ns, into, compare, windows))
    finally:
        source.close()
    _show(said, as_json, compare)
    if said["differences"]:
        raise SystemExit(1)


def _source(settings: Settings, place: str) -> Source:
    from streams.migrate import address_of
    from streams.replay.sources import ArchiveSource, JournalSource, KafkaSource

    if place == "archive":
        return ArchiveSource(address_of(settings))
    return (
        KafkaSource(settings)
        if place == "kafka"
        else JournalSource(settings.journal or Path(settings.data_dir) / "journal.sqlite", settings)
    )


class Asked(NamedTuple):
    """What is wanted."""

    since_ns: int
    into: str | None
    compare: bool
    windows: bool


def _run(settings: Settings, source: Source, asked: Asked) -> Json:
    from streams.replay.refold import Refold

    live = source.live() if asked.compare else None
    refold = Refold(live, source.begins())
    target = None if asked.into is None else _target(settings, asked.into)
    begun = time.perf_counter()
    _fold(source, refold, target)
    seconds = time.perf_counter() - begun
    found = list(refold.differences(source.event_ids(live), asked.since_ns)) if live is not None else []
    usage = None
    if asked.windows:
        usage, differences = _fold_windows(settings, source, target, asked)
        found += differences
    if target is not None:
        target.close()
    return {
        "facts": refold.facts, "refused": refold.refused, "newer": refold.newer, "workspaces": len(refold.states),
        "events": sum(map(len, refold.event_ids.values())), "seconds": round(seconds, 3), "compared": asked.compare,
        "windows": usage, "written": 0 if target is None else target.written,
        "differences": [difference._asdict() for difference in found],
    }  # fmt: skip


def _target(settings: Settings, into: str) -> Into:
    from schemas import topics
    from streams.migrate import address_of
    from streams.replay.into import Into
    from streams.sinks.clickhouse import Address

    return Into(Address(address_of(settings).url, into), topics.DOCKER_EVENTS.full(settings.topic_prefix))


def _fold_windows(settings: Settings, source: Source, target: Into | None, asked: Asked) -> tuple[Json, list[Difference]]:
    """Windows again from samples; of days that samples begin to leave nothing is compared."""
    from streams.replay.refold import Difference
    from streams.replay.usage import Wanted

    kept = settings.keep_samples
    kept_since_ns = 0 if kept is None else time.time_ns() - round(kept * 1e9) + 2 * _DAY_NS
    wanted = Wanted(asked.compare, max(asked.since_ns, kept_since_ns), None if target is None else target.put_window)
    begun, found = time.perf_counter(), list[Difference]()
    counted = {"compared": 0, "skipped": 0, "ticks": 0}
    for refold, ticks in source.usage(wanted):
        for tick in ticks:
            found += refold.take(tick)
        found += refold.end()
        for name in counted:
            counted[name] += getattr(refold, name)
    return counted | {"seconds": round(time.perf_counter() - begun, 3)}, found


def _fold(source: Source, refold: Refold, target: Into | None) -> None:
    if target is None:
        refold.run(source.facts())
        return
    for state, changes in refold.take(source.facts()):
        target.put(state, changes)
    for state in refold.states.values():
        target.put(state, ())
    for name, (rest, at_ns) in refold.erased.items():
        target.erase(name, rest, at_ns)


def _show(said: Json, as_json: bool, compare: bool) -> None:
    from streams.cli.text import console, shown

    if as_json:
        from streams.cli.plain import echo_json

        echo_json(said, default=str)
        return
    out = console()
    rate = f" ({said['facts'] / said['seconds']:,.0f} a second)" if said["seconds"] else ""
    out.print(shown(f"{said['facts']:,} facts of {said['workspaces']:,} workspaces folded{rate}: {said['events']:,} events"))
    if said["refused"]:
        out.print(shown(f"{said['refused']:,} were no facts: dead letters", "dim"))
    if (usage := said["windows"]) is not None:
        left_out = f", {usage['skipped']:,} left out as samples of theirs are no longer there" if usage["skipped"] else ""
        out.print(shown(f"{usage['ticks']:,} ticks folded again: {usage['compared']:,} windows compared{left_out}"))
    if said["written"]:
        out.print(shown(f"{said['written']:,} rows written"))
    if not compare:
        return
    for one in said["differences"][:_SHOWN]:
        out.print(shown(f"{one['workspace_id']}  {one['what']}: {one['live']} here, {one['replayed']} folded again"), soft_wrap=True)
    hidden = len(said["differences"]) - _SHOWN
    if hidden > 0:
        out.print(shown(f"and {hidden:,} more"))
    out.print(shown(f"{len(said['differences']):,} differences" if said["differences"] else "no difference", "bold"))
