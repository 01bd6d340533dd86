"""The engines of one producer: each with an id and a name of its own, the same after a restart."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from producers.calls import Calls
from producers.counts import Counts
from producers.engine import Engine, EngineError, unreachable
from producers.engine_json import text
from producers.identity import escape
from producers.store import Store
from producers.text import clip
from schemas.errors import SettingError

_MAX_SAID: Final = 100
_HOW_TO_NAME: Final = "name them: WST_ENGINES=one=URL,two=URL"


@dataclass(frozen=True, slots=True)
class Given:
    """An engine, and what the settings say of it.

    Attributes:
        name, engine_id: given to it; None: what it says itself.
        named_here: the name stands at its URL, which it tells apart from others of the same address.
    """

    engine: Engine
    name: str | None = None
    engine_id: str | None = None
    named_here: bool = False

    @property
    def key(self) -> str:
        """By what it is remembered."""
        return f"{self.name}={self.engine.url}" if self.named_here else self.engine.url


@dataclass(frozen=True, slots=True)
class _Found:
    """An engine that answered.

    Attributes:
        said_id: what it goes by, unless another engine does too.
        known_id: what it went by when it was last watched, if that was this engine.
    """

    given: Given
    said_id: str
    known_id: str | None
    name: str


async def identify(engines: Sequence[Given], store: Store) -> list[tuple[str, str]]:
    """Id and name of each; both are remembered, as names qualify ids and Podman invents an id at every call.

    Raises:
        Unreachable: one of them does not answer.
        SettingError: two of them have one name, or one id is given to several.
    """
    if len(engines) > 1 and any(given.engine_id for given in engines):
        raise SettingError(f"WST_ENGINE_ID is for one engine, WST_ENGINES names {len(engines)}", f"unset it and {_HOW_TO_NAME}")
    found = [await _find(given, store) for given in engines]
    _insist_on_names(found)
    identities = list(zip(_distinct_ids(found), (one.name for one in found), strict=True))
    for given, (engine_id, name) in zip(engines, identities, strict=True):
        store.remember_engine(given.key, engine_id, name)
    return identities


async def _find(given: Given, store: Store) -> _Found:
    calls = Calls(given.engine, Counts(given.engine.url), 1)
    try:
        first, second = text((info := await calls.info()).get("ID")), text((await calls.info()).get("ID"))
    except EngineError as error:
        raise unreachable(given.engine.url, error) from error
    finally:
        calls.close()
    known = store.engine(given.key) or store.engine(given.engine.url)
    stable = clip(first, _MAX_SAID) if first and first == second else None
    said_id = given.engine_id or stable or (known[0] if known else secrets.token_hex(16))
    # Its last name stays while it is the same engine, whatever its host is called by now.
    same = known if known and (known[0] == said_id or known[0].startswith(f"{said_id}/")) else None
    name = given.name or (same[1] if same else text(info.get("Name")) or socket.gethostname())
    return _Found(given, said_id, same[0] if same and not given.engine_id else None, name)


def _insist_on_names(found: Sequence[_Found]) -> None:
    """Names qualify the ids of workspaces: two engines of one name would mix theirs."""
    by_name: dict[str, _Found] = {}
    for one in found:
        other = by_name.setdefault(one.name, one)
        if other is one:
            continue
        urls = f"{other.given.engine.url} and {one.given.engine.url}"
        if other.said_id == one.said_id:
            raise SettingError(
                f"WST_ENGINES names the engine {one.name} twice: {urls}", f"leave one out, or if they are two, {_HOW_TO_NAME}"
            )
        raise SettingError(f"two engines are called {one.name}: {urls}", _HOW_TO_NAME)


def _distinct_ids(found: Sequence[_Found]) -> list[str]:
    """Cloned machines say the same id: it stays with the engine that had it first, the others add their name."""
    taken: dict[str, int] = {}
    # Those that are known keep what they had, in whatever order the settings name them now.
    for number in sorted(range(len(found)), key=lambda number: found[number].known_id is None):
        one = found[number]
        engine_id = one.known_id or one.said_id
        while engine_id in taken:
            engine_id = f"{engine_id}/{escape(one.name)}"
        taken[engine_id] = number
    return sorted(taken, key=lambda engine_id: taken[engine_id])
