"""Workspaces as they are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, Response
from pydantic import StringConstraints

from streams.api.orders import ORDERS, Key, Order
from streams.api.packing import takes_gzip
from streams.api.pages import Cursor, next_link
from streams.api.problems import Problem
from streams.api.site import Site, answer
from streams.query.present import container_json, metrics_json
from streams.query.state_view import StateRecord

STATUSES: Final = ("active", "inactive", "archived")
CONDITIONS: Final = ("ok", "degraded", "failing", "unknown")
_MOST: Final = 10_000
#: Of one question, in characters: lists are kept by what was asked, and a cursor holds a name and an id.
_LONGEST: Final = 300
_LONGEST_CURSOR: Final = 4_000
_MOST_LABELS: Final = 20
Label = Annotated[str, StringConstraints(max_length=1_000)]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""
    _add_all(app, site)
    _add_one(app, site)


def _add_all(app: FastAPI, site: Site) -> None:
    @app.get(
        "/api/v1/workspaces",
        summary="All workspaces, by id or what needs someone first",
        responses={304: {"description": "as the tag says"}},
    )
    async def workspaces(
        request: Request,
        status: Annotated[str | None, Query(description="Only those: active, inactive or archived.")] = None,
        condition: Annotated[str | None, Query(description="Only those: ok, degraded, failing or unknown.")] = None,
        stale: Annotated[bool | None, Query(description="Only those whose engine is silent, or only the others.")] = None,
        engine: Annotated[
            str | None, Query(max_length=_LONGEST, description="Only those with a container on this engine: its name or id.")
        ] = None,
        label: Annotated[
            list[Label] | None,
            Query(max_length=_MOST_LABELS, description="Only those with this label: name=value or name. May be repeated."),
        ] = None,
        q: Annotated[
            str | None, Query(max_length=_LONGEST, description="Only those whose id, name or a container's name or image contains this.")
        ] = None,
        order: Annotated[str, Query(description="By id, or by need: what is failing first, then degraded, stale, active.")] = "id",
        limit: Annotated[int, Query(ge=1, le=_MOST, description="At most so many; the answer's Link header leads to the rest.")] = _MOST,
        cursor: Annotated[
            str | None, Query(max_length=_LONGEST_CURSOR, description="From the Link header of the page before, of the same order.")
        ] = None,
    ) -> Response:
        site.insist_on_loaded()
        question = (status, condition, stale, engine, tuple(label or ()), q, order, limit, cursor)
        tests = _tests(status, condition, stale, engine, label or [], q)
        if order not in ORDERS:
            raise Problem(422, "wrong argument", f"order: {order[:80]!r} is none of {', '.join(ORDERS)}")
        ordered = ORDERS[order]
        after = ordered.read(Cursor.parse(cursor).last) if cursor else None
        made = await site.listings.of(question, partial(_chosen, site, tests, ordered, after, limit)).now()
        headers = {"ETag": f'W/"{made.version}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        if made.last is not None:
            headers["Link"] = next_link(request, Cursor(made.last))
        if not takes_gzip(request.headers):
            return Response(made.body, 200, headers, "application/json")
        return Response(made.packed, 200, headers | {"Content-Encoding": "gzip"}, "application/json")


def _chosen(
    site: Site, tests: list[Callable[[StateRecord], bool]], order: Order, after: Key | None, limit: int
) -> tuple[list[StateRecord], str | None]:
    chosen = [state for state in site.live.states if all(test(state) for test in tests)]
    found = order.behind(chosen, after)
    return found[:limit], order.text(found[limit - 1]) if len(found) > limit else None


def _tests(
    status: str | None, condition: str | None, stale: bool | None, engine: str | None, labels: list[str], q: str | None
) -> list[Callable[[StateRecord], bool]]:
    tests: list[Callable[[StateRecord], bool]] = []
    for name, value, known in (("status", status, STATUSES), ("condition", condition, CONDITIONS)):
        if value is not None:
            if value not in known:
                raise Problem(422, "wrong argument", f"{name}: {value[:80]!r} is none of {', '.join(known)}")
            tests.append(lambda state, name=name, value=value: state[name].lower() == value)  # type: ignore[misc]  # mypy sees no defaults
    if stale is not None:
        tests.append(lambda state: state["stale"] is stale)
    if engine is not None:
        tests.append(lambda state: any(engine in (each["engine"], each["engine_id"]) for each in state["containers"]))
    for text in labels:
        label, is_given, wanted = text.partition("=")
        tests.append(lambda state, a=label, b=wanted, c=is_given: state["labels"].get(a) == b if c else a in state["labels"])  # type: ignore[misc]
    if q is not None:
        sought = q.lower()
        tests.append(lambda state: any(sought in text.lower() for text in _texts(state)))
    return tests


def _texts(state: Mapping[str, Any]) -> list[str]:
    own = [state["workspace_id"], state["workspace_name"]]
    return own + [text for each in state["containers"] for text in (each["name"], each["image"])]


def _add_one(app: FastAPI, site: Site) -> None:
    @app.get("/api/v1/workspaces/{workspace}", summary="One workspace, by id or by a name that only it has")
    async def workspace(request: Request, workspace: str) -> Response:
        site.insist_on_loaded()
        state = site.the_one(workspace)
        headers = {"ETag": f'W/"{site.shelf.version_of(state)}"', "Cache-Control": "no-cache"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(site.shelf.whole(state), 200, headers, "application/json")

    @app.get("/api/v1/workspaces/{workspace}/containers", summary="Containers of a workspace, each with what it uses")
    async def containers(workspace: str) -> Response:
        site.insist_on_loaded()
        state = site.the_one(workspace)
        known = [(each, site.live.usage.metrics(state["workspace_id"], {each["id"]})) for each in state["containers"]]
        return answer([container_json(each) | {"metrics": metrics_json(used)} for each, used in known])
