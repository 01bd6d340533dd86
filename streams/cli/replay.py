"""`wst replay`: history folded again, beside the running system."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from schemas.errors import SettingError
from streams.cli.times import Time

if TYPE_CHECKING:
    from schemas.settings import Settings
    from streams.replay.refold import Refold
    from streams.replay.sources import Source

Json = dict[str, Any]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,60}")
_SHOWN: Final = 50


@click.command(epilog="Example: wst replay --from archive --compare")
@click.option("--from", "place", type=click.Choice(("kafka", "journal", "archive")), help="Where facts are read; without it: the log.")
@click.option("--since", type=Time(), metavar="TIME", help="Compare only workspaces that something happened to since then.")
@click.option("--into", metavar="NAME", help="Write states and events into a new database NAME of the archive.")
@click.option("--compare", is_flag=True, help="Compare states, field by field, and event ids with what the running system says.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object.")
def replay(place: str | None, since: datetime | None, into: str | None, compare: bool, as_json: bool) -> None:
    """Folds the facts again with this version's rules; it writes nothing, unless --into says where.

    With --compare the exit status is 1 where anything differs. The log is Kafka's where WST_BROKERS is set, else the
    journal of a `wst up`, running or not.
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
        said = _run(settings, source, since_ns, into, compare)
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


def _run(settings: Settings, source: Source, since_ns: int, into: str | None, compare: bool) -> Json:
    from streams.replay.refold import Refold

    live = source.live() if compare else None
    refold = Refold(live, source.begins())
    begun = time.perf_counter()
    written = _fold(settings, source, refold, into)
    seconds = time.perf_counter() - begun
    found = list(refold.differences(source.event_ids(live), since_ns)) if live is not None else []
    return {
        "facts": refold.facts, "refused": refold.refused, "newer": refold.newer, "workspaces": len(refold.states),
        "events": sum(map(len, refold.event_ids.values())), "seconds": round(seconds, 3), "compared": compare,
        "written": written, "differences": [difference._asdict() for difference in found],
    }  # fmt: skip


def _fold(settings: Settings, source: Source, refold: Refold, into: str | None) -> int:
    if into is None:
        refold.run(source.facts())
        return 0
    from schemas import topics
    from streams.migrate import address_of
    from streams.replay.into import Into
    from streams.sinks.clickhouse import Address

    target = Into(Address(address_of(settings).url, into), topics.DOCKER_EVENTS.full(settings.topic_prefix))
    for state, changes in refold.take(source.facts()):
        target.put(state, changes)
    for state in refold.states.values():
        target.put(state, ())
    for name, (rest, at_ns) in refold.erased.items():
        target.erase(name, rest, at_ns)
    target.close()
    return target.written


def _show(said: Json, as_json: bool, compare: bool) -> None:
    from streams.cli.text import console, shown

    if as_json:
        import orjson

        click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2, default=str).decode())
        return
    out = console()
    rate = f" ({said['facts'] / said['seconds']:,.0f} a second)" if said["seconds"] else ""
    out.print(shown(f"{said['facts']:,} facts of {said['workspaces']:,} workspaces folded{rate}: {said['events']:,} events"))
    if said["refused"]:
        out.print(shown(f"{said['refused']:,} were no facts: dead letters", "dim"))
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
