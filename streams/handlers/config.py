"""The tables `[[handlers]]` of `wst.toml`, checked; secrets from files or the environment, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.codec import codec
from schemas.errors import SettingError
from schemas.settings import Seconds
from schemas.topics import WORKSPACE_CHANGES
from streams.handlers.filters import Filter
from streams.handlers.handler import Handler

GROUP: Final = "wst.handlers"
_TYPES: Final = frozenset(codec(WORKSPACE_CHANGES.subject).schema["fields"][0]["type"]["symbols"]) - {"UNKNOWN"}
_STATUSES: Final = frozenset(("active", "inactive", "archived"))
_COMMON: Final = ("name", "type", "types", "workspaces", "statuses", "timeout", "attempts")
_Options = TypeVar("_Options", bound=BaseModel)


class _Common(BaseModel):
    """What every handler's table may have."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")
    type: str
    types: list[str] = []
    workspaces: list[str] = []
    statuses: list[str] = []
    timeout: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 8


@dataclass(frozen=True, slots=True)
class HandlerConfig:
    """One handler.

    Attributes:
        name: its own; names its consumer group and its dead letters.
        type: name of the entry point.
        timeout_s: of one attempt.
        attempts: before an event becomes a dead letter.
        options: what the handler itself is given. May hold secrets.
    """

    name: str
    type: str
    filter: Filter
    timeout_s: float
    attempts: int
    options: Mapping[str, Any] = field(repr=False)


def configs(tables: Sequence[Mapping[str, Any]]) -> list[HandlerConfig]:
    """The handlers of the settings.

    Raises:
        SettingError: one of the tables makes no sense; it says which and why.
    """
    found = [_config(number, table) for number, table in enumerate(tables, 1)]
    names = [config.name for config in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"{names.count(name)} handlers have the name {name!r}", "positions are kept by name: give each its own")
    return found


def _config(number: int, table: Mapping[str, Any]) -> HandlerConfig:
    where = f"handler {number}" + (f" ({str(table['name'])[:60]})" if "name" in table else "")
    common = checked(_Common, {name: table[name] for name in _COMMON if name in table}, where)
    for kind, given, known in (("types", common.types, _TYPES), ("statuses", common.statuses, _STATUSES)):
        for word in given:
            if word not in known:
                raise SettingError(f"{where}: {kind} = {word[:80]!r} is none of {', '.join(sorted(known))}")
    options = {name: value for name, value in table.items() if name not in _COMMON}
    chosen = Filter(frozenset(common.types), tuple(common.workspaces), frozenset(common.statuses))
    return HandlerConfig(common.name, common.type, chosen, common.timeout, common.attempts, _with_secrets(options, where))


def _with_secrets(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options in which `x_file` and `x_env` have become `x`."""
    found = dict(options)
    for name, given in options.items():
        base, _, kind = name.rpartition("_")
        if kind not in ("file", "env") or not base:
            continue
        if base in options:
            raise SettingError(f"{where}: both {base} and {name} are given")
        del found[name]
        found[base] = _read(str(given), kind, f"{where}: {name}")
    return found


def _read(given: str, kind: str, where: str) -> str:
    if kind == "env":
        if given not in os.environ:
            raise SettingError(f"{where} = {given[:80]!r} is no variable of the environment")
        return os.environ[given]
    try:
        return Path(given).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{where} = {given[:200]!r} cannot be read", str(error)) from error


def checked(model: type[_Options], options: Mapping[str, Any], where: str = "") -> _Options:
    """Options as a model; for the authors of handlers too.

    Raises:
        SettingError: they do not fit; the message has no values, which may be secrets.
    """
    try:
        return model(**options)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "options"
        why = "is no option here" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise SettingError(f"{where}{': ' if where else ''}{name}: {why}", "docs/handlers.md lists the options") from None


class NoHandler(SettingError):
    """A handler's plug-in is not there, or does not import."""


def make_handler(config: HandlerConfig) -> Handler:
    """The handler itself.

    Raises:
        NoHandler: its plug-in is not installed or does not import: the other handlers can go on.
        SettingError: its options make no sense.
    """
    found = entry_points(group=GROUP, name=config.type)
    if not found:
        known = ", ".join(sorted(entry.name for entry in entry_points(group=GROUP)))
        raise NoHandler(f"handler {config.name}: no package has a handler {config.type[:80]!r}", f"there are: {known}")
    entry = next(iter(found))
    try:
        make = entry.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
        raise NoHandler(f"handler {config.name}: plug-in {entry.value} does not import ({type(error).__name__}: {error})") from error
    try:
        handler: Handler = make(config.options)
    except SettingError as error:
        raise type(error)(f"handler {config.name}: {error.message}", error.hint) from error
    except (Exception, SystemExit) as error:
        raise NoHandler(f"handler {config.name}: plug-in {entry.value} does not start ({type(error).__name__})") from error
    return handler
