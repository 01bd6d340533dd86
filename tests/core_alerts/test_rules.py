"""Rules from settings: they mean what they say, or one line says what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from schemas.alert_rules import Metric
from schemas.errors import SettingError
from schemas.settings import load_settings
from streams.core.thresholds import METRICS, rules_of
from streams.rules import threshold_rules


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_the_metrics_a_rule_may_name_are_those_that_can_be_judged() -> None:
    assert set(get_args(Metric)) == set(METRICS)


def test_cpu_and_memory_are_watched_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(rule.name, rule.above) for rule in threshold_rules(load_settings())] == [("cpu", 80.0), ("memory", 85.0)]
    monkeypatch.setenv("WST_CPU_THRESHOLD", "95")
    assert threshold_rules(load_settings())[0].above == 95.0


def test_rules_in_the_settings_file_are_for_the_workspaces_they_match() -> None:
    Path("wst.toml").write_text(
        '[[alert_rules]]\nname = "cpu"\nabove = "off"\nworkspaces = ["build-*"]\n'
        '[[alert_rules]]\nname = "many processes"\nmetric = "pids"\nabove = 500\npoints = 6\nin_a_row = 6\nin_all = 6\n'
    )
    rules = threshold_rules(load_settings())
    assert [rule.name for rule in rules_of(rules, "build-7@ci")] == ["memory", "many processes"]
    assert [rule.name for rule in rules_of(rules, "shop@laptop")] == ["cpu", "memory", "many processes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\nmetric = "temperature"\nabove = 1', "1.metric"),
        ('name = "x"\nmetric = "pids"\nabove = -1', "1.above"),
        ('name = "x"\nmetric = "pids"\nabove = nan', "1.above"),
        ('name = "x"\nmetric = "pids"', "1.above"),
        ('name = "x"\nmetric = "pids"\nabove = 1\nin_a_row = 30', "neither can be more"),
        ('name = "\\u001b[31m"\nmetric = "pids"\nabove = 1', "1.name"),
        ('name = "x"\nmetric = "pids"\nabove = 1\nseverity = 3', "1.severity"),
    ],
)
def test_a_rule_that_makes_no_sense_is_named_with_its_place(text: str, said: str) -> None:
    Path("wst.toml").write_text(f"[[alert_rules]]\n{text}\n")
    with pytest.raises(SettingError, match=r"alert_rules in wst\.toml") as error:
        load_settings()
    assert said in str(error.value)


def test_a_rule_in_the_environment_that_is_no_json_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WST_ALERT_RULES", "cpu>80")
    with pytest.raises(SettingError, match="alert_rules"):
        load_settings()
