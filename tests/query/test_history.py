"""History: steps that fit, points from samples and windows that agree, and gaps that stay gaps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingError
from streams.api.app import make_app
from streams.core.windows import DAY_NS, HOUR_NS
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.history import MOST_POINTS, plan, points
from streams.query.present import time_text
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.query.story import CONTAINERS, GAP, MIB, MINUTE_NS, MINUTES, PEAK, SECOND_NS
from tests.sinks.records import HOSTILE, T0_NS

SHOP_HISTORY = "/api/v1/workspaces/shop/history"


@pytest.fixture
async def api(story: ClickHouseArchive) -> AsyncIterator[httpx.AsyncClient]:
    live = make_live(*(whole_state(one, workspace_name=one.split("@")[0]) for one in CONTAINERS))
    app = make_app(live, story, LOCAL, lambda: {"parts": []})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as asking:
        yield asking


def at(minute: float) -> str:
    return time_text(T0_NS + round(minute * MINUTE_NS)) or ""


async def ask(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    found = await api.get(path, params=params)
    assert found.status_code == 200, found.text
    return found.json()


async def test_a_minute_of_history_says_what_the_containers_used_in_it(api: httpx.AsyncClient) -> None:
    said = await ask(api, "/api/v1/workspaces/shop/history", since=at(80), until=at(100), step="1m")
    assert (said["workspace_id"], said["source"], said["step_seconds"], len(said["points"])) == ("shop@laptop", "samples", 60.0, 20)
    quiet, peak = said["points"][0], said["points"][PEAK - 1 - 80]
    assert quiet["start"] == at(80)
    assert (quiet["coverage"], quiet["cpu_percent_mean"], quiet["cpu_percent_max"]) == (1.0, pytest.approx(75), 75.0)
    assert quiet["cpu_core_seconds"] == pytest.approx(45)
    assert quiet["network_rx_bytes"] == 120_000
    assert quiet["network_rx_bytes_per_second"] == pytest.approx(2000)
    assert (peak["cpu_percent_mean"], peak["cpu_percent_max"]) == (pytest.approx(325), 325.0)
    assert peak["memory_used_bytes_mean"] == pytest.approx(2 * 100 * MIB + 100 * MIB)


async def test_percentiles_of_a_step_are_of_its_ticks_and_the_same_from_samples_and_windows(api: httpx.AsyncClient) -> None:
    said = await ask(api, "/api/v1/workspaces/shop/history", since=at(60), until=at(120), step="1h")
    (hour,) = said["points"]
    assert said["source"] == "hour"
    # Forty minutes were seen, 39 of them at 75 %, and one at 325 %.
    assert [hour[f"cpu_percent_p{part}"] for part in (50, 95)] == [pytest.approx(75, rel=0.01)] * 2
    assert hour["cpu_percent_p99"] == pytest.approx(75, rel=0.01) or hour["cpu_percent_p99"] == pytest.approx(325, rel=0.01)
    fine = await ask(api, "/api/v1/workspaces/shop/history", since=at(60), until=at(120), step="30m")
    assert fine["source"] == "samples"
    for name in (f"{metric}_p{part}" for metric in ("cpu_percent", "memory_used_bytes") for part in (50, 95)):
        assert fine["points"][0][name] == pytest.approx(hour[name], rel=0.01)


async def test_of_one_container_history_says_what_it_used_from_samples_and_from_windows(api: httpx.AsyncClient) -> None:
    for container, cores in (("web", 0.5), ("db", 0.25)):
        (minute,) = (await ask(api, SHOP_HISTORY, since=at(80), until=at(81), step="1m", container=container))["points"]
        assert (minute["cpu_percent_mean"], minute["container_count"]) == (pytest.approx(cores * 100), 1)
        said = await ask(api, SHOP_HISTORY, since=at(0), until=at(60), step="1h", container=container)
        assert (said["source"], said["container"]) == ("hour", container)
        (hour,) = said["points"]
        # The first minute has no reading before it to count from.
        assert hour["cpu_core_seconds"] == pytest.approx(cores * 59 * 60)
        assert hour["cpu_percent_p95"] == pytest.approx(cores * 100, rel=0.01)
        assert (hour["coverage"], hour["container_count"]) == (pytest.approx(59 / 60), 1)


@pytest.mark.parametrize("step", ["1m", "1h"])
async def test_a_container_may_be_named_by_its_id_or_twelve_digits_of_it(api: httpx.AsyncClient, step: str) -> None:
    (sample, *_) = (await ask(api, "/api/v1/workspaces/blog/samples", since=at(0), until=at(60)))["samples"]
    for container, seen in (
        (sample["container_id"], True),
        (sample["container_id"][:12], True),
        (sample["container_id"][:11], False),
        ("web", False),
    ):
        said = await ask(api, "/api/v1/workspaces/blog/history", since=at(0), until=at(60), step=step, container=container)
        assert any(point["coverage"] for point in said["points"]) == seen, container


async def test_missing_is_not_zero_a_gap_has_nulls_and_no_coverage(api: httpx.AsyncClient) -> None:
    said = await ask(api, "/api/v1/workspaces/shop/history", since=at(95), until=at(135), step="1m")
    seen = [point["cpu_percent_mean"] is not None for point in said["points"]]
    # The reading after the gap begins anew: its interval is the gap's, and in no window.
    assert seen == [not GAP.start - 1 <= minute < GAP.stop for minute in range(95, 135)]
    hole = said["points"][10]
    assert (hole["coverage"], hole["covered_seconds"], hole["network_rx_bytes"], hole["memory_used_bytes_max"]) == (0.0, 0.0, None, None)
    assert {hole[f"cpu_percent_p{part}"] for part in (50, 95, 99)} == {None}


async def test_a_step_shorter_than_the_interval_has_no_holes_and_the_same_sum(api: httpx.AsyncClient) -> None:
    fine = await ask(api, "/api/v1/workspaces/shop/history", since=at(15), until=at(75), step="20s")
    coarse = await ask(api, "/api/v1/workspaces/shop/history", since=at(15), until=at(75), step="15m")
    assert all(point["coverage"] == 1.0 for point in fine["points"])
    for name in ("cpu_core_seconds", "network_rx_bytes", "block_write_bytes"):
        assert sum(point[name] for point in fine["points"]) == pytest.approx(sum(point[name] for point in coarse["points"]), rel=1e-3)


async def test_hours_from_windows_say_what_samples_say(api: httpx.AsyncClient) -> None:
    hours = await ask(api, "/api/v1/workspaces/shop/history", since=at(0), until=at(60), step="1h")
    minutes = await ask(api, "/api/v1/workspaces/shop/history", since=at(0), until=at(60), step="30m")
    assert (hours["source"], minutes["source"]) == ("hour", "samples")
    (hour,) = hours["points"]
    # The window takes a reading with all of its interval: the one at minute 60 belongs to the next hour.
    assert hour["cpu_core_seconds"] == pytest.approx(sum(point["cpu_core_seconds"] for point in minutes["points"]) - 45)
    assert hour["cpu_percent_mean"] == pytest.approx(minutes["points"][0]["cpu_percent_mean"])
    assert hour["memory_used_bytes_max"] == minutes["points"][0]["memory_used_bytes_max"]


async def test_a_long_range_is_shown_by_hours_and_days(api: httpx.AsyncClient) -> None:
    week = await ask(api, "/api/v1/workspaces/blog/history", since=at(-7 * 1440), until=at(0))
    assert (week["source"], week["step_seconds"]) == ("hour", 3600.0)
    assert all(point["coverage"] == 1.0 for point in week["points"][1:-1])
    days = await ask(api, "/api/v1/workspaces/blog/history", since=at(-14 * 1440), until=at(-2 * 1440), step="1d")
    assert (days["source"], len(days["points"])) == ("day", 13 if T0_NS % DAY_NS else 12)
    assert days["points"][3]["cpu_core_seconds"] == pytest.approx((10 * 0.4 + 14 * 0.1) * 3600)


async def test_usage_shows_the_windows_of_the_views_and_samples_the_samples(api: httpx.AsyncClient) -> None:
    hours = await ask(api, "/api/v1/workspaces/shop/usage", since=at(0), until=at(60 * 3))
    assert [window["hour"] for window in hours["windows"]] == [at(0), at(60), at(120)]
    assert (hours["grain"], hours["windows"][0]["final"], hours["windows"][0]["engine"]) == ("hour", True, "laptop")
    assert hours["windows"][1]["covered_seconds"] < 3600
    days = await ask(api, "/api/v1/workspaces/shop/usage", grain="day", since=at(-21 * 1440), until=at(0))
    assert days["windows"][0]["sample_count"] == 24 * 120
    raw = await ask(api, "/api/v1/workspaces/shop/samples", since=at(5), until=at(7))
    assert [(one["container_name"], one["read_at"]) for one in raw["samples"]] == [
        ("db", at(5)), ("web", at(5)), ("db", at(6)), ("web", at(6)),
    ]  # fmt: skip
    assert raw["samples"][0]["memory_used_bytes"] == 200 * MIB
    latest = await ask(api, "/api/v1/workspaces/shop/samples", since=at(0), until=at(60), limit=1)
    assert [(one["container_name"], one["read_at"]) for one in latest["samples"]] == [("web", at(59))]


async def test_of_a_workspace_nobody_knows_there_is_no_history_but_no_error_either(api: httpx.AsyncClient) -> None:
    said = await ask(api, "/api/v1/workspaces/gone@laptop/history", since=at(0), until=at(60))
    assert {point["coverage"] for point in said["points"]} == {0.0}
    assert (await ask(api, "/api/v1/workspaces/gone@laptop/usage"))["windows"] == []


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"since": "1h", "until": "2h"}, "since"),
        ({"since": "1969-01-01T00:00:00Z"}, "since"),
        ({"step": "whenever"}, "step"),
        ({"step": "90m"}, "step"),
        ({"step": "1s", "since": "30d"}, "step"),
        ({"step": "0s"}, "step"),
        ({"until": "tomorrow"}, "until"),
    ],
)
async def test_a_range_that_makes_no_sense_is_a_wrong_argument(api: httpx.AsyncClient, params: dict[str, str], named: str) -> None:
    found = await api.get("/api/v1/workspaces/shop/history", params=params)
    assert (found.status_code, found.json()["title"]) == (422, "wrong argument")
    assert found.json()["detail"].startswith(named)


async def test_names_are_parameters(api: httpx.AsyncClient) -> None:
    for path in ("history", "usage", "samples"):
        found = await api.get(f"/api/v1/workspaces/{quote(HOSTILE.replace('/', ''), safe='')}/{path}")
        assert found.status_code == 200, found.text


@settings(deadline=None)
@given(st.integers(0, 2**62), st.integers(1, 400 * DAY_NS), st.none() | st.integers(1, 60) | st.sampled_from([3600, 86_400]))
def test_a_plan_covers_what_was_asked_in_a_bearable_number_of_steps(since_ns: int, length_ns: int, step_s: int | None) -> None:
    try:
        chosen = plan(since_ns, since_ns + length_ns, step_s, since_ns + length_ns)
    except SettingError:
        assert step_s is not None
        assert length_ns > (MOST_POINTS - 2) * step_s * SECOND_NS
        return
    assert chosen.since_ns <= since_ns < since_ns + length_ns <= chosen.until_ns
    assert chosen.since_ns % chosen.step_ns == chosen.until_ns % chosen.step_ns == 0
    assert 1 <= chosen.points <= MOST_POINTS
    assert len(points([], chosen)) == chosen.points


def test_what_is_older_than_samples_are_kept_is_shown_by_hours() -> None:
    assert plan(T0_NS - 40 * DAY_NS, T0_NS - 40 * DAY_NS + HOUR_NS, None, T0_NS).source == "hour"
    assert plan(T0_NS, T0_NS + HOUR_NS, None, T0_NS).source == "samples"
    assert MINUTES * MINUTE_NS == 3 * HOUR_NS
