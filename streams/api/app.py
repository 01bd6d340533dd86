"""The API as a FastAPI app: one module of routes per area (`routes_AREA.py`, each with `add(app, site)`)."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from schemas.metrics import Figures
from streams.api import (
    document,
    problems,
    routes_alerts,
    routes_commands,
    routes_dashboard,
    routes_engines,
    routes_events,
    routes_export,
    routes_fleet,
    routes_health,
    routes_history,
    routes_letters,
    routes_metrics,
    routes_query,
    routes_stream,
    routes_time,
    routes_trends,
    routes_workspaces,
)
from streams.api.desk import Desk
from streams.api.edge import EdgeMiddleware
from streams.api.guard import Guard, GuardMiddleware
from streams.api.live import Live
from streams.api.packing import PackingMiddleware
from streams.api.site import Health, Site
from streams.query.archive import Archive

_AREAS: Final = (
    routes_workspaces.add,
    routes_commands.add,
    routes_engines.add,
    routes_events.add,
    routes_history.add,
    routes_letters.add,
    routes_metrics.add,
    routes_query.add,
    routes_stream.add,
    routes_time.add,
    routes_trends.add,
    routes_alerts.add,
    routes_export.add,
    routes_fleet.add,
    routes_dashboard.add,
    routes_health.add,
)


def make_app(live: Live, archive: Archive, guard: Guard, health: Health, desk: Desk | None = None, sink: Figures | None = None) -> FastAPI:
    """Puts the app together.

    Args:
        health: what `/healthz` says beside what the app knows itself.
        desk: takes what people ask for to the log; None: it only reads.
        sink: figures of a sink in the same process.
    """
    return app_of(Site(live, archive, guard, health, desk, sink))


def app_of(site: Site) -> FastAPI:
    """The app of a site."""
    app = FastAPI(title="wst", description="Status and use of workspaces: what is now, and what happened.", docs_url=None, redoc_url=None)
    app.add_middleware(PackingMiddleware)
    app.add_middleware(GuardMiddleware, guard=site.guard)
    app.add_middleware(EdgeMiddleware)
    problems.install(app)
    document.install(app)
    for add in _AREAS:
        add(app, site)
    return app
