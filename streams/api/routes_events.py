"""Events: of the past in pages, and as they come."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from schemas.codec import codec
from schemas.topics import WORKSPACE_CHANGES
from streams.api.following import heard_after, is_wanted
from streams.api.places import Place
from streams.api.problems import Problem
from streams.api.site import Site, answer
from streams.api.times import parse_time_ns
from streams.query.archive import Cursor, EventFilter
from streams.query.present import event_json

#: Types an event may have.
EVENT_TYPES: Final = tuple(name for name in codec(WORKSPACE_CHANGES.subject).schema["fields"][0]["type"]["symbols"] if name != "UNKNOWN")
_MOST_EVENTS: Final = 1_000
_LONGEST_WAIT_S: Final = 30.0

Types = Annotated[list[str] | None, Query(alias="type", description="Only events of these types; may be repeated.")]
Limit = Annotated[int, Query(ge=1, le=_MOST_EVENTS, description="At most so many.")]
NextPage = Annotated[str | None, Query(description="`next` of the page before.")]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""
    _add_past(app, site)
    _add_live(app, site)


def _add_past(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/events", summary="Events of the past, by time")
    async def events(
        types: Types = None,
        workspace: Annotated[str | None, Query(description="Only of this workspace: an id, or a name that only it has.")] = None,
        since: Annotated[str | None, Query(description="At or after: RFC 3339, or a duration ago such as 2h.")] = None,
        until: Annotated[str | None, Query(description="Before.")] = None,
        limit: Limit = 100,
        cursor: NextPage = None,
        newest_first: Annotated[bool, Query(description="The newest first, and pages back in time.")] = False,
    ) -> Response:
        which = EventFilter(site.workspace_id(workspace), known_types(types), parse_time_ns("since", since), parse_time_ns("until", until))
        page = await site.archive.events(which, limit=limit, newest_first=newest_first, after=Cursor.parse(cursor) if cursor else None)
        return answer({"events": [event_json(event) for event in page.events], "next": str(page.next) if page.next else None})


def _add_live(app: FastAPI, site: Site) -> None:
    recent = site.live.recent

    @app.get("/api/v1/events/live", summary="Events as they come: the answer waits until there are some")
    async def live_events(
        after: Annotated[str | None, Query(description="`next` of the answer before; without it: from now on.")] = None,
        wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_S, description="At most so many seconds.")] = 20.0,
        limit: Limit = 1_000,
        types: Types = None,
        workspace: str | None = None,
    ) -> Response:
        which = EventFilter(site.workspace_id(workspace), known_types(types))
        if after is None:
            return answer({"events": [], "next": str(recent.place), "gap": False})
        place = Place.parse(after)
        await recent.wait(place, wait)
        heard = await heard_after(recent, site.archive, place, limit)
        chosen = [event_json(kept.event) for kept in heard.events if is_wanted(kept.event, which)]
        return answer({"events": chosen, "next": str(heard.next), "gap": heard.gap})


def known_types(types: list[str] | None) -> tuple[str, ...]:
    """Types as given.

    Raises:
        Problem: one of them is none.
    """
    for name in types or ():
        if name not in EVENT_TYPES:
            raise Problem(422, "wrong argument", f"type: {name[:80]!r} is none of {', '.join(EVENT_TYPES)}")
    return tuple(types or ())
