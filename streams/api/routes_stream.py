"""The WebSocket: what happens, as it happens."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, WebSocket

from schemas.errors import Refused
from streams.api.places import Place
from streams.api.problems import Problem
from streams.api.routes_events import known_types
from streams.api.site import Site
from streams.api.stream import EVENTS, HEARTBEAT_S, METRICS, PATIENCE_S, STATES, Listener, Wish
from streams.query.archive import EventFilter

#: Subprotocol the server agrees on, where the client names any.
PROTOCOL: Final = "wst"
_MOST_LISTENERS: Final = 1_000
_WHAT: Final = (EVENTS, STATES, METRICS)


def add(app: FastAPI, site: Site) -> None:
    """Adds the route."""
    listeners = site.listeners

    @app.websocket("/api/v1/stream")
    async def stream(socket: WebSocket) -> None:
        try:
            site.insist_on_loaded()
            if len(listeners) >= _MOST_LISTENERS:
                raise Problem(503, "too many listeners", f"{_MOST_LISTENERS} listen already; try again later")
            wish = _wish(socket, site)
        except Problem as problem:
            await socket.send_denial_response(problem.response())
            return
        await socket.accept(PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", ()) else None)
        listener = Listener(socket, site, wish)
        listeners.add(listener)
        try:
            await listener.run()
        finally:
            listeners.discard(listener)


def _wish(socket: WebSocket, site: Site) -> Wish:
    asked = socket.query_params
    for name in asked:
        if name not in ("what", "type", "workspace", "after"):
            raise Problem(422, "wrong argument", f"{name[:80]!r} is none of what, type, workspace, after")
    what = [word for value in asked.getlist("what") for word in value.split(",")] or [EVENTS, METRICS]
    for word in what:
        if word not in _WHAT:
            raise Problem(422, "wrong argument", f"what: {word[:80]!r} is none of {', '.join(_WHAT)}")
    try:
        after = Place.parse(asked["after"]) if "after" in asked else None
    except Refused as error:
        raise Problem(400, "refused", str(error)) from None
    which = EventFilter(site.workspace_id(asked.get("workspace")), known_types(asked.getlist("type")))
    return Wish(frozenset(what), which, after, PATIENCE_S, HEARTBEAT_S)
