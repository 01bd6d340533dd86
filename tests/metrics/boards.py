"""The dashboards of deploy/grafana, and what their panels ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.platform.process import ROOT

FOLDER: Final = ROOT / "deploy" / "grafana"
BOARDS: Final = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "dashboards").glob("*.json"))}
PROMETHEUS: Final = "prometheus"
CLICKHOUSE: Final = "grafana-clickhouse-datasource"
#: What Grafana puts in for its own variables in PromQL, for a range that is short in a test.
_PROMQL: Final = {"$__rate_interval": "10s", "$__range": "10s"}


@dataclass(frozen=True, slots=True)
class Question:
    """What one panel asks one source: PromQL or SQL."""

    board: str
    title: str
    source: str
    text: str
    legend: str

    def __str__(self) -> str:
        return f"{self.board}: {self.title}"


def questions(source: str) -> list[Question]:
    """All questions to a source, those of variables among them."""
    return [one for name, board in BOARDS.items() for one in _asked(name, board) if one.source == source]


def _asked(name: str, board: dict[str, Any]) -> Iterator[Question]:
    for panel in board["panels"]:
        for number, target in enumerate(panel["targets"]):
            title = panel["title"] + (f" ({number + 1})" if number else "")
            text = target.get("expr") or target["rawSql"]
            yield Question(name, title, target["datasource"]["type"], text, target.get("legendFormat", ""))
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield Question(name, f"variable {variable['name']}", variable["datasource"]["type"], variable["query"], "")


def promql(text: str, workspace: str) -> str:
    """A question as Grafana sends it."""
    for variable, value in _PROMQL.items():
        text = text.replace(variable, value)
    return text.replace("$workspace", workspace)


def sql(text: str, workspace: str, from_s: int, to_s: int, step_s: int = 60) -> str:
    """A question as Grafana and the ClickHouse plugin send it: <https://github.com/grafana/clickhouse-datasource>, pkg/macros."""
    since, until = f"toDateTime({from_s})", f"toDateTime({to_s})"
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {since} AND \1 <= {until}", text)
    text = re.sub(r"\$__timeInterval\((\w+)\)", rf"toStartOfInterval(toDateTime(\1), INTERVAL {step_s} second)", text)
    text = text.replace("$__fromTime", since).replace("$__toTime", until)
    quoted = "'" + workspace.replace("'", "''") + "'"
    return text.replace("${workspace:sqlstring}", quoted)
