"""How it does itself."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response

from streams.api.site import Site, answer

#: What of a tree's health tells where things are.
PLACES: Final = frozenset({"brokers", "data_dir", "engines"})


def add(app: FastAPI, site: Site) -> None:
    """Adds the route."""
    live = site.live

    @app.get("/healthz", summary="Whether it works, and how far behind it is")
    async def healthz(request: Request) -> Response:
        said = {"status": "ok" if live.loaded.is_set() else "starting", "workspaces": len(live.states), "lag": live.lag(), **site.health()}
        # How it does is for every health check; where things are is for those who may read the rest.
        if site.guard.judge("GET", "/api/v1/workspaces", request.headers) is not None:
            said = {name: value for name, value in said.items() if name not in PLACES}
        return answer(said, 200 if said["status"] == "ok" else 503)

    @app.get("/readyz", summary="Whether it may be asked: 200 once all states are loaded, 503 before")
    async def readyz() -> Response:
        ready = live.loaded.is_set()
        return answer({"ready": ready}, 200 if ready else 503)
