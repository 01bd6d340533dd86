"""`MetricsCollector`: what workspaces used, hour by hour, day by day, sample by sample."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from schemas.api import path_part
from schemas.settings import Settings, load_settings
from streams.client.http import AsyncApi
from streams.client.source import Json

Time = str | datetime | timedelta
"""RFC 3339, a duration ago such as `7d`, a datetime with a zone, or a timedelta ago."""


class MetricsCollector:
    """The past, from the API (WST_API). Use it as an async context.

    Args:
        settings: None: those of the environment.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._api = AsyncApi(settings or load_settings())

    async def __aenter__(self) -> Self:
        """Makes sure that the API answers.

        Raises:
            Unreachable: it does not.
        """
        try:
            await self._api.get("/api/v1/events/live")
        except BaseException:
            await self._api.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Disconnects."""
        await self._api.close()

    async def hourly(self, workspace: str, since: Time | None = "24h", until: Time | None = None) -> list[Json]:
        """Windows of an hour by time, one per engine; none where nobody saw: missing is not zero.

        Raises:
            Refused: several workspaces have that name.
            SettingError: a time makes no sense.
            Unreachable: the API or its archive does not answer.
        """
        return await self._rows(workspace, "usage", "windows", {"grain": "hour"} | _span(since, until))

    async def daily(self, workspace: str, since: Time | None = "30d", until: Time | None = None) -> list[Json]:
        """Windows of a day (UTC) by time, one per engine; raises as `hourly` does."""
        return await self._rows(workspace, "usage", "windows", {"grain": "day"} | _span(since, until))

    async def samples(self, workspace: str, since: Time | None = "1h", until: Time | None = None, limit: int = 1_000) -> list[Json]:
        """Samples of a workspace's containers by time, the newest where there are more; raises as `hourly` does."""
        return await self._rows(workspace, "samples", "samples", {"limit": limit} | _span(since, until))

    async def trend(self, workspace: str | None = None, days: int = 30) -> Json:
        """How use develops: slope, week over week, time in state, busiest hours; of one workspace, or of each.

        Raises as `hourly` does.
        """
        asked: dict[str, Any] = {"days": days} | ({} if workspace is None else {"workspace": workspace})
        found: Json = await self._api.get("/api/v1/trends", asked)
        return found

    async def _rows(self, workspace: str, path: str, name: str, asked: dict[str, Any]) -> list[Json]:
        rows: list[Json] = (await self._api.get(f"/api/v1/workspaces/{path_part(workspace)}/{path}", asked))[name]
        return rows


def _span(since: Time | None, until: Time | None) -> dict[str, str]:
    given = {"since": since, "until": until}
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(when: Time) -> str:
    if isinstance(when, timedelta):
        when = datetime.now(UTC) - when
    return when.astimezone(UTC).isoformat() if isinstance(when, datetime) else when
