"""How an engine is named in the settings: `URL` or `name=URL`; and how its URL is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schemas.errors import SettingError

_MAX_NAME: Final = 100
#: Whatever stands before the last `@` of an address; the `@` of a socket's path is none.
_USERINFO: Final = re.compile(r"((?<!unix)(?<!npipe)://)\S*@|^[^\s/]+@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """An engine of the settings.

    Attributes:
        url: unix://, tcp://, http(s)://, ssh://; may hold a password: shown only by `masked_url`.
        name: given to it; None: what it calls its host.
    """

    url: str
    name: str | None = None


def parse_engine(entry: str) -> EngineAddress:
    """Reads an entry of `WST_ENGINES` or `--engine`.

    Raises:
        SettingError: a name without a URL, a URL without its name, or a name that is none.
    """
    name, equals, url = entry.partition("=")
    # An equals sign may also stand in a path or behind a `?`: a name has no slash before it and no colon.
    if not equals or "/" in name or ":" in name:
        return EngineAddress(entry)
    if not url or not name.isprintable() or not 0 < len(name) <= _MAX_NAME:
        raise SettingError(
            f"WST_ENGINES or --engine has {masked_url(entry)[:200]!r}",
            f"write name=URL, such as build=tcp://build:2376, the name with 1 to {_MAX_NAME} characters",
        )
    return EngineAddress(url, name)


def masked_url(text: str) -> str:
    """An engine's URL, or a text that holds one, without user and password."""
    return _USERINFO.sub(r"\1***@", text)
