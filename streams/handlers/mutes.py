"""Whether a workspace's alerts are muted: asked of the API when there is an alert to deliver.

An API that is away mutes nothing: an alert too many is better than one too few.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import httpx

from schemas.api import headers_for_api, path_part
from schemas.settings import Settings
from streams.handlers.handler import Event

_log: Final = logging.getLogger("wst.handlers")

_TIMEOUT_S: Final = 3.0
_TOLD_AGAIN_S: Final = 60.0
ALERTS: Final = frozenset(("alert_raised", "alert_resolved"))

Muted = Callable[[Event], Awaitable[bool]]


async def never(event: Event) -> bool:
    """Nothing is muted."""
    return False


class Mutes:
    """Asks the API of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address = settings.api.rstrip("/")
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)
        self._told_s = float("-inf")

    async def __call__(self, event: Event) -> bool:
        """Whether an event is an alert of a workspace that is muted now."""
        if event["type"] not in ALERTS or not event["workspace_id"]:
            return False
        try:
            path = f"/api/v1/workspaces/{path_part(event['workspace_id'])}"
            # Looked up each time: the API of a `wst up` makes its token while the handlers start.
            answer = await self._client.get(f"{self._address}{path}", headers=headers_for_api(self._settings))
            if answer.status_code == httpx.codes.NOT_FOUND:
                return False
            until = answer.raise_for_status().json().get("muted_until")
            return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as error:
            if time.monotonic() - self._told_s > _TOLD_AGAIN_S:
                self._told_s = time.monotonic()
                _log.warning("mutes cannot be asked of %s (%s): alerts are told", self._address, type(error).__name__)
            return False
