"""The API as a FastAPI app: what each path answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import FastAPI, Query, Request, Response

from schemas.codec import codec
from schemas.topics import WORKSPACE_CHANGES
from streams.api import problems
from streams.api.guard import Guard, GuardMiddleware
from streams.api.live import Live
from streams.api.problems import Problem
from streams.api.times import parse_time_ns
from streams.query.archive import Archive, Cursor, EventFilter, Record
from streams.query.present import event_json, state_json

#: Types an event may have.
EVENT_TYPES: Final = tuple(name for name in codec(WORKSPACE_CHANGES.subject).schema["fields"][0]["type"]["symbols"] if name != "UNKNOWN")
#: What of a tree's health tells where things are.
PLACES: Final = frozenset({"brokers", "data_dir", "engines"})
_MOST_EVENTS: Final = 1_000
_LONGEST_WAIT_S: Final = 30.0
_CANDIDATES: Final = 20

Json = dict[str, Any]
Health = Callable[[], Json]
Types = Annotated[list[str] | None, Query(alias="type", description="Only events of these types; may be repeated.")]
Limit = Annotated[int, Query(ge=1, le=_MOST_EVENTS, description="At most so many.")]


def make_app(live: Live, archive: Archive, guard: Guard, health: Health) -> FastAPI:
    """Puts the app together.

    Args:
        health: what `/healthz` says beside what the app knows itself.
    """
    app = FastAPI(title="wst", description="Status and use of workspaces: what is now, and what happened.", docs_url=None, redoc_url=None)
    app.add_middleware(GuardMiddleware, guard=guard)
    problems.install(app)
    _add_workspaces(app, live)
    _add_events(app, live, archive)
    _add_health(app, live, guard, health)
    return app


def _add_workspaces(app: FastAPI, live: Live) -> None:
    @app.get("/api/v1/workspaces", summary="All workspaces, by id")
    async def workspaces(
        status: Annotated[str | None, Query(description="Only those: active, inactive or archived.")] = None,
        condition: Annotated[str | None, Query(description="Only those: ok, degraded, failing or unknown.")] = None,
    ) -> Response:
        _insist_on_loaded(live)
        wanted = {"status": status, "condition": condition}
        return _json([_state(live, state) for state in live.states if _matches(state, wanted)])

    @app.get("/api/v1/workspaces/{workspace}", summary="One workspace, by id or by a name that only it has")
    async def workspace(workspace: str) -> Response:
        _insist_on_loaded(live)
        return _json(_state(live, _the_one(live, workspace)))


def _add_events(app: FastAPI, live: Live, archive: Archive) -> None:
    @app.get("/api/v1/events", summary="Events of the past, by time")
    async def events(
        types: Types = None,
        workspace: Annotated[str | None, Query(description="Only of this workspace: an id, or a name that only it has.")] = None,
        since: Annotated[str | None, Query(description="At or after: RFC 3339, or a duration ago such as 2h.")] = None,
        until: Annotated[str | None, Query(description="Before.")] = None,
        limit: Limit = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        newest_first: Annotated[bool, Query(description="The newest first, and pages back in time.")] = False,
    ) -> Response:
        which = EventFilter(
            _workspace_id(live, workspace), _known_types(types), parse_time_ns("since", since), parse_time_ns("until", until)
        )
        page = await archive.events(which, limit=limit, newest_first=newest_first, after=Cursor.parse(cursor) if cursor else None)
        return _json({"events": [event_json(event) for event in page.events], "next": str(page.next) if page.next else None})

    @app.get("/api/v1/events/live", summary="Events as they come: the answer waits until there are some")
    async def live_events(
        after: Annotated[str | None, Query(description="`next` of the answer before; without it: from now on.")] = None,
        wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_S, description="At most so many seconds.")] = 20.0,
        limit: Limit = 1_000,
        types: Types = None,
        workspace: str | None = None,
    ) -> Response:
        which = EventFilter(_workspace_id(live, workspace), _known_types(types))
        if after is None:
            return _json({"events": [], "next": live.recent.place, "gap": False})
        await live.recent.wait(after, wait)
        heard = live.recent.after(after, limit)
        chosen = [event_json(event) for event in heard.events if _chosen(event, which)]
        return _json({"events": chosen, "next": heard.next, "gap": heard.gap})


def _add_health(app: FastAPI, live: Live, guard: Guard, health: Health) -> None:
    @app.get("/healthz", summary="Whether it works, and how far behind it is")
    async def healthz(request: Request) -> Response:
        said = {"status": "ok" if live.loaded.is_set() else "starting", "workspaces": len(live.states), "lag": live.lag(), **health()}
        # How it does is for every health check; where things are is for those who may read the rest.
        if guard.judge("GET", "/api/v1/workspaces", request.headers) is not None:
            said = {name: value for name, value in said.items() if name not in PLACES}
        return _json(said, 200 if said["status"] == "ok" else 503)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _state(live: Live, state: Mapping[str, Any]) -> Json:
    return state_json(state, live.usage.metrics_of(state))


def _insist_on_loaded(live: Live) -> None:
    if not live.loaded.is_set():
        raise Problem(503, "starting", "the states are still being loaded; ask again in a moment")


def _matches(state: Mapping[str, Any], wanted: Mapping[str, str | None]) -> bool:
    return all(value is None or state[name].lower() == value for name, value in wanted.items())


def _the_one(live: Live, name: str) -> Mapping[str, Any]:
    """The workspace with that id, or the only one with that name."""
    found = live.states.find(name)
    if not found:
        raise Problem(404, "no such workspace", f"there is no workspace {name[:200]!r}; `wst status` lists them")
    if len(found) > 1:
        ids = [state["workspace_id"] for state in found]
        shown = ", ".join(ids[:_CANDIDATES]) + (" …" if len(ids) > _CANDIDATES else "")
        raise Problem(409, "ambiguous name", f"{name[:200]!r} is the name of {len(ids)} workspaces: {shown}", candidates=ids)
    return found[0]


def _workspace_id(live: Live, name: str | None) -> str | None:
    if name is None:
        return None
    found = live.states.find(name)
    # A forgotten workspace still has a past under its id.
    return name if not found else str(_the_one(live, name)["workspace_id"])


def _known_types(types: list[str] | None) -> tuple[str, ...]:
    for name in types or ():
        if name not in EVENT_TYPES:
            raise Problem(422, "wrong argument", f"type: {name[:80]!r} is none of {', '.join(EVENT_TYPES)}")
    return tuple(types or ())


def _chosen(event: Record | Mapping[str, Any], which: EventFilter) -> bool:
    return (which.workspace_id is None or event["workspace_id"] == which.workspace_id) and (not which.types or event["type"] in which.types)
