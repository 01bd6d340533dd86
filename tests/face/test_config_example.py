"""`wst.example.toml` is what `wst config --example` says, and is a settings file once its signs are taken away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from schemas.settings import Settings, load_settings
from streams.cli.config import config

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "wst.example.toml"


def test_the_example_in_the_repository_is_the_one_the_command_makes() -> None:
    assert CliRunner().invoke(config, ["--example"]).output == EXAMPLE.read_text("utf-8"), "run: wst config --example > wst.example.toml"


def test_every_default_it_shows_is_one_the_settings_accept_and_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"WST_{name.upper()}", raising=False)
    settings = [line.removeprefix("# ") for line in EXAMPLE.read_text("utf-8").splitlines() if re.match(r'# [a-z_]+ = (?!"…")', line)]
    assert len(settings) > 20
    Path("wst.toml").write_text("\n".join(settings))
    read = load_settings()
    Path("wst.toml").unlink()
    assert read == load_settings()
