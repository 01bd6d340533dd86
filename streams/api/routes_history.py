"""What a workspace used over time: points of a step, windows, samples."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Response

from schemas.errors import SettingError
from schemas.settings import parse_duration
from streams.api.problems import Problem
from streams.api.site import Site, answer
from streams.api.times import parse_time_ns
from streams.core.windows import HOUR_NS
from streams.query.archive import MAX_PAGE
from streams.query.history import history, plan
from streams.query.present import time_text

#: Grain of the windows → view and the column of their begin.
VIEWS: Final = {"hour": ("usage_hourly", "hour"), "day": ("usage_daily", "day")}

Since = Annotated[str | None, Query(description="At or after: RFC 3339, or a duration ago such as 2h.")]
Until = Annotated[str | None, Query(description="Before; without it: now.")]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""
    _add_history(app, site)
    _add_rows(app, site)


def _add_history(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/workspaces/{workspace}/history", summary="What a workspace used, in steps; gaps have nulls")
    async def workspace_history(
        workspace: str,
        since: Since = None,
        until: Until = None,
        step: Annotated[str | None, Query(description="Such as 30s, 5m, 1h, 1d; without it one that fits the range.")] = None,
        container: Annotated[
            str | None,
            Query(min_length=1, max_length=256, description="Only this one: its name, or its id or the first twelve digits of it."),
        ] = None,
    ) -> Response:
        since_ns, until_ns = span(since, until, HOUR_NS)
        try:
            chosen = plan(since_ns, until_ns, None if step is None else parse_duration(step), time.time_ns())
        except (SettingError, ValueError, OverflowError) as error:
            raise Problem(422, "wrong argument", str(error) if isinstance(error, SettingError) else f"step: {error}") from None
        return answer(await history(site.archive, the_past_of(site, workspace), container, chosen))


def _add_rows(app: FastAPI, site: Site) -> None:
    @app.get(
        "/api/v1/workspaces/{workspace}/usage", summary="Windows of a workspace: one per engine and hour or day; none where nobody saw"
    )
    async def workspace_usage(
        workspace: str,
        grain: Annotated[str, Query(description="hour or day.")] = "hour",
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many.")] = MAX_PAGE,
    ) -> Response:
        if grain not in VIEWS:
            raise Problem(422, "wrong argument", f"grain: {grain[:80]!r} is none of {', '.join(VIEWS)}")
        view, column = VIEWS[grain]
        since_ns, until_ns = span(since, until, 24 * HOUR_NS * (30 if grain == "day" else 1))
        asked = {"workspace_id": the_past_of(site, workspace), "since_ns": since_ns, "until_ns": until_ns, "limit": limit}
        rows = await site.archive.ask("usage", asked, view=view, column=column)
        return answer(_listed(asked, grain, "windows", rows))

    @app.get(
        "/api/v1/workspaces/{workspace}/samples", summary="Samples of a workspace's containers, by time; the newest where there are more"
    )
    async def workspace_samples(
        workspace: str,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many.")] = 1_000,
    ) -> Response:
        since_ns, until_ns = span(since, until, HOUR_NS)
        asked = {"workspace_id": the_past_of(site, workspace), "since_ns": since_ns, "until_ns": until_ns, "limit": limit}
        return answer(_listed(asked, "sample", "samples", await site.archive.ask("samples", asked)))


def _listed(asked: dict[str, Any], grain: str, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    times = {"since": time_text(asked["since_ns"]), "until": time_text(asked["until_ns"])}
    return {"workspace_id": asked["workspace_id"], **times, "grain": grain, name: rows}


def span(since: str | None, until: str | None, length_ns: int) -> tuple[int, int]:
    """Begin and end in ns; without an end: now, without a begin: a length before the end.

    Raises:
        Problem: one of them is no time, or the range ends before it begins.
    """
    until_ns = parse_time_ns("until", until)
    until_ns = time.time_ns() if until_ns is None else until_ns
    since_ns = parse_time_ns("since", since)
    since_ns = max(0, until_ns - length_ns) if since_ns is None else since_ns
    if not 0 <= since_ns < until_ns:
        raise Problem(422, "wrong argument", "since: the range ends before it begins, or begins before 1970")
    return since_ns, until_ns


def the_past_of(site: Site, name: str) -> str:
    """The id meant by an id or a name, also of a workspace that is no longer there."""
    return site.workspace_id(name) or name
