"""The SQL of Grafana's dashboards, on a real archive: it answers, with times and numbers where a panel draws them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.query.free import FreeQueries
from streams.sinks.clickhouse import Address
from tests.metrics.boards import CLICKHOUSE, Question, questions, sql
from tests.query.story import HOUR_NS
from tests.sinks.records import T0_NS

FROM_S, TO_S = (T0_NS - 240 * HOUR_NS) // 10**9, (T0_NS + 3 * HOUR_NS) // 10**9
#: The story tells of none of these.
EMPTY = {
    "fleet: Alerts in this range",
    "workspace: Alerts",
    "workspace: Facts it follows from",
    "system: Dead letters",
    "system: What engines went through",
}


async def answer(filled: Address, question: Question, workspace: str = "shop@laptop") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await FreeQueries(filled).run(sql(question.text, workspace, FROM_S, TO_S)))
    return found


@pytest.mark.parametrize("question", questions(CLICKHOUSE), ids=str)
async def test_each_question_answers(filled: Address, question: Question) -> None:
    found = await answer(filled, question)
    assert bool(found["data"]) == (str(question) not in EMPTY)
    names = [column["name"] for column in found["meta"]]
    if "time" in names:
        assert names[0] == "time"
        assert "DateTime" in found["meta"][0]["type"]
        moments = [row[0] for row in found["data"]]
        assert moments == sorted(moments)


async def test_a_workspace_s_name_is_text_in_sql(filled: Address) -> None:
    question = next(one for one in questions(CLICKHOUSE) if str(one) == "workspace: Now")
    assert (await answer(filled, question, "x' OR '1'='1"))["data"] == []
