"""A real Prometheus: it reads our configuration and rules, scrapes with the token, and answers what the dashboards ask."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with apprise
from pydantic import SecretStr

from schemas.metrics import DECLARED, Figure
from schemas.metrics.telling import Teller
from schemas.settings import Settings
from tests.metrics.boards import PROMETHEUS, Question, promql, questions
from tests.platform.process import ROOT, wait_until
from tests.platform.prometheus import Prometheus, promtool

pytestmark = pytest.mark.prometheus

DEPLOYED = ROOT / "deploy" / "prometheus"
RULE_TESTS = Path(__file__).with_name("rules.test.yml")
TOKEN = "read"  # of the test alone
#: A workspace that is there, and one whose label holds what PromQL would understand.
WORKSPACE = "shop@laptop"


@pytest.fixture(scope="module")
def told() -> Iterator[str]:
    """Address of a part that tells every declared metric, to who has the token."""
    settings = Settings(metrics_port=0, metrics_host="0.0.0.0", api_read_token=SecretStr(TOKEN))  # as in Compose
    teller = Teller(settings, "a part", lambda: (Figure(one, tuple(_label(name) for name in one.labels), 1.0) for one in DECLARED.values()))
    loop = asyncio.new_event_loop()
    task = loop.create_task(teller.run())

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: bool(teller.address), "the part tells")
    yield teller.address.replace("http://0.0.0.0", "127.0.0.1")
    loop.call_soon_threadsafe(task.cancel)
    thread.join()
    loop.close()


def _label(name: str) -> str:
    return {"workspace": WORKSPACE, "status": "active", "condition": "ok"}.get(name, "x")


@pytest.fixture(scope="module")
def prometheus(told: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Compose's configuration, but for where the parts are and how often they are asked."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(TOKEN)
    configuration = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text("utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(DEPLOYED / "rules.yml")]
    for job in configuration["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [told]}]
        job["authorization"]["credentials_file"] = str(token)
    with Prometheus(configuration) as server:
        scraped = 'count_over_time(wst_part_restarts_total{job="wst-parts"}[10s]) >= 3'
        wait_until(lambda: bool(server.query(scraped)), "the part was scraped three times", 180)
        yield server


def test_the_configuration_of_compose_is_one(tmp_path: Path) -> None:
    text = (DEPLOYED / "prometheus.yml").read_text("utf-8").replace("/run/secrets/api_read_token", str(tmp_path / "token"))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "prometheus.yml").write_text(text)
    (tmp_path / "rules.yml").write_bytes((DEPLOYED / "rules.yml").read_bytes())
    done = promtool("check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stderr + done.stdout


def test_alerts_fire_when_they_should_and_only_then() -> None:
    done = promtool("test", "rules", RULE_TESTS)
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_alert_has_a_test_that_it_fires() -> None:
    names = {rule["alert"] for group in yaml.safe_load((DEPLOYED / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]}
    tests = yaml.safe_load(RULE_TESTS.read_text("utf-8"))["tests"]
    assert {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")} == names


def test_what_is_scraped_with_the_token_is_up_and_the_rules_are_loaded(prometheus: Prometheus) -> None:
    assert {(one["metric"]["job"], one["value"][1]) for one in prometheus.query("up")} == {("wst-api", "1"), ("wst-parts", "1")}
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 15
    wait_until(lambda: all(_health(prometheus)), "every rule was evaluated", 60)


def _health(prometheus: Prometheus) -> list[bool]:
    found: list[dict[str, Any]] = prometheus.ask("rules")["groups"]
    return [rule["health"] == "ok" for group in found for rule in group["rules"]]


@pytest.mark.parametrize("question", questions(PROMETHEUS), ids=str)
def test_each_panel_gets_an_answer_with_the_labels_of_its_legend(prometheus: Prometheus, question: Question) -> None:
    found = prometheus.query(promql(question.text, WORKSPACE))
    assert found
    for label in re.findall(r"\{\{(\w+)\}\}", question.legend):
        assert all(one["metric"].get(label) for one in found)
