"""Trends and top: the made-up weeks of `story.py` come back as slope, weeks, states and busiest hours, its peak with its culprit."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from schemas.errors import SettingError
from streams.api.app import make_app
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.trends import MEASURES, top, trends
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.query.story import DAY_NS, HOUR_NS, MIB, MINUTE_NS, PEAK
from tests.sinks.records import T0_NS

T0_HOUR = T0_NS // HOUR_NS


async def of(archive: ClickHouseArchive, name: str, days: int = 14, zone: str = "UTC") -> dict[str, Any]:
    said = await trends(archive, name, days, zone, T0_NS)
    (trend,) = said["trends"]
    found: dict[str, Any] = trend
    return found


async def test_a_trend_shows_slope_and_weeks(story: ClickHouseArchive) -> None:
    shop, blog = await of(story, "shop@laptop"), await of(story, "blog@laptop")
    # A thousandth of a core more each hour is 2.4 percent of a CPU a day; blog has no trend.
    assert shop["slope"]["cpu_percent_per_day"] == pytest.approx(2.4)
    assert blog["slope"]["cpu_percent_per_day"] == pytest.approx(0, abs=1e-9)
    assert (await of(story, "shop@laptop", days=2))["slope"]["cpu_percent_per_day"] is None
    assert shop["slope"]["memory_used_bytes_per_day"] == pytest.approx(0, abs=1)
    weeks = shop["week_over_week"]
    assert (weeks["this_week_covered_seconds"], weeks["last_week_covered_seconds"]) == (7 * 86_400, 7 * 86_400)
    assert weeks["cpu_percent"]["this_week"] - weeks["cpu_percent"]["last_week"] == pytest.approx(16.8)
    assert weeks["memory_used_bytes"] == {"this_week": 500 * MIB, "last_week": 500 * MIB, "change_percent": 0}
    assert weeks["network_bytes_per_second"]["this_week"] == pytest.approx(2_500_000 / 3600)
    assert shop["use"]["hour_count"] == 14 * 24
    assert shop["use"]["cpu_core_seconds"] > blog["use"]["cpu_core_seconds"]


async def test_busiest_hours_are_those_of_the_zone_asked_for(story: ClickHouseArchive) -> None:
    utc = await of(story, "blog@laptop")
    seoul = await of(story, "blog@laptop", zone="Asia/Seoul")
    assert [one["hour"] for one in utc["busiest_hours"]] == [8, 9, 10]
    assert utc["busiest_hours"][0]["cpu_percent_mean"] == pytest.approx(40, rel=0.01)
    assert {one["hour"] for one in seoul["busiest_hours"]} <= {(hour + 9) % 24 for hour in range(8, 18)}
    with pytest.raises(SettingError, match="no time zone"):
        await of(story, "blog@laptop", zone="../etc/passwd")


async def test_time_in_state_adds_up_and_what_nobody_knows_is_no_downtime(story: ClickHouseArchive) -> None:
    shop, blog = await of(story, "shop@laptop"), await of(story, "blog@laptop")
    assert shop["time_in_state"]["status"] == {"active": 8 * 86_400.0, "inactive": 2 * 86_400.0}
    assert shop["time_in_state"]["active_ratio"] == pytest.approx(0.8)
    assert shop["time_in_state"]["condition"]["failing"] == 2 * 86_400 + 3_600
    assert blog["time_in_state"]["status"]["unknown"] == 3_600
    assert blog["time_in_state"]["active_ratio"] == pytest.approx((8 * 24 - 1) / (10 * 24 - 1))


async def test_a_week_nobody_saw_is_no_week_without_use(story: ClickHouseArchive) -> None:
    said = await trends(story, "shop@laptop", 3, "UTC", T0_NS - 15 * DAY_NS)
    weeks = said["trends"][0]["week_over_week"]
    assert weeks["cpu_percent"]["last_week"] is None
    assert weeks["cpu_percent"]["change_percent"] is None
    assert (await trends(story, "nobody", 30, "UTC", T0_NS))["trends"] == []


async def test_top_ranks_workspaces_and_names_the_peaks_culprit(story: ClickHouseArchive) -> None:
    said = await top(story, None, "cpu", T0_NS, T0_NS + 3 * HOUR_NS, 10)
    shop, blog = said["workspaces"]
    assert (said["source"], shop["workspace_id"], blog["workspace_id"]) == ("sample", "shop@laptop", "blog@laptop")
    assert shop["cpu_percent_max"] == 325.0
    assert shop["peak"]["container_name"] == "web"
    assert shop["peak"]["at"].startswith("20")
    assert (shop["peak"]["value"], shop["peak"]["unit"], shop["peak"]["share"]) == (325.0, "percent", pytest.approx(300 / 325))
    whole = await top(story, None, "cpu", T0_NS - 7 * DAY_NS + 5, T0_NS + 3 * HOUR_NS, 1)
    assert (whole["source"], [one["workspace_id"] for one in whole["workspaces"]]) == ("hour", ["shop@laptop"])
    # The peak is where the windows say it is; it has a culprit as its samples are still there.
    assert whole["workspaces"][0]["peak"]["container_name"] == "web"


@pytest.mark.parametrize(("since_ns", "source"), [(T0_NS, "sample"), (T0_NS - 7 * HOUR_NS, "hour")])
async def test_percentiles_of_top_are_the_same_from_samples_and_windows(story: ClickHouseArchive, since_ns: int, source: str) -> None:
    # Of the afternoon 149 minutes were seen, one of them far above the others; the made-up hours before it have no percentiles to merge.
    said = await top(story, None, "cpu", since_ns, T0_NS + 3 * HOUR_NS, 10)
    assert said["source"] == source
    assert [(one["workspace_id"], one["cpu_percent_p95"]) for one in said["workspaces"]] == [
        ("shop@laptop", pytest.approx(75, rel=0.01)),
        ("blog@laptop", pytest.approx(10, rel=0.01)),
    ]
    assert said["workspaces"][0]["cpu_percent_max"] == 325


async def test_top_of_one_workspace_ranks_its_containers(story: ClickHouseArchive) -> None:
    said = await top(story, "shop@laptop", "memory", T0_NS, T0_NS + HOUR_NS, 10)
    assert [one["container_name"] for one in said["containers"]] == ["db", "web"]
    assert said["containers"][0]["memory_used_bytes_mean"] == pytest.approx(200 * MIB)
    assert said["peak"]["container_name"] == "db"
    burst = await top(story, "shop@laptop", "cpu", T0_NS + (PEAK - 1) * MINUTE_NS, T0_NS + (PEAK + 1) * MINUTE_NS, 10)
    assert [one["container_name"] for one in burst["containers"]] == ["web", "db"]
    assert (await top(story, "shop@laptop", "cpu", 0, HOUR_NS, 10))["peak"] is None


@pytest.mark.parametrize("by", MEASURES)
async def test_every_measure_ranks_by_hours_and_by_samples(story: ClickHouseArchive, by: str) -> None:
    for since_ns in (T0_NS, T0_NS - 5 * DAY_NS):
        said = await top(story, None, by, since_ns, T0_NS + 3 * HOUR_NS, 5)
        assert {one["workspace_id"] for one in said["workspaces"]} == {"shop@laptop", "blog@laptop"}
        assert all(one["peak"] is not None or since_ns < T0_NS for one in said["workspaces"])


async def test_the_api_answers_both_and_refuses_what_makes_no_sense(story: ClickHouseArchive) -> None:
    app = make_app(make_live(whole_state("shop@laptop")), story, LOCAL, dict)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        found = (await api.get("/api/v1/trends", params={"workspace": "shop", "days": 14})).json()
        assert [one["workspace_id"] for one in found["trends"]] == ["shop@laptop"]
        ranked = (await api.get("/api/v1/top", params={"since": "30d", "by": "network"})).json()
        assert [one["workspace_id"] for one in ranked["workspaces"]] == ["shop@laptop", "blog@laptop"]
        wrong: tuple[tuple[str, dict[str, str], int], ...] = (
            ("trends", {"days": "0"}, 422), ("trends", {"zone": "Nowhere/At all"}, 400), ("top", {"by": "fame"}, 422),
            ("top", {"limit": "1000"}, 422), ("top", {"since": "1h", "until": "2h"}, 422),
        )  # fmt: skip
        for path, params, status in wrong:
            assert (await api.get(f"/api/v1/{path}", params=params)).status_code == status, params
