"""MetricsCollector over an archive that holds a known story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from schemas.errors import Refused, SettingError
from schemas.settings import Settings
from streams import MetricsCollector
from streams.api.app import make_app
from streams.client.http import AsyncApi
from streams.query.clickhouse_archive import ClickHouseArchive
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.query.story import CONTAINERS, MINUTE_NS
from tests.sinks.records import T0_NS


def at(minute: float) -> datetime:
    return datetime.fromtimestamp((T0_NS + minute * MINUTE_NS) / 1e9, UTC)


@pytest.fixture
async def collector(story: ClickHouseArchive) -> AsyncIterator[MetricsCollector]:
    live = make_live(*(whole_state(one, workspace_name=one.split("@")[0]) for one in CONTAINERS))
    app = make_app(live, story, LOCAL, lambda: {"parts": []})
    made = MetricsCollector(Settings())
    made._api = AsyncApi(Settings(api="http://api"), httpx.ASGITransport(app))
    async with made:
        yield made


async def test_hours_days_and_samples_are_those_of_the_archive(collector: MetricsCollector) -> None:
    hours = await collector.hourly("shop", since=at(0), until=at(240))
    assert hours
    assert [hour["hour"] for hour in hours] == sorted(hour["hour"] for hour in hours)
    day = await collector.daily("shop@laptop", since=at(-24 * 60), until=at(24 * 60))
    assert day
    samples = await collector.samples("shop", since=at(0), until=at(10), limit=5)
    assert len(samples) == 5
    assert await collector.hourly("shop", since=timedelta(minutes=1)) == []


async def test_a_trend_comes_from_the_archive(collector: MetricsCollector) -> None:
    assert await collector.trend("shop", days=7)


async def test_a_time_that_makes_no_sense_is_a_wrong_argument(collector: MetricsCollector) -> None:
    with pytest.raises(SettingError, match="since"):
        await collector.hourly("shop", since="soon")
    with pytest.raises((SettingError, Refused)):
        await collector.samples("shop", limit=0)
