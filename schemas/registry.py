"""A schema registry with Confluent's HTTP API: which id each of our schemas has there.

All versions of all subjects are looked up, or registered, when a process first speaks to Kafka; nothing is asked later.
Records then carry Confluent's framing on the broker; readers take it and single-object encoding alike.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from schemas import topics
from schemas.codec import fingerprint_of, use_ids, versions
from schemas.engines import masked_url
from schemas.errors import SettingError, Unreachable

_TIMEOUT_S: Final = 10.0
_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NOT_THERE: Final = (40401, 40403)

_used: set[tuple[str, str]] = set()


def use(url: str | None, prefix: str) -> None:
    """Learns the ids, once per process; subjects are named `TOPIC-value`.

    Raises:
        SettingError: it is no address, or the registry refuses a schema.
        Unreachable: it does not answer.
    """
    if url is None or (url, prefix) in _used:
        return
    registry = Registry(url)
    ids: dict[bytes, int] = {}
    for topic in topics.ALL:
        for schema in versions(topic.subject).values():
            ids[fingerprint_of(schema)] = registry.id_of(f"{topic.full(prefix)}-value", schema)
    use_ids(ids)
    _used.add((url, prefix))


class Registry:
    """The registry at an address, with user and password where the address has them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingError(f"WST_SCHEMA_REGISTRY_URL = {masked_url(url)[:80]!r} is no http(s) address", "write it as http://host:8081")
        self._shown = masked_url(url)
        self._headers = {"Content-Type": _TYPE, "Accept": f"{_TYPE}, application/json"}
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        self._url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    def id_of(self, subject: str, schema: dict[str, Any]) -> int:
        """The id of a schema; one the registry does not have is registered.

        Raises:
            SettingError, Unreachable: see `use`.
        """
        body = json.dumps({"schema": json.dumps(schema)}).encode()
        path = f"/subjects/{quote(subject, safe='')}"
        found = self._ask(path, body)
        if found is None:
            found = self._ask(f"{path}/versions", body)
        number = found.get("id") if isinstance(found, dict) else None
        if not isinstance(number, int) or not 0 <= number < 2**31:
            raise Unreachable(f"what answers at {self._shown} is no schema registry", "see WST_SCHEMA_REGISTRY_URL")
        return number

    def _ask(self, path: str, body: bytes) -> Any:
        """The answer; None: it is not there."""
        request = urllib.request.Request(self._url + path, body, self._headers)  # noqa: S310  # http(s) only, see above
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                return json.loads(answer.read(1 << 20))
        except urllib.error.HTTPError as error:
            said = _said(error)
            if error.code == 404 and said.get("error_code") in _NOT_THERE:
                return None
            why = str(said.get("message") or error.reason)[:300]
            if error.code in (401, 403, 409, 422):
                raise SettingError(f"the schema registry at {self._shown} refuses {unquote(path)}: {why}", "see its rules") from None
            raise Unreachable(f"the schema registry at {self._shown} says {error.code}: {why}", "see its log") from None
        except (OSError, ValueError) as error:
            raise Unreachable(
                f"no schema registry answers at {self._shown} ({type(error).__name__})", "is it running? see WST_SCHEMA_REGISTRY_URL"
            ) from None


def _said(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        found = json.loads(error.read(1 << 16))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
