"""The past of states: as they were at an instant, why, and how one went on over a range."""

from __future__ import annotations

import time
from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from schemas.settings import parse_duration
from streams.api.problems import Problem
from streams.api.routes_events import Types, known_types
from streams.api.routes_history import Since, Until, span, the_past_of
from streams.api.site import Site, answer
from streams.api.times import parse_time_ns
from streams.core.idle import IdlePolicy
from streams.core.windows import DAY_NS
from streams.query.archive import Cursor, EventFilter
from streams.query.idle import dry_run
from streams.query.past import begin_of, begins_of, facts_until, states_at
from streams.query.present import state_json, time_text
from streams.query.timeline import timeline
from streams.query.why import trace, why

_MOST: Final = 1_000

At = Annotated[str | None, Query(description="The instant: RFC 3339, or a duration ago such as 2h; without it: now.")]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""
    _add_as_of(app, site)
    _add_why(app, site)
    _add_timeline(app, site)
    _add_idle(app, site)


def _add_as_of(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/as-of", summary="All workspaces, or one, as they were at an instant")
    async def as_of(
        at: Annotated[str, Query(alias="time", description="The instant: RFC 3339, or a duration ago such as 2h.")],
        workspace: Annotated[str | None, Query(description="Only this workspace: an id, or a name that only it has.")] = None,
    ) -> Response:
        at_ns = _instant("time", at)
        name = None if workspace is None else the_past_of(site, workspace)
        states = await states_at(site.archive, at_ns, name)
        if name is not None and not states:
            raise _unknown_then(name, at_ns)
        return answer({"time": time_text(at_ns), "workspaces": [state_json(state) for state in states]})


def _add_why(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/workspaces/{workspace}/why", summary="The facts that led to a workspace's state, and what to read next")
    async def reasons(workspace: str, at: At = None) -> Response:
        at_ns = time.time_ns() if at is None else _instant("at", at)
        name = the_past_of(site, workspace)
        begin = begin_of(name, await begins_of(site.archive, [name]))
        found = trace(begin, await facts_until(site.archive, name, at_ns))
        said = why(found, site.live.facts_topic, at_ns)
        if said is None:
            raise _unknown_then(name, at_ns)
        return answer(said)


def _add_timeline(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/workspaces/{workspace}/timeline", summary="What a workspace was within a range, and what happened to it")
    async def workspace_timeline(
        workspace: str,
        since: Since = None,
        until: Until = None,
        types: Types = None,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="At most so many events.")] = 200,
        cursor: Annotated[str | None, Query(description="`next` of the page before: more events, further back.")] = None,
    ) -> Response:
        since_ns, until_ns = span(since, until, DAY_NS)
        which = EventFilter(the_past_of(site, workspace), known_types(types), since_ns, until_ns)
        after = Cursor.parse(cursor) if cursor else None
        return answer(await timeline(site.archive, which, since_ns, until_ns, limit, after))


def _instant(name: str, text: str) -> int:
    at_ns = parse_time_ns(name, text)
    if at_ns is None or at_ns < 0:
        raise Problem(422, "wrong argument", f"{name}: an instant after 1970 is needed")
    return at_ns


def _unknown_then(name: str, at_ns: int) -> Problem:
    return Problem(404, "no such workspace", f"nothing was known of a workspace {name[:200]!r} at {time_text(at_ns) or 'that time'}")


def _add_idle(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/idle", summary="What an idle policy would have done over recorded history; nothing is changed")
    async def idle(
        since: Annotated[str | None, Query(description="Acted at or after: RFC 3339, or a duration ago such as 30d.")] = None,
        inactive_after: Annotated[str | None, Query(description="Marked idle after so long without use, such as 2d.")] = None,
        archive_after: Annotated[str | None, Query(description="Archived after so long without use, such as 14d.")] = None,
    ) -> Response:
        policy = IdlePolicy(_length_ns("inactive_after", inactive_after), _length_ns("archive_after", archive_after))
        if policy.is_off:
            raise Problem(422, "wrong argument", "inactive_after, archive_after: at least one of them is needed")
        return answer(await dry_run(site.archive, policy, parse_time_ns("since", since) or 0, time.time_ns()))


def _length_ns(name: str, text: str | None) -> int | None:
    try:
        return None if text is None else round(parse_duration(text) * 1e9)
    except (ValueError, OverflowError):
        raise Problem(422, "wrong argument", f"{name}: {str(text)[:80]!r} is no duration such as 2d") from None
