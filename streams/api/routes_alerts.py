"""Alerts: what someone should know, raised and resolved."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from streams.api.routes_events import NextPage
from streams.api.routes_history import Since, the_past_of
from streams.api.routes_trends import Workspace
from streams.api.site import Site, answer
from streams.api.times import parse_time_ns
from streams.query.archive import Cursor
from streams.query.present import time_text

_MOST: Final = 1_000


def add(app: FastAPI, site: Site) -> None:
    """Adds the route."""

    @app.get("/api/v1/alerts", summary="Alerts, one an episode, the youngest first; resolved_at null: it lasts")
    async def alerts(
        workspace: Workspace = None,
        all_of_them: Annotated[bool, Query(alias="all", description="Also those that are resolved.")] = False,
        since: Since = None,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")] = 100,
        cursor: NextPage = None,
    ) -> Response:
        after = Cursor.parse(cursor) if cursor else None
        asked = {
            "workspace_id": "" if workspace is None else the_past_of(site, workspace),
            "open": not all_of_them,
            "since_ns": parse_time_ns("since", since) or 0,
            "limit": limit + 1,
            "after_ns": after.at_ns if after else -1,
            "after_key": after.id if after else "",
        }
        found = await site.archive.ask("alerts", asked)
        rows = found[:limit]
        more = str(Cursor(rows[-1]["raised_ns"], 0, rows[-1]["dedup_key"])) if len(found) > limit else None
        for row in rows:
            del row["raised_ns"]
            row["container_id"] = row["container_id"] or None
            row["workspace_id"] = row["workspace_id"] or None
            state = site.live.states.get(row["workspace_id"] or "")
            row["muted_until"] = None if state is None else time_text(state["muted_until_ns"])
        return answer({"alerts": rows, "next": more})
