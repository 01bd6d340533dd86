"""The dashboards for Grafana: importable anywhere, of declared metrics only, and drawn as they are meant to be."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with apprise

from schemas.metrics import DECLARED
from tests.metrics.boards import BOARDS, CLICKHOUSE, FOLDER, PROMETHEUS, Question, questions

#: What Prometheus itself knows.
OWN = {"up"}
NAME = re.compile(r"\b(wst_\w+|up)\b(?!\()")


def test_there_are_three_each_with_its_file_and_a_title() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {name: f"wst-{name}" for name in ("fleet", "system", "workspace")}
    assert len({board["title"] for board in BOARDS.values()}) == 3


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_names_its_sources_by_variables_and_nothing_by_an_id_of_ours(name: str) -> None:
    board = BOARDS[name]
    sources = {one["name"]: one["query"] for one in board["templating"]["list"] if one["type"] == "datasource"}
    assert sources == {"prometheus": PROMETHEUS, "clickhouse": CLICKHOUSE}
    used = [target["datasource"] for panel in board["panels"] for target in panel["targets"]]
    used += [one["datasource"] for one in board["templating"]["list"] if one["type"] == "query"]
    assert {(one["type"], one["uid"]) for one in used} <= {(PROMETHEUS, "${prometheus}"), (CLICKHOUSE, "${clickhouse}")}
    assert "id" not in board


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_ids_and_places_of_their_own(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs), panel["title"]
    for one, other in combinations(panels, 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), f"{one['title']} lies on {other['title']}"


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return one["x"] + one["w"] > 24 or not (beside or above)


@pytest.mark.parametrize("question", questions(PROMETHEUS), ids=str)
def test_promql_is_of_declared_metrics_and_their_labels(question: Question) -> None:
    used = set(NAME.findall(question.text))
    assert used
    assert used - OWN <= set(DECLARED)
    known = {"job", "instance", "part"}.union(*(DECLARED[name].labels for name in used - OWN))
    labels = set(re.findall(r"\{\{(\w+)\}\}", question.legend))
    for grouped in re.findall(r"\bby \(([^)]*)\)", question.text):
        labels |= {label.strip() for label in grouped.split(",")}
    for matchers in re.findall(r"\{([^}]*)\}", question.text):
        labels |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    assert labels <= known
    # A counter is only worth its increase.
    for name in used - OWN:
        counts = DECLARED[name].kind == "counter"
        assert counts == bool(re.search(rf"\b(rate|increase)\({name}\b", question.text)), name


def test_the_sources_that_are_provisioned_are_those_the_boards_ask_for() -> None:
    found = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "wst.yml").read_text("utf-8"))["datasources"]
    assert {one["type"] for one in found} == {PROMETHEUS, CLICKHOUSE}
    clickhouse = next(one for one in found if one["type"] == CLICKHOUSE)
    assert clickhouse["jsonData"]["username"] == "wst_reader"
    assert clickhouse["secureJsonData"] == {"password": "$__file{/run/secrets/clickhouse_reader}"}


def test_no_board_shows_untrusted_text_as_markup() -> None:
    def markup(value: Any) -> bool:
        if isinstance(value, dict):
            return value.get("mode") == "html" or value.get("type") in ("markdown", "text") or any(map(markup, value.values()))
        return isinstance(value, list) and any(map(markup, value))

    assert not any(markup(board["panels"]) for board in BOARDS.values())
