"""What `wst doctor` says of ports that others can reach: each has to ask for a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from schemas.engines import masked_url
from schemas.errors import SettingError
from schemas.loopback import is_loopback
from streams.cli.checks import Finding

if TYPE_CHECKING:
    from schemas.settings import Settings

_TIMEOUT_S: Final = 5.0


def figures(settings: Settings) -> Iterator[Finding]:
    """The port on which a part shows its figures."""
    from schemas.metrics.telling import check_open

    if settings.metrics_port is None:
        return
    try:
        check_open(settings)
    except SettingError as error:
        yield Finding("fault", "token", error.message, error.hint)


def api(url: str) -> Iterator[Finding]:
    """The API where it is asked: beyond loopback it must not tell a stranger anything."""
    if is_loopback(urlsplit(url).hostname or ""):
        return
    if answers_strangers(url):
        yield Finding(
            "fault", "token", f"{masked_url(url)} answers without a token: everyone who reaches it may read and command",
            "set WST_API_TOKEN_FILE there, or let its proxy ask who it is",
        )  # fmt: skip
    else:
        yield Finding("ok", "token", f"{masked_url(url)} asks strangers for a token")


def answers_strangers(url: str) -> bool:
    """Whether an API tells of workspaces without a token."""
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/summary", timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return False  # out of reach: said of the API itself
    return answer.is_success
