"""All workspaces taken together, their engines, and how the API itself does."""

from __future__ import annotations

from fastapi import FastAPI, Response

from streams.api.site import Site, answer
from streams.query import fleet
from streams.query.present import time_text


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""
    live = site.live

    @app.get("/api/v1/summary", summary="Totals, averages and peaks over all workspaces")
    async def summary() -> Response:
        site.insist_on_loaded()
        return answer(fleet.summary((state, live.usage.metrics_of(state)) for state in live.states))

    @app.get("/api/v1/statistics", summary="How the API does: what it knows, how far behind it is, who listens")
    async def statistics() -> Response:
        # Of a listing that found nothing new no state tells: the engines do, and states where the log has no listing any more.
        listings = [state["last_sync_ns"] for state in live.states if state["last_sync_ns"]]
        last_sync = live.engines.last_listed() or time_text(max(listings, default=None))
        return answer(
            {
                "workspaces": len(live.states),
                "loaded": live.loaded.is_set(),
                "collect_interval_seconds": live.engines.interval_s("collect", live.settings.collect_interval),
                "sync_interval_seconds": live.engines.interval_s("sync", live.settings.sync_interval),
                "last_sync": last_sync,
                "lag": live.lag(),
                "skipped": live.skipped,
                "state_changes": live.states.changes,
                "sample_changes": live.usage.changes,
                "events": live.recent.count,
                "position": str(live.recent.place),
                "listeners": len(site.listeners),
            }
        )
