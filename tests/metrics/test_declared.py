"""Every metric is declared once, in Prometheus's words, and docs/metrics.md says what is declared; WST_REGENERATE=1 writes it anew."""

from __future__ import annotations

import os
import re

import pytest

from schemas.metrics import DECLARED, fleet, system
from schemas.metrics.declared import Metric, declare
from tests.platform.process import ROOT

PAGE = ROOT / "docs" / "metrics.md"
BEGIN = "<!-- generated from schemas/metrics; WST_REGENERATE=1 pytest tests/metrics/test_declared.py writes it anew -->\n"
UNITS = {"s": "_seconds", "bytes": "_bytes", "cores": "_cores", "bytes/s": "_bytes_per_second", "0 to 1": "_ratio"}


def table(metrics: list[Metric]) -> str:
    rows = ["| metric | kind | unit | labels | what | what to do |\n|---|---|---|---|---|---|\n"]
    for metric in metrics:
        labels = " ".join(f"`{label}`" for label in (*metric.labels, *(["part"] if metric.of_parts else [])))
        rows.append(f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.help} | {remedy(metric.remedy)} |\n")
    return "".join(rows)


def remedy(text: str) -> str:
    """Pages of the docs as links."""
    return "" if text == "-" else re.sub(r"docs/([a-z-]+\.md)(#[a-z-]+)?", r"[\1\2](\1\2)", text)


def page() -> str:
    of_fleet = [metric for metric in DECLARED.values() if not metric.of_parts]
    of_system = [metric for metric in DECLARED.values() if metric.of_parts]
    parts = "Of each part; the API of a tree shows all its parts'."
    return f"## The fleet\n\nFrom the API.\n\n{table(of_fleet)}\n## The system itself\n\n{parts}\n\n{table(of_system)}"


def test_the_page_on_metrics_says_what_is_declared() -> None:
    head, _, generated = PAGE.read_text("utf-8").partition(BEGIN)
    if os.environ.get("WST_REGENERATE"):
        PAGE.write_text(head + BEGIN + "\n" + page(), "utf-8")
        return
    assert generated == "\n" + page(), "WST_REGENERATE=1 pytest tests/metrics/test_declared.py writes the page anew"


def test_names_are_as_prometheus_has_them() -> None:
    for metric in DECLARED.values():
        assert re.fullmatch(r"wst_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert not metric.unit or UNITS[metric.unit] in metric.name
        assert metric.help.endswith(".")
        assert metric.remedy
        assert "part" not in metric.labels
        assert len(set(metric.labels)) == len(metric.labels)


def test_no_name_is_declared_twice() -> None:
    with pytest.raises(ValueError, match="wst_workspaces is declared twice"):
        declare("wst_workspaces", "gauge", "", "Again.", "-")


def test_every_page_and_heading_named_by_a_remedy_is_there() -> None:
    for metric in DECLARED.values():
        for name, anchor in re.findall(r"docs/([a-z-]+\.md)(?:#([a-z-]+))?", metric.remedy):
            text = (ROOT / "docs" / name).read_text("utf-8")
            assert not anchor or anchor in anchors(text), f"{metric.name}: {name}#{anchor}"


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as the usual renderers make them."""
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def test_every_metric_declared_is_told_by_some_part() -> None:
    """By name of its constant, in the code outside the declarations."""
    code = "".join(
        path.read_text("utf-8")
        for package in ("producers", "streams", "schemas")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("fleet.py", "system.py") or "metrics" not in path.parts
    )
    for module, prefix in ((fleet, "fleet"), (system, "system")):
        for name, metric in vars(module).items():
            if isinstance(metric, Metric):
                assert re.search(rf"\b{prefix}\.{name}\b", code), f"{metric.name} is told by nobody"
