"""Workspaces as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

from streams.api.site import Site, answer


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""

    @app.get("/api/v1/workspaces", summary="All workspaces, by id")
    async def workspaces(
        status: Annotated[str | None, Query(description="Only those: active, inactive or archived.")] = None,
        condition: Annotated[str | None, Query(description="Only those: ok, degraded, failing or unknown.")] = None,
    ) -> Response:
        site.insist_on_loaded()
        wanted = {"status": status, "condition": condition}
        return answer([site.state(state) for state in site.live.states if _matches(state, wanted)])

    @app.get("/api/v1/workspaces/{workspace}", summary="One workspace, by id or by a name that only it has")
    async def workspace(workspace: str) -> Response:
        site.insist_on_loaded()
        return answer(site.state(site.the_one(workspace)))


def _matches(state: Mapping[str, Any], wanted: Mapping[str, str | None]) -> bool:
    return all(value is None or state[name].lower() == value for name, value in wanted.items())
