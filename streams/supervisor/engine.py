"""Whether this machine has a Docker Engine, by what the Docker client itself would look at; nothing is asked of it here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.engines import parse_engine
from schemas.errors import SettingError

DEFAULT_SOCKET: Final = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class FoundEngine:
    """An engine, and what led to it.

    Attributes:
        url: its address; empty: what the Docker client says by itself.
        by: the setting or file that named it, for people.
    """

    url: str
    by: str


def find_engines(
    configured: list[str], environment: Mapping[str, str], home: Path, default_socket: Path = DEFAULT_SOCKET
) -> list[FoundEngine]:
    """Engines that are configured, else the one the Docker client would take, else none.

    Raises:
        SettingError: an entry is none, or the Docker client's own settings name a context that does not exist.
    """
    if configured:
        return [FoundEngine(parse_engine(entry).url, "WST_ENGINES or --engine") for entry in configured]
    if host := environment.get("DOCKER_HOST"):
        return [FoundEngine(host, "DOCKER_HOST")]
    folder = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    context = environment.get("DOCKER_CONTEXT") or _current_context(folder)
    if context and context != "default":
        return [FoundEngine(_context_host(folder, context), f"the Docker context {context!r}")]
    # A broken link or a socket without a listener counts: someone meant an engine to be there.
    if default_socket.exists() or default_socket.is_symlink():
        return [FoundEngine(f"unix://{default_socket}", str(default_socket))]
    return []


def _current_context(folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("currentContext", "")) if isinstance(config, dict) else ""


def _context_host(folder: Path, context: str) -> str:
    meta = folder / "contexts" / "meta" / hashlib.sha256(context.encode()).hexdigest() / "meta.json"
    try:
        return str(json.loads(meta.read_text("utf-8"))["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(f"the Docker context {context!r} cannot be read ({meta})", "see `docker context ls`, or set --engine") from error
