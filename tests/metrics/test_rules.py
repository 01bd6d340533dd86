"""The alerts of deploy/prometheus/rules.yml: of declared metrics and labels only, each with a link to what to do."""

from __future__ import annotations

import re
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with apprise

from schemas.metrics import DECLARED
from tests.metrics.test_declared import anchors
from tests.platform.process import ROOT

FILE = ROOT / "deploy" / "prometheus" / "rules.yml"
#: What Prometheus itself knows.
OWN = {"up"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(FILE.read_text("utf-8"))["groups"] for rule in group["rules"]]


def test_every_alert_is_of_metrics_that_are_declared() -> None:
    for rule in rules():
        used = set(re.findall(r"\b(wst_\w+|up)\b", rule["expr"]))
        assert used, rule["alert"]
        assert used - OWN <= set(DECLARED), rule["alert"]
        known = {"job", "part"}.union(*(DECLARED[name].labels for name in used - OWN))
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= known, rule["alert"]


def test_every_alert_links_to_a_heading_that_is_there() -> None:
    for rule in rules():
        page, anchor = re.fullmatch(r"docs/([a-z-]+\.md)#([a-z-]+)", rule["annotations"]["runbook_url"]).groups()  # type: ignore[union-attr]
        assert anchor in anchors((ROOT / "docs" / page).read_text("utf-8")), rule["alert"]


def test_the_tracker_itself_being_silent_is_an_alert_and_no_name_comes_twice() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    assert {"WstTrackerSilent", "WstDeadLetters", "WstEngineSilent"} <= set(names)
