"""The command line's client of the API: its answers, or one line about what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import httpx

from schemas.api import headers_for_api, is_of_this_machine
from schemas.engines import masked_url
from schemas.errors import Refused, SettingError, Unreachable, WstError
from schemas.settings import Settings

_TIMEOUT_S: Final = 30.0
_CONNECT_S: Final = 3.0
Params = Mapping[str, str | int | Sequence[str]]


class Api:
    """The API of a running `wst up` or `wst api`."""

    def __init__(self, settings: Settings, *, timeout_s: float = _TIMEOUT_S) -> None:
        #: Where it is, as it may be shown.
        self.url = shown_address(settings)
        self._client = httpx.Client(**http_arguments(settings, timeout_s))

    def get(self, path: str, params: Params | None = None, *, also_when_unwell: bool = False) -> Any:
        """The JSON at a path.

        Args:
            also_when_unwell: the answer of a health check counts whatever it says.

        Raises:
            Unreachable: nobody answers there, or not as we know it.
            Refused: the answer is no, and says why.
            SettingError: the question makes no sense.
        """
        answer = self._ask(path, params)
        if answer.is_success or (also_when_unwell and answer.headers.get("content-type") == "application/json"):
            return json_of(answer, self.url)
        raise problem_of(answer, self.url)

    def get_bytes(self, path: str, params: Params | None = None) -> bytes:
        """What is at a path, as it is; raises as `get` does."""
        answer = self._ask(path, params)
        if answer.is_success:
            return answer.content
        raise problem_of(answer, self.url)

    def _ask(self, path: str, params: Params | None) -> httpx.Response:
        return self._request("GET", path, params=dict(params or {}))

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **content)
        except httpx.InvalidURL as error:
            raise SettingError(f"WST_API = {self.url[:80]!r} is no address", str(error)) from error
        except httpx.HTTPError as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise Unreachable(f"no API answers at {self.url} ({why})", "start `wst up` or `wst api`, or set WST_API") from error

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Asks for something to be done; the JSON of the answer.

        Raises:
            Unreachable, Refused, SettingError: as for `get`.
        """
        answer = self._request(method, path, json=dict(body))
        if answer.is_success:
            return json_of(answer, self.url)
        raise problem_of(answer, self.url)

    def close(self) -> None:
        """Lets go of the connection."""
        self._client.close()


def shown_address(settings: Settings) -> str:
    """Where the API is, as it may be shown.

    Raises:
        SettingError: it is no http(s) address.
    """
    shown = masked_url(settings.api.rstrip("/"))
    if not settings.api.startswith(("http://", "https://")):
        raise SettingError(f"WST_API = {shown[:80]!r} is no http(s) address", "write it as http://127.0.0.1:8321")
    return shown


def http_arguments(settings: Settings, timeout_s: float) -> dict[str, Any]:
    """Arguments of httpx's clients for the API of the settings.

    Args:
        timeout_s: of one answer; a connection is given at most three seconds of it.
    """
    return {
        "base_url": settings.api.rstrip("/"),
        "headers": headers_for_api(settings),
        "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
        # A proxy from the environment is not meant for this machine's own API.
        "trust_env": not is_of_this_machine(settings),
    }


def json_of(answer: httpx.Response, url: str) -> Any:
    """The JSON of an answer.

    Raises:
        Unreachable: it is none.
    """
    try:
        return answer.json()
    except ValueError as error:
        raise Unreachable(f"what answers at {url} is no API of wst", "set WST_API") from error


@contextmanager
def of_wst(url: str) -> Iterator[None]:
    """What a proxy says in an API's place may be JSON, too, and of any shape.

    Raises:
        Unreachable: what was read here is not what an API of wst says.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"what answers at {url} is no API of wst: its JSON has another shape ({type(error).__name__}: {str(error)[:100]})"
        raise Unreachable(what, "set WST_API to the API itself; is a proxy in between?") from error


def problem_of(answer: httpx.Response, url: str) -> WstError:
    """What an answer other than a success means for whoever asked."""
    try:
        said = answer.json()
        detail = str(said.get("detail") or said.get("title"))
    except (ValueError, AttributeError):
        return Unreachable(f"what answers at {url} is no API of wst (status {answer.status_code})", "set WST_API")
    if answer.status_code in (401, 403):
        return Refused(detail, "set WST_API_TOKEN or WST_API_READ_TOKEN")
    if answer.status_code in (400, 422):
        return SettingError(detail)
    if answer.status_code >= 500:
        return Unreachable(f"the API at {url} cannot answer: {detail}", "`wst doctor` says what is wrong")
    return Refused(detail)
