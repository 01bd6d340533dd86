"""Every query of docs/sql-cookbook.md is run as it stands there, the way its readers run it, and answers about the story."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from streams.query.free import FreeQueries
from streams.sinks.clickhouse import Address
from tests.platform.process import ROOT

PAGE = Path(ROOT) / "docs" / "sql-cookbook.md"
QUERIES = dict(re.findall(r"^## ([^\n]+)\n.*?```sql\n(.*?)```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))


async def answer(address: Address, title: str) -> list[dict[str, Any]]:
    found = json.loads(await FreeQueries(address).run(QUERIES[title]))
    names = [column["name"] for column in found["meta"]]
    return [dict(zip(names, row, strict=True)) for row in found["data"]]


def test_the_page_has_a_query_under_every_heading() -> None:
    assert len(QUERIES) == PAGE.read_text("utf-8").count("\n## ") >= 12


@pytest.mark.parametrize("title", QUERIES)
async def test_each_query_answers(filled: Address, title: str) -> None:
    rows = await answer(filled, title)
    # Neither workspace of the story is idle.
    assert rows or title == "Idle but running"


async def test_the_answers_are_those_of_the_story(filled: Address) -> None:
    growing = await answer(filled, "Trend: who grows")
    assert [row["workspace_id"] for row in growing] == ["shop@laptop", "blog@laptop"]
    assert growing[0]["cores_per_day"] == pytest.approx(0.024, abs=0.012)  # the last days are half days
    assert [row["workspace_id"] for row in await answer(filled, "Top consumers")] == ["shop@laptop", "blog@laptop"]
    peak = (await answer(filled, "Who caused the peak"))[0]
    assert (peak["workspace_id"], peak["container"], peak["share"]) == ("shop@laptop", "web", pytest.approx(3 / 3.25))
    gaps = await answer(filled, "Gaps")
    assert {(row["workspace_id"], row["seconds"]) for row in gaps} == {("shop@laptop", 31 * 60), ("blog@laptop", 31 * 60)}
    (most,) = await answer(filled, "Concurrency")
    assert most["most_at_once"] == 2
    uptime = {row["workspace_id"]: row for row in await answer(filled, "Uptime")}
    assert 0.7 < uptime["shop@laptop"]["uptime"] < 0.9
    assert uptime["blog@laptop"]["unknown_hours"] >= 1
    crashes = {(row["container_name"], row["crashes"], row["killed"]) for row in await answer(filled, "Crashes")}
    # Two crashes each, in one week or in two.
    assert crashes <= {("web", 1, 1), ("web", 2, 2)}
    (engine,) = await answer(filled, "Capacity")
    assert (engine["cpus"], engine["cores_most"]) == (4, pytest.approx(3.35))
    failures = {row["workspace_id"]: row["failures"] for row in await answer(filled, "Time to recovery")}
    assert failures == {"shop@laptop": 2, "blog@laptop": 2}
    assert {row["changes"] for row in await answer(filled, "Flapping")} == {3}
    assert {row["team"] for row in await answer(filled, "Chargeback")} == {"nobody", "shop", "blog"}
