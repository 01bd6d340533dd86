"""Handler `webhook`: each event as a POST, signed by the Standard Webhooks specification (standardwebhooks.com).

Nothing of an answer is read but its status and `Retry-After`; redirects are not followed, as a signed event belongs to
whom it was addressed to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

import httpx
import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, field_validator

from schemas.errors import SettingError
from streams.handlers.config import checked
from streams.handlers.handler import Event, Options, Rejected, Retry

_BEGIN: Final = "whsec_"
_CONNECT_S: Final = 5.0
#: Of one step of an attempt; the runner bounds the attempt as a whole.
_STEP_S: Final = 60.0
_OFTEN: Final = frozenset((408, 425, 429))
#: No answer may put an event off for longer, s.
LONGEST_WAIT_S: Final = 300.0
_OK_IN_ID: Final = "@:._-"


def _url(value: object) -> object:
    if isinstance(value, str) and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
        raise ValueError("no http(s) address")
    return value


class WebhookOptions(BaseModel):
    """What its table may have: `url`, `secret` (each also as `…_file`, `…_env`), `headers`."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[SecretStr, BeforeValidator(_url)]
    secret: SecretStr | None = None
    headers: dict[str, str] = {}

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key_of(value.get_secret_value())
        return value


def key_of(secret: str) -> bytes:
    """The key in a secret `whsec_<base64>`.

    Raises:
        ValueError: it is none, or shorter than 16 bytes.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_BEGIN), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("no base64; make one with: echo whsec_$(openssl rand -base64 32)") from None
    if len(key) < 16:
        raise ValueError("shorter than 16 bytes; make one with: echo whsec_$(openssl rand -base64 32)")
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>`: HMAC-SHA256 over id, time and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class WebhookHandler:
    """Posts events as JSON."""

    def __init__(self, options: Options) -> None:
        chosen = checked(WebhookOptions, options)
        self._url = chosen.url.get_secret_value()
        self._key = key_of(chosen.secret.get_secret_value()) if chosen.secret else None
        try:
            self._headers = httpx.Headers({"user-agent": "wst", **chosen.headers, "content-type": "application/json"})
            httpx.URL(self._url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise SettingError(f"url or headers: {type(error).__name__}") from None
        timeout = httpx.Timeout(_STEP_S, connect=_CONNECT_S)
        local = urlsplit(self._url).hostname in ("127.0.0.1", "::1", "localhost")
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=timeout, trust_env=not local)

    async def handle(self, event: Event) -> None:
        """Posts it.

        Raises:
            Retry: nobody answers, or the answer says later.
            Rejected: the answer says no.
        """
        body = orjson.dumps(event)
        try:
            async with self._client.stream("POST", self._url, content=body, headers=self._signed(event["id"], body)) as answer:
                status, after = answer.status_code, answer.headers.get("retry-after")
        except (httpx.HTTPError, httpx.StreamError) as error:
            # Its text may have the address, and that a secret.
            raise Retry(f"no answer: {type(error).__name__}") from None
        _judge(status, after)

    def _signed(self, event_id: str, body: bytes) -> httpx.Headers:
        headers = self._headers.copy()
        message_id, now = quote(event_id, safe=_OK_IN_ID), int(time.time())
        headers["webhook-id"], headers["webhook-timestamp"] = message_id, str(now)
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, message_id, now, body)
        return headers

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()


def _judge(status: int, retry_after: str | None) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Rejected(f"status {status}: redirects are not followed")
    if status in _OFTEN or status >= 500:
        raise Retry(f"status {status}", wait_of(retry_after, datetime.now(UTC)))
    raise Rejected(f"status {status}")


def wait_of(retry_after: str | None, now: datetime) -> float | None:
    """Seconds that a header `Retry-After` asks for, bounded; None: it says nothing that can be understood."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), LONGEST_WAIT_S)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, min((then - now).total_seconds(), LONGEST_WAIT_S))
