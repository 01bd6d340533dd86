"""Settings: environment over file over default, and an error that names what makes no sense."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from schemas.errors import SettingError
from schemas.settings import Settings, load_settings, parse_duration, unknown_variables
from tests.platform.process import ROOT


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def test_the_environment_beats_the_file_and_the_file_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("wst.toml").write_text('collect_interval = "20s"\nsync_interval = 45\nengines = ["unix:///a"]\n')
    monkeypatch.setenv("WST_COLLECT_INTERVAL", "5s")
    settings = load_settings()
    assert (settings.collect_interval, settings.sync_interval, settings.max_retries) == (5.0, 45.0, 3)
    assert settings.engines == ["unix:///a"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WST_COLLECT_INTERVAL", "soon", "write it as"),
        ("WST_COLLECT_INTERVAL", "0", "greater than or equal to 1"),
        ("WST_PARTITIONS", "many", "integer"),
        ("WST_KAFKA_SECURITY_PROTOCOL", "MAGIC", "PLAINTEXT"),
        ("WST_TOPIC_PREFIX", "a b", "pattern"),
        ("WST_CLICKHOUSE_DATABASE", "x; DROP", "pattern"),
        ("WST_API_HOSTS", "https://wst.example.org", "no name of a host"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as refused:
        load_settings()
    assert name in str(refused.value)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_file_that_is_wrong_is_named() -> None:
    Path("wst.toml").write_text("collect_interval = \n")
    with pytest.raises(SettingError, match=r"wst\.toml"):
        load_settings()
    Path("wst.toml").write_text("colect_interval = 5\n")
    with pytest.raises(SettingError, match="is no setting of wst"):
        load_settings()
    Path("wst.toml").write_text('collect_interval = "abc"\n')
    with pytest.raises(SettingError, match=r"collect_interval in wst\.toml"):
        load_settings()


def test_a_secret_may_stand_in_a_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("WST_API_TOKEN_FILE", str(secret))
    settings = load_settings()
    assert settings.api_token is not None
    assert settings.api_token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
    monkeypatch.setenv("WST_API_TOKEN_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingError, match="WST_API_TOKEN_FILE"):
        load_settings()


def test_an_empty_variable_does_not_hide_the_file_of_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    monkeypatch.setenv("WST_API_TOKEN", "")
    monkeypatch.setenv("WST_API_TOKEN_FILE", str(tmp_path / "token"))
    token = load_settings().api_token
    assert token is not None
    assert token.get_secret_value() == "s3cret"


def test_a_misspelt_setting_is_known_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WST_COLECT_INTERVAL", "WST_SYNC_INTERVAL", "WST_API_TOKEN_FILE", "WST_DEBUG", "WST_ENGINES_FILE"):
        monkeypatch.setenv(name, "1")
    assert unknown_variables() == ["WST_COLECT_INTERVAL", "WST_ENGINES_FILE"]


def test_what_the_compose_file_asks_a_shell_for_is_not_called_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = set(re.findall(r"\$\{(WST_[A-Z_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert "WST_GRAFANA_PORT" in asked_for
    for name in asked_for:
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == []


def test_metrics_updates_may_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WST_METRICS_UPDATE_EVERY", "off")
    assert load_settings().metrics_update_every is None


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("10", 10), ("10s", 10), ("5m", 300), ("2h", 7200), ("30d", 2_592_000)])
def test_durations_are_read_with_their_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
