"""The API's own token: made where one is needed and none is set, kept in the data directory for its owner's eyes only."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from schemas.errors import WstError

FILE: Final = "api.token"


def kept_token(folder: Path) -> str | None:
    """The token a data directory has; None: it has none, or it is another user's."""
    try:
        return (folder / FILE).read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None


def bearer_of(authorization: str) -> str:
    """The token in an `Authorization` header; empty: there is none. The scheme's name may be of any case (RFC 9110, 11.1)."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def make_token(folder: Path) -> str:
    """The token a data directory has, made when it has none (0600).

    Raises:
        WstError: it cannot be kept there.
    """
    known = kept_token(folder)
    if known is not None:
        return known
    token = secrets.token_urlsafe(32)
    path = folder / FILE
    new = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(token + "\n")
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):  # another process was first: its token counts
            os.link(new, path)
        new.unlink()
    except OSError as error:
        raise WstError(f"the API's token cannot be kept in {folder} ({error})", "set WST_API_TOKEN, or another WST_DATA_DIR") from error
    made = kept_token(folder)
    if made is None:
        raise WstError(f"{path} holds no token", "remove it, or set WST_API_TOKEN")
    return made
