"""What routes work with, and the few things many of them do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from fastapi import Response

from schemas.metrics import Figures
from streams.api.desk import Desk
from streams.api.guard import Guard
from streams.api.listing import Listings
from streams.api.live import Live
from streams.api.problems import Problem
from streams.api.shelf import Shelf
from streams.query.archive import Archive
from streams.query.present import state_json

Json = dict[str, Any]
Health = Callable[[], Json]

_CANDIDATES: Final = 20


@dataclass(frozen=True, slots=True)
class Site:
    """One API.

    Attributes:
        live: what is now.
        archive: the past.
        guard: who may ask.
        health: what `/healthz` says beside what the app knows itself.
        sink_figures: figures of a sink in the same process; None: there is none.
        desk: takes what people ask for to the log; None: this API only reads.
        shelf: what is now, as JSON.
        listings: lists of it, as asked for.
        listeners: who listens on the WebSocket now.
    """

    live: Live
    archive: Archive
    guard: Guard
    health: Health
    desk: Desk | None = None
    sink_figures: Figures | None = None
    shelf: Shelf = field(init=False)
    listings: Listings = field(init=False)
    listeners: set[object] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shelf", Shelf(self.live.states, self.live.usage))
        object.__setattr__(self, "listings", Listings(self.shelf))

    def insist_on_loaded(self) -> None:
        """Refuses to show half of the states."""
        if not self.live.loaded.is_set():
            raise Problem(503, "starting", "the states are still being loaded; ask again in a moment")

    def state(self, state: Mapping[str, Any]) -> Json:
        """A State record as users see it, with its metrics."""
        return state_json(state, self.live.usage.metrics_of(state))

    def the_one(self, name: str) -> Mapping[str, Any]:
        """The workspace with that id, or the only one with that name.

        Raises:
            Problem: there is none, or several.
        """
        found = self.live.states.find(name)
        if not found:
            raise Problem(404, "no such workspace", f"there is no workspace {name[:200]!r}; `wst status` lists them")
        if len(found) > 1:
            ids = [state["workspace_id"] for state in found]
            shown = ", ".join(ids[:_CANDIDATES]) + (" …" if len(ids) > _CANDIDATES else "")
            raise Problem(409, "ambiguous name", f"{name[:200]!r} is the name of {len(ids)} workspaces: {shown}", candidates=ids)
        return found[0]

    def workspace_id(self, name: str | None) -> str | None:
        """The id meant by an id or a name; what nobody knows is taken as an id: a forgotten workspace still has a past under it.

        Raises:
            Problem: it is the name of several, or the states are still being loaded: a name would be taken for an id.
        """
        if name is None:
            return None
        self.insist_on_loaded()
        return str(self.the_one(name)["workspace_id"]) if self.live.states.find(name) else name


def answer(content: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")
