"""Handler `apprise`: events as messages of over a hundred notification services, through the library of that name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from schemas.errors import SettingError
from streams.handlers.config import checked
from streams.handlers.handler import Event, Options, Retry

_TITLE: int = 200


class AppriseOptions(BaseModel):
    """What its table may have: `urls` of services, or `url` with one or several apart by spaces (also `url_file`, `url_env`)."""

    model_config = ConfigDict(extra="forbid")

    urls: list[SecretStr] = Field(default_factory=list)
    url: SecretStr | None = None


class AppriseHandler:
    """Sends title and text to all services."""

    def __init__(self, options: Options) -> None:
        try:
            import apprise
        except ImportError as error:
            raise SettingError("the package apprise is missing", "pip install 'workspace-status[notify]'") from error
        chosen = checked(AppriseOptions, options)
        urls = [secret.get_secret_value() for secret in chosen.urls]
        urls += chosen.url.get_secret_value().split() if chosen.url else []
        if not urls:
            raise SettingError("urls: there is none", "give urls = […], url_file or url_env")
        self._services: Any = apprise.Apprise()
        for number, url in enumerate(urls, 1):
            if not self._services.add(url):
                raise SettingError(f"urls: number {number} is no address that apprise knows")
        self._text = apprise.NotifyFormat.TEXT
        self._types = {"error": apprise.NotifyType.FAILURE, "alert_raised": apprise.NotifyType.WARNING}
        self._good, self._info = apprise.NotifyType.SUCCESS, apprise.NotifyType.INFO

    async def handle(self, event: Event) -> None:
        """Sends it.

        Raises:
            Retry: not all services took it: those that did get it once more.
        """
        kind = self._good if event["type"] in ("recovery", "alert_resolved") else self._types.get(event["type"], self._info)
        who = event["workspace_id"] or event["data"].get("engine") or "wst"
        title = f"{who}: {event['type'].replace('_', ' ')}"[:_TITLE]
        sent = await self._services.async_notify(body=event["message"], title=title, notify_type=kind, body_format=self._text)
        if not sent:
            raise Retry("a notification service did not take it")

    async def close(self) -> None:
        """Nothing to let go of."""
