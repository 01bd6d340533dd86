"""`wst history`, `trend`, `top`, `query`: what people and programs get, over an API that serves the story."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cli.plot import fitted, plot, rows, sparkline
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.sinks.clickhouse import Address
from tests.face.api_parts import Served, served, whole_state
from tests.face.test_cli import wst
from tests.query.story import GAP, PEAK
from tests.sinks.records import T0_NS


@pytest.fixture(scope="module")
def api(filled: Address) -> Iterator[Served]:
    with served(whole_state("shop@laptop"), archive=lambda: ClickHouseArchive(filled)) as serving:
        yield serving


def at(minute: int) -> str:
    return datetime.fromtimestamp(T0_NS // 10**9 + 60 * minute, UTC).isoformat()


def test_history_is_drawn_with_its_gaps_left_empty(api: Served) -> None:
    done = wst("history", "shop", "--metric", "cpu", "--since", at(60), "--until", at(150), "--step", "1m", WST_API=api.url)
    assert (done.returncode, done.stderr) == (0, "")
    head, title, *drawn = done.stdout.splitlines()
    assert head.startswith("shop@laptop  ")
    assert "+09:00" in head
    assert "steps of 1m, 66% of it seen" in head
    assert title.startswith("cpu, percent of one CPU: mean ")
    assert "most 325.0 %" in title
    assert drawn[0].startswith("325.0 % │")
    bottom = drawn[-1].partition("│")[2]
    assert [sign == " " for sign in bottom] == [GAP.start - 1 <= minute < GAP.stop for minute in range(60, 150)]
    assert drawn[0].partition("│")[2].index("█") == PEAK - 1 - 60
    every = wst("history", "shop", "--since", at(60), "--until", at(150), WST_API=api.url).stdout
    assert all(title in every for title in ("memory used: ", "received a second: ", "written a second: "))


def test_history_for_programs_and_spreadsheets_has_the_gaps_too(api: Served) -> None:
    asked = ("history", "shop", "--since", at(95), "--until", at(105), "--step", "1m")
    said = json.loads(wst(*asked, "--json", "--metric", "memory", WST_API=api.url).stdout)
    figures = [f"memory_used_bytes_{name}" for name in ("mean", "max", "p50", "p95", "p99")]
    assert list(said["points"][0]) == ["start", "seconds", "coverage", *figures]
    lines = list(csv.DictReader(io.StringIO(wst(*asked, "--csv", WST_API=api.url).stdout)))
    assert [line["cpu_percent_mean"] == "" for line in lines] == [False] * 4 + [True] * 6
    assert {line["workspace_id"] for line in lines} == {"shop@laptop"}
    nothing = wst("history", "gone", WST_API=api.url)
    assert (nothing.returncode, nothing.stdout.splitlines()[-1]) == (0, "nobody saw it use anything in this time")


def test_history_of_one_container_is_headed_by_its_name_which_is_only_text(api: Served) -> None:
    asked = ("history", "shop", "--since", at(80), "--until", at(81), "--step", "1m", "--container")
    shown = wst(*asked, "db", "--metric", "cpu", WST_API=api.url).stdout.splitlines()
    assert shown[0].startswith("shop@laptop: db  ")
    assert "mean 25.0 %" in shown[1]
    said = json.loads(wst(*asked, "db", "--json", WST_API=api.url).stdout)
    assert (said["container"], said["points"][0]["cpu_percent_mean"]) == ("db", pytest.approx(25))
    hostile = wst(*asked, "<b>\x1b[31m' OR 1\n", WST_API=api.url)
    assert (hostile.returncode, "\x1b" in hostile.stdout) == (0, False)
    assert hostile.stdout.splitlines()[-1] == "nobody saw it use anything in this time"


def test_trend_and_top_are_tables_for_people_and_objects_for_programs(api: Served) -> None:
    shown = wst("trend", WST_API=api.url)
    lines = shown.stdout.splitlines()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert lines[0].split()[:3] == ["WORKSPACE", "CPU", "A"]
    assert [line.split()[0] for line in lines[1:3]] == ["blog@laptop", "shop@laptop"]
    assert "hours in Asia/Seoul" in lines[-1]
    assert [one["workspace_id"] for one in json.loads(wst("trend", "shop", "--json", WST_API=api.url).stdout)["trends"]] == ["shop@laptop"]
    ranked = wst("top", "--since", at(0), "--until", at(180), WST_API=api.url).stdout
    assert "325.0 % by web (92%)" in ranked
    assert {"P95"} < set(ranked.splitlines()[1].split())
    of_one = wst("top", "shop", "--since", at(0), "--until", at(180), "--by", "memory", WST_API=api.url).stdout.splitlines()
    assert (of_one[2].split()[0], of_one[3].split()[0], of_one[-1][:6]) == ("db", "web", "peak: ")
    assert json.loads(wst("top", "--json", WST_API=api.url).stdout)["workspaces"] == []


def test_query_prints_a_table_json_csv_and_parquet(api: Served) -> None:
    sql = "SELECT name, count() AS n FROM (SELECT container_name AS name FROM samples) GROUP BY name ORDER BY name"
    lines = wst("query", sql, WST_API=api.url).stdout.splitlines()
    assert ([line.split() for line in lines[:2]], lines[-1]) == ([["name", "n"], ["db", "151"]], "3 rows")
    assert json.loads(wst("query", sql, "--json", WST_API=api.url).stdout)[0] == {"name": "db", "n": 151}
    assert wst("query", sql, "--format", "csv", WST_API=api.url).stdout.splitlines()[:2] == ["name,n", "db,151"]
    refused = wst("query", "SELECT file('/etc/passwd')", WST_API=api.url)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "the function file may not be used here" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("history",), 2, "Missing argument"),
        (("history", "shop", "--step", "soon"), 2, "step"),
        (("history", "shop", "--metric", "fame"), 2, "fame"),
        (("history", "shop", "--json", "--csv"), 2, "exclude each other"),
        (("history", "shop", "--since", "1h", "--until", "2h"), 2, "since"),
        (("trend", "nobody"), 1, "no history of a workspace 'nobody'"),
        (("trend", "--days", "0"), 2, "0 is not in the range"),
        (("top", "--by", "fame"), 2, "fame"),
        (("query", "SELECT"), 2, "sql: "),
    ],
)
def test_whatever_is_wrong_is_one_line_and_an_exit_status(api: Served, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = wst(*arguments, WST_API=api.url)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_without_an_api_each_says_so_with_status_3() -> None:
    for command in (("history", "shop"), ("trend",), ("top",), ("query", "SELECT 1")):
        done = wst(*command, WST_API="http://127.0.0.1:1")
        assert (done.returncode, "no API answers at http://127.0.0.1:1" in done.stderr) == (3, True)


VALUES = st.lists(st.none() | st.floats(0, 1e12), min_size=1, max_size=200)


@given(VALUES, st.integers(1, 100), st.integers(1, 8))
def test_a_plot_is_as_large_as_asked_and_empty_exactly_where_nothing_is_known(values: list[float | None], width: int, height: int) -> None:
    drawn = rows(values, width, height)
    columns = fitted(values, width)
    assert len(drawn) == height
    assert {len(line) for line in drawn} == {min(width, len(values))}
    for number, value in enumerate(columns):
        assert all(line[number] == " " for line in drawn) == (value is None)
    assert len(plot(values, width + 20, height, str)) == height
    assert len(sparkline(values, width)) == min(width, len(values))
