"""How a program of ours asks the API of the settings: whether it is this machine's, with which token and path, in whose name."""

from __future__ import annotations

import getpass
from urllib.parse import quote, urlsplit

from schemas.loopback import is_loopback
from schemas.settings import Settings
from schemas.tokens import kept_token


def is_of_this_machine(settings: Settings) -> bool:
    """Whether the API of the settings is one that listens on this machine."""
    try:
        host = urlsplit(settings.api).hostname or ""
    except ValueError:
        return False
    return is_loopback(host) or host == settings.api_host


def headers_for_api(settings: Settings) -> dict[str, str]:
    """What a request to the API of the settings carries: the token that is set, else the one that this machine's own API keeps."""
    given = settings.api_token or settings.api_read_token
    # The kept token is of this machine's API, and no other's to see.
    token = given.get_secret_value() if given else kept_token(settings.data_dir) if is_of_this_machine(settings) else None
    return {"Authorization": f"Bearer {token}"} if token else {}


def path_part(name: str) -> str:
    """A name as one part of a path of the API; `.` and `..` are ids like others, and no way up."""
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


def user_here() -> str:
    """Who asks, for the record: the user of this machine; empty where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
