"""The hot modules as machine code give what they give as Python, and only code of the present sources is ever used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas import compile as compiler
from schemas import compiled


def digest(of: str, how: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.{of}.digest"],
        cwd=compiled.ROOT, env={**os.environ, "WST_COMPILED": how}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, file = done.stdout.split()
    return found, file


@pytest.mark.parametrize("of", ["core_usage", "core_state"])
def test_the_same_logs_give_the_same_bytes_as_python_and_as_what_is_there(of: str) -> None:
    plain, by_python = digest(of, "off")
    present, by = digest(of, "")
    assert present == plain
    assert by_python.endswith(".py")
    assert by.endswith(compiled.SUFFIX if compiled.folder().is_dir() else ".py")


def test_code_of_other_sources_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = tmp_path / "streams/core"
    core.mkdir(parents=True)
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    of_the_present_sources = compiled.folder.__wrapped__
    (core / "usage.py").write_text("ONE = 1\n")
    first = of_the_present_sources()
    (core / "usage.py").write_text("ONE = 2\n")
    assert of_the_present_sources() != first
    (core / "usage.py").write_text("ONE = 1\n")
    assert of_the_present_sources() == first
    (core / "facts.py").write_text("")  # its constants become part of the code
    assert of_the_present_sources() != first


def test_without_a_translation_everything_is_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FOLDER", tmp_path / "none")
    before = list(sys.meta_path)
    assert compiled.install() is False
    assert sys.meta_path == before


@pytest.mark.parametrize(("without", "named"), [("compiler", "C compiler"), ("mypyc", "mypy")])
def test_what_is_missing_to_translate_is_named_and_is_no_failure(
    without: str, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if without == "compiler" else name)
    monkeypatch.setattr("schemas.compile.find_spec", lambda name: None if without == "mypyc" else name)
    monkeypatch.setattr("pathlib.Path.exists", lambda path: True)
    monkeypatch.setattr(sys, "argv", ["compile"])
    assert compiler.main() == 0
    assert named in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["compile", "--required"])
    assert compiler.main() == 1
