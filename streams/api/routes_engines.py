"""The engines: when each was listed last, who watches it, what is wrong with it."""

from __future__ import annotations

import time

from fastapi import FastAPI, Response

from streams.api.problems import Problem
from streams.api.site import Site, answer
from streams.query import fleet


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""

    @app.get("/api/v1/engines", summary="All engines, by name")
    async def engines() -> Response:
        site.insist_on_loaded()
        return answer(site.live.engines.listed(time.time_ns(), fleet.engines(site.live.states)))


def the_engine(site: Site, name: str) -> tuple[str, str]:
    """Id and name of the engine with that id, or the only one with that name.

    Raises:
        Problem: there is none, or several; or who there is is still being loaded.
    """
    site.insist_on_loaded()
    names = site.live.engines.names()
    if name in names:
        return name, names[name]
    found = [engine_id for engine_id, each in names.items() if each == name]
    if not found:
        raise Problem(404, "no such engine", f"there is no engine {name[:200]!r}; `wst engines` lists them")
    if len(found) > 1:
        raise Problem(409, "ambiguous name", f"{name[:200]!r} is the name of {len(found)} engines: {', '.join(found)}", candidates=found)
    return found[0], name
