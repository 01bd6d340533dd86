"""How use develops, and who uses most."""

from __future__ import annotations

import time
from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from streams.api.problems import Problem
from streams.api.routes_history import Since, Until, span, the_past_of
from streams.api.site import Site, answer
from streams.core.windows import HOUR_NS
from streams.query.trends import MEASURES, MOST_DAYS, top, trends

_MOST: Final = 100

Workspace = Annotated[str | None, Query(description="Only of this workspace: an id, or a name that only it has.")]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""

    @app.get("/api/v1/trends", summary="Slope, week over week, time in state and busiest hours, per workspace")
    async def all_trends(
        workspace: Workspace = None,
        days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="So many days back from now.")] = 30,
        zone: Annotated[str, Query(description="Time zone in which hours of the day are counted.")] = "UTC",
    ) -> Response:
        name = None if workspace is None else the_past_of(site, workspace)
        return answer(await trends(site.archive, name, days, zone, time.time_ns()))

    @app.get("/api/v1/top", summary="Who used most, the peak of each and the container that caused it; of one workspace its containers")
    async def most(
        workspace: Workspace = None,
        by: Annotated[str, Query(description="cpu, memory, network or disk.")] = "cpu",
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")] = 10,
    ) -> Response:
        if by not in MEASURES:
            raise Problem(422, "wrong argument", f"by: {by[:80]!r} is none of {', '.join(MEASURES)}")
        since_ns, until_ns = span(since, until, HOUR_NS)
        name = None if workspace is None else the_past_of(site, workspace)
        return answer(await top(site.archive, name, by, since_ns, until_ns, limit))
