"""What people and programs may ask for: commands on workspaces, syncs, intervals. All of it goes through the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.requests import INTERVALS, LONGEST_MUTE_S, LONGEST_S, SHORTEST_S, is_workspace_id, new_id
from schemas.settings import parse_duration
from streams.api.desk import Desk, NoAnswer, UsedBefore
from streams.api.problems import Problem
from streams.api.routes_engines import the_engine
from streams.api.site import Json, Site, answer
from streams.query.present import event_json

Text = Annotated[str, Field(max_length=200)]


class Asked(BaseModel):
    """Who asks and why; an id of one's own makes a retry the same request."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"by": "ada", "why": "the project is over"}]})

    by: Annotated[str, Field(max_length=200, description="Who asks, for the record.")] = ""
    why: Annotated[str, Field(max_length=500, description="The reason, for the record.")] = ""
    command_id: Annotated[str, Field(max_length=100, description="Asked again with the same id, it is asked once.")] = ""


class Forget(Asked):
    """Forgetting, perhaps with its history."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"by": "ada", "why": "made by mistake", "erase": True}]})

    erase: Annotated[bool, Field(description="Delete the archive's rows of it, too: there is no way back.")] = False


class Named(Asked):
    """With a name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "web shop", "by": "ada"}]})

    name: Annotated[str, Field(max_length=200, description="The name.")] = ""


class Mute(Asked):
    """For how long alerts are not told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"for": "2h", "why": "maintenance"}]}, populate_by_name=True)

    duration: Annotated[str, Field(alias="for", max_length=20, description="A duration such as 30m or 2h.")]


class Sync(BaseModel):
    """What to list now; nothing: all engines."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"engine": "laptop", "by": "ada"}]})

    engine: Annotated[Text | None, Field(description="Only this engine, by id or name.")] = None
    workspace: Annotated[Text | None, Field(description="Only the engines that have this workspace, by id or name.")] = None
    by: Text = ""
    request_id: Annotated[str, Field(max_length=100)] = ""


