"""The OpenAPI document: what FastAPI derives from the routes, with the answers that any route may give and an example of each."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from streams.api.examples import EXAMPLES

Json = dict[str, Any]

_PROBLEM: Final[Json] = {
    "description": "It cannot be answered: a problem (RFC 9457) that says what is wrong and what to do.",
    "content": {
        "application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": {"type": "about:blank", "title": "no such workspace", "status": 404, "detail": "there is no workspace 'shpo'"},
        }
    },
}
_PROBLEM_SCHEMA: Final[Json] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What kind, always the same for the same kind."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened here, and what to do."},
        "candidates": {"type": "array", "items": {"type": "string"}, "description": "Ids meant by an ambiguous name."},
    },
}

_STATE: Final[Json] = {"$ref": "#/components/schemas/State"}
_EVENTS: Final[Json] = {"type": "array", "items": {"$ref": "#/components/schemas/Event"}}
_NEXT: Final[Json] = {"type": ["string", "null"], "description": "The `cursor` of the next page; null: this is the last."}
_OF_COMMAND: Final[Json] = {
    "type": "object",
    "required": ["command", "command_id", "workspace_id", "workspace"],
    "properties": {"workspace": {"anyOf": [_STATE, {"type": "null"}]}},
}
_WORKSPACE: Final = "/api/v1/workspaces/{workspace}"


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": [*properties], "properties": properties}


#: Answers made of what `schemas/json` promises: states and events.
_SCHEMAS: Final[dict[str, Json]] = {
    "/api/v1/workspaces": {"type": "array", "items": _STATE},
    _WORKSPACE: _STATE,
    f"{_WORKSPACE}/timeline": _object(events=_EVENTS, next=_NEXT, intervals={"type": "array"}),
    "/api/v1/as-of": _object(time={"type": "string", "format": "date-time"}, workspaces={"type": "array", "items": _STATE}),
    "/api/v1/events": _object(events=_EVENTS, next=_NEXT),
    "/api/v1/events/live": _object(events=_EVENTS, next={"type": "string"}, gap={"type": "boolean"}),
    **{
        f"{_WORKSPACE}/{command}": _OF_COMMAND
        for command in ("archive", "unarchive", "restore", "register", "rename", "forget", "mute", "unmute")
    },
}
#: Answers that are no JSON, or not only.
_KINDS: Final = {
    "/api/v1/query": ("application/json", "text/csv", "application/vnd.apache.parquet"),
    "/api/v1/export/{table}": ("application/vnd.apache.parquet",),
    "/metrics": ("text/plain",),
}


def install(app: FastAPI) -> None:
    """Makes the app's document the whole one."""

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, license_info=_LICENSE)
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


_LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _completed(document: Json) -> Json:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    schemas |= _promised("State", "state") | _promised("Event", "event")
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "Where one is set: see docs/api.md."}}
    document["security"] = [{}, {"token": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["default"] = _PROBLEM
            _example(path, responses)
    return document


def _promised(name: str, file: str) -> dict[str, Json]:
    """A schema of `schemas/json` and those it is made of, as components of the document."""
    text = resources.files("schemas").joinpath("json", f"{file}.json").read_text("utf-8")
    whole: Json = json.loads(text.replace("#/$defs/", f"#/components/schemas/{name}."))
    whole.pop("$schema")
    parts = whole.pop("$defs")
    return {name: whole} | {f"{name}.{part}": schema for part, schema in parts.items()}


def _example(path: str, responses: Json) -> None:
    good = next((responses[status] for status in ("200", "202") if status in responses), None)
    if good is None:
        return
    if path in _KINDS:
        good["content"] = {kind: {} for kind in _KINDS[path]}
    if path in EXAMPLES:
        good.setdefault("content", {}).setdefault("application/json", {})["example"] = EXAMPLES[path]
    if path in _SCHEMAS:
        good["content"]["application/json"]["schema"] = _SCHEMAS[path]
    if path in ("/healthz", "/readyz"):
        responses["503"] = {"description": "It does not work yet, or not well.", "content": {"application/json": {}}}
