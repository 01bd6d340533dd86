"""`wst events`: the event topic, past and as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from schemas.errors import Unreachable
from streams.cli.names import WORKSPACE
from streams.cli.times import Time

if TYPE_CHECKING:
    from streams.cli.client import Api

Json = dict[str, Any]

_PAGE: Final = 500
_RECENT: Final = 50
#: How long one answer of the API waits for events, s.
_WAIT_S: Final = 20
#: How long an API may be away, s.
_AWAY_S: Final = 30.0
#: A correction carries the time of what it found, which may lie some time back.
_OVERLAP: Final = timedelta(minutes=5)
_KNOWN: Final = 20_000


@click.command(epilog="Example: wst events --since 2h --type status_changed --workspace shop")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--since", type=Time(), metavar="TIME", help="From then on: 2h, 2h ago, yesterday 14:00, RFC 3339. Without it the latest 50.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type; may be repeated.")
@click.option("--workspace", type=WORKSPACE, metavar="WORKSPACE", help="Only this workspace: an id, or a name that only it has.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")
def events(follow: bool, since: datetime | None, types: tuple[str, ...], workspace: str | None, as_json: bool) -> None:
    """Shows what happened, the oldest first."""
    from schemas.settings import load_settings
    from streams.cli.client import Api

    api = Api(load_settings())
    which: dict[str, Any] = {"type": list(types)} | ({"workspace": workspace} if workspace is not None else {})
    found = _follow(api, which, since) if follow else _past(api, which, since)
    _show(found, as_json)


def _show(found: Iterator[Json], as_json: bool) -> None:
    from streams.cli.plain import echo_json
    from streams.cli.text import console, event_line

    if as_json:
        for event in found:
            echo_json(event, indent=False)
        return
    out = console()
    for event in found:
        out.print(event_line(event), soft_wrap=True)


def _past(api: Api, which: Json, since: datetime | None) -> Iterator[Json]:
    """All events since then, or the latest ones."""
    if since is None:
        page = api.get("/api/v1/events", which | {"limit": _RECENT, "newest_first": True})
        yield from reversed(page["events"])
        return
    asked = which | {"since": since.astimezone(UTC).isoformat(), "limit": _PAGE}
    while True:
        page = api.get("/api/v1/events", asked)
        yield from page["events"]
        if page["next"] is None:
            return
        asked["cursor"] = page["next"]


def _follow(api: Api, which: Json, since: datetime | None) -> Iterator[Json]:
    """The past first, where it is asked for, then what comes: each event once, though both may have it."""
    known: dict[str, None] = {}

    def new(found: Iterable[Json]) -> Iterator[Json]:
        for event in found:
            if event["id"] not in known:
                known[event["id"]] = None
                yield event
        while len(known) > _KNOWN:
            del known[next(iter(known))]

    place = api.get("/api/v1/events/live", which)["next"]
    yield from new(_past(api, which, since))
    heard_at = datetime.now(UTC)
    while True:
        heard = _ask_again(api, which | {"after": place, "wait": _WAIT_S})
        if heard["gap"]:
            # Another process answers, or we were too slow: what came in between is in the archive.
            yield from new(_past(api, which, heard_at - _OVERLAP))
        place, heard_at = heard["next"], datetime.now(UTC)
        yield from new(heard["events"])


def _ask_again(api: Api, asked: Json) -> Json:
    """Asks for live events; an API that is just being started again is waited for.

    Raises:
        Unreachable: it stays away.
    """
    until_s = time.monotonic() + _AWAY_S
    while True:
        try:
            heard: Json = api.get("/api/v1/events/live", asked)
            return heard
        except Unreachable:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.5)
