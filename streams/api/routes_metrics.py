"""Figures for Prometheus."""

from __future__ import annotations

from fastapi import FastAPI, Response

from schemas.metrics.exposition import CONTENT_TYPE
from streams.api.measured import Measured
from streams.api.site import Site


def add(app: FastAPI, site: Site) -> None:
    """Adds the route."""
    measured = Measured(site)

    @app.get("/metrics", summary="Figures for Prometheus: the fleet and the system itself; docs/metrics.md names them all")
    async def metrics() -> Response:
        return Response(await measured.text(), headers={"Content-Type": CONTENT_TYPE})
