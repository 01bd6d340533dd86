"""A look at a Docker Engine without its SDK: does it answer, and what time does it think it is."""

from __future__ import annotations

import errno
import os
import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from schemas.engines import masked_url

_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class EngineSeen:
    """What an engine said.

    Attributes:
        ahead_s: its clock minus this host's, s; half the time of the call is its error.
    """

    engine_id: str
    name: str
    version: str
    ahead_s: float


class NoAnswer(Exception):
    """An engine does not answer; the text says what to do."""


def probe(url: str) -> EngineSeen | None:
    """Asks an engine who it is; None: it is reached in a way that is not looked at from here (ssh, a hidden password).

    Raises:
        NoAnswer: it does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("unix", "tcp", "http", "https") or (parts.username and masked_url(url) == url):
        return None
    try:
        with _client(url) as client:
            sent_s = time.time()
            info = client.get("/info").raise_for_status().json()
            here_s = (sent_s + time.time()) / 2
            return EngineSeen(str(info["ID"]), str(info["Name"]), str(info["ServerVersion"]), _seconds(str(info["SystemTime"])) - here_s)
    except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
        raise NoAnswer(_hint(url, error)) from error


def _client(url: str) -> httpx.Client:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return httpx.Client(transport=httpx.HTTPTransport(uds=parts.path), base_url="http://engine", timeout=_TIMEOUT_S)
    certificates = os.environ.get("DOCKER_CERT_PATH")
    if parts.scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
        context = ssl.create_default_context(cafile=str(Path(certificates) / "ca.pem") if certificates else None)
        if certificates:
            context.load_cert_chain(Path(certificates) / "cert.pem", Path(certificates) / "key.pem")
        return httpx.Client(verify=context, base_url=f"https://{parts.netloc}", timeout=_TIMEOUT_S, trust_env=False)
    return httpx.Client(base_url=f"http://{parts.netloc}", timeout=_TIMEOUT_S, trust_env=False)


def _seconds(rfc3339: str) -> float:
    return datetime.fromisoformat(rfc3339).timestamp()


def _hint(url: str, error: Exception) -> str:
    if urlsplit(url).scheme == "unix":
        number = _errno(error)
        if number in (errno.EACCES, errno.EPERM):
            return "permission denied: add yourself to the group docker (sudo usermod -aG docker $USER), then log in again"
        if number == errno.ENOENT:
            return "there is no such socket: start Docker, or name an engine in WST_ENGINES"
    if isinstance(error, httpx.TimeoutException):
        return "it is silent: restart it (sudo systemctl restart docker)"
    return f"{masked_url(str(error)) or type(error).__name__}: start Docker (sudo systemctl start docker), or set WST_ENGINES"


def _errno(error: BaseException | None) -> int | None:
    """What the system said, below what libraries made of it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None