class Interval(BaseModel):
    """An interval."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"every": "5s"}, {"every": "1m", "engine": "laptop"}]})

    every: Annotated[str, Field(max_length=20, description="A duration from 500ms to 1h.")]
    engine: Annotated[Text | None, Field(description="Only this engine, by id or name; else all.")] = None


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "There is no such workspace or engine."},
    409: {"description": "Refused, and why; or the name is several ones'."},
    422: {"description": "An argument makes no sense."},
    504: {"description": "It is in the log, but nobody has answered yet; ask again with the same id."},
}


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""
    for name, does in (("archive", "Puts a workspace away that does not run"), ("unarchive", "Takes a workspace out of the archive")):
        _add_simple(app, site, name, name, does)
    _add_simple(app, site, "restore", "unarchive", "The same as unarchive")
    _add_simple(app, site, "unmute", "unmute", "Tells a workspace's alerts again")
    _add_named(app, site)
    _add_syncs(app, site)

    @app.post("/api/v1/workspaces/{workspace}/forget", summary="Forgets a workspace that has no containers", responses=_ANSWERS)
    async def forget(workspace: str, asked: Forget | None = None) -> Response:
        asked = asked or Forget()
        return await _command(site, _one(site, workspace), "forget", asked, {"erase": "1"} if asked.erase else {})

    @app.post("/api/v1/workspaces/{workspace}/mute", summary="Does not tell a workspace's alerts for a while", responses=_ANSWERS)
    async def mute(workspace: str, asked: Mute) -> Response:
        return await _command(site, _one(site, workspace), "mute", asked, _mute_arguments(asked))

    @app.post("/api/v1/engines/{engine}/mute", summary="Mutes the workspaces that an engine has now", responses=_ANSWERS)
    async def mute_engine(engine: str, asked: Mute) -> Response:
        return await _mute_engine(site, engine, "mute", asked, _mute_arguments(asked))

    @app.post("/api/v1/engines/{engine}/unmute", summary="Tells the alerts of an engine's workspaces again", responses=_ANSWERS)
    async def unmute_engine(engine: str, asked: Asked | None = None) -> Response:
        return await _mute_engine(site, engine, "unmute", asked or Asked(), {})


def _add_simple(app: FastAPI, site: Site, path: str, name: str, summary: str) -> None:
    @app.post(f"/api/v1/workspaces/{{workspace}}/{path}", summary=summary, responses=_ANSWERS, operation_id=f"{path}_workspace")
    async def route(workspace: str, asked: Asked | None = None) -> Response:
        return await _command(site, _one(site, workspace), name, asked or Asked())


def _add_named(app: FastAPI, site: Site) -> None:
    @app.post("/api/v1/workspaces/{workspace}/rename", summary="Changes a workspace's name, and nothing else", responses=_ANSWERS)
    async def rename(workspace: str, asked: Named) -> Response:
        return await _command(site, _one(site, workspace), "rename", asked, {"name": asked.name})

    @app.post("/api/v1/workspaces/{workspace}/register", summary="Makes a workspace known that has no containers yet", responses=_ANSWERS)
    async def register(workspace: str, asked: Named | None = None) -> Response:
        if not is_workspace_id(workspace):
            raise Problem(422, "wrong argument", f"{workspace[:200]!r} is no workspace id: 1 to 200 of a-z 0-9 . _ : @ -")
        asked = asked or Named()
        return await _command(site, (workspace, asked.name or workspace), "register", asked, {"name": asked.name})


def _add_syncs(app: FastAPI, site: Site) -> None:
    @app.post("/api/v1/sync", summary="Lists engines now, and answers when they are compared", responses=_ANSWERS)
    async def sync(asked: Sync | None = None) -> Response:
        return await _sync(site, asked or Sync())

    @app.put("/api/v1/intervals/{interval}", summary="Sets how often is collected or synced, while it runs", responses=_ANSWERS)
    async def set_interval(interval: str, asked: Interval) -> Response:
        if interval not in INTERVALS:
            raise Problem(422, "wrong argument", f"interval: {interval[:80]!r} is none of {', '.join(INTERVALS)}")
        seconds = _duration("every", asked.every, SHORTEST_S, LONGEST_S)
        engine_id, name = ("*", None) if asked.engine is None else the_engine(site, asked.engine)
        await _desk(site).set_interval(engine_id, interval, seconds)
        return answer({"interval": interval, "seconds": seconds, "engine": name})


def _desk(site: Site) -> Desk:
    site.insist_on_loaded()
    if site.desk is None:
        raise Problem(503, "read only", "this API only reads")
    return site.desk


def _one(site: Site, name: str) -> tuple[str, str]:
    site.insist_on_loaded()
    state = site.the_one(name)
    return state["workspace_id"], state["workspace_name"]


def _duration(name: str, text: str, shortest_s: float, longest_s: float) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise Problem(422, "wrong argument", f"{name}: {error}") from error
    if not shortest_s <= seconds <= longest_s:
        raise Problem(422, "wrong argument", f"{name}: {text[:80]!r} is not between {shortest_s:g} s and {longest_s:g} s")
    return seconds


def _mute_arguments(asked: Mute) -> dict[str, str]:
    return {"for_s": f"{_duration('for', asked.duration, 1, LONGEST_MUTE_S):g}"}


async def _command(site: Site, workspace: tuple[str, str], name: str, asked: Asked, arguments: Mapping[str, str] | None = None) -> Response:
    command_id = await _give(site, [workspace], name, asked, arguments or {})
    state = site.live.states.get(workspace[0])
    shown = None if state is None else site.state(state)
    return answer({"command": name, "command_id": command_id, "workspace_id": workspace[0], "workspace": shown})


async def _mute_engine(site: Site, engine: str, name: str, asked: Asked, arguments: Mapping[str, str]) -> Response:
    _desk(site)
    engine_id, engine_name = the_engine(site, engine)
    workspaces = [(state["workspace_id"], state["workspace_name"]) for state in site.live.states.states_of(engine_id)]
    if not workspaces:
        raise Problem(409, "refused", f"the engine {engine_name} has no workspaces")
    command_id = await _give(site, workspaces, name, asked, {**arguments, "engine": engine_name})
    return answer({"command": name, "command_id": command_id, "engine": engine_name, "workspaces": [each for each, _ in workspaces]})


async def _give(site: Site, workspaces: list[tuple[str, str]], name: str, asked: Asked, arguments: Mapping[str, str]) -> str:
    """Gives a command and returns its id.

    Raises:
        Problem: it was refused, or nobody has answered.
    """
    desk = _desk(site)
    command_id = asked.command_id or new_id()
    try:
        refusal = await desk.command(workspaces, name, command_id, by=asked.by, why=asked.why, arguments=arguments)
    except NoAnswer:
        detail = "the command is in the log, but no worker has folded it yet; it will be obeyed or refused when one does"
        raise Problem(504, "no answer yet", f"{detail} (`wst doctor` says what is wrong)", command_id=command_id) from None
    except UsedBefore:
        detail = f"command_id {command_id!r} was given before, with another command or workspace: make a new one"
        raise Problem(409, "refused", detail, command_id=command_id, code="refused") from None
    if refusal is not None:
        raise Problem(409, "refused", f"{name} {workspaces[0][0]}: {refusal}", command_id=command_id, code="refused")
    return command_id


async def _sync(site: Site, asked: Sync) -> Response:
    desk = _desk(site)
    if asked.engine is not None and asked.workspace is not None:
        raise Problem(422, "wrong argument", "give an engine or a workspace, not both")
    targets, workspace_id = _targets(site, asked)
    request_id = asked.request_id or new_id()
    everything = asked.engine is None and asked.workspace is None
    found = await desk.sync(targets, request_id, everything=everything, workspace_id=workspace_id, by=asked.by)
    missing = [name for engine_id, name in targets.items() if engine_id not in found]
    failed = {engine_id: event["message"] for engine_id, event in sorted(found.items()) if event["type"] == "error"}
    if failed and len(failed) == len(found):
        raise Problem(409, "refused", f"sync: {'; '.join(failed.values())}", request_id=request_id, code="refused")
    if not found:
        who = f"none of the engines {', '.join(missing)}" if missing else "no engine"
        raise Problem(504, "no answer yet", f"{who} answered; `wst engines` says how they are", request_id=request_id)
    syncs: list[Json] = [event_json(found[engine_id])["data"] for engine_id in sorted(found.keys() - failed.keys())]
    state = site.live.states.get(workspace_id) if workspace_id else None
    shown = {} if state is None else {"workspace": site.state(state)}
    return answer({"request_id": request_id, "syncs": syncs, "unanswered": missing, "failed": list(failed.values())} | shown)


def _targets(site: Site, asked: Sync) -> tuple[dict[str, str], str]:
    """Name by id of the engines to ask, and the workspace it is for."""
    names = site.live.engines.names()
    if asked.engine is not None:
        engine_id, name = the_engine(site, asked.engine)
        return {engine_id: name}, ""
    if asked.workspace is not None:
        state = site.the_one(asked.workspace)
        engines = {container["engine_id"]: container["engine"] for container in state["containers"]}
        if not engines:
            raise Problem(409, "refused", f"{state['workspace_id']} has no containers: there is nothing to compare")
        return engines, str(state["workspace_id"])
    watched = site.live.engines.watched(time.time_ns())
    return {engine_id: name for engine_id, name in names.items() if engine_id in watched}, ""
