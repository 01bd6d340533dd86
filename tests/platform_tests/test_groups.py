"""Groups: a missing part is skipped and named on a laptop, and fails in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform.process import ROOT

ONE_ENGINE_TEST = "tests/platform_tests/test_engine.py::test_inspect_gives_every_container_by_name"


@pytest.fixture
def path_without_dockerd(tmp_path: Path) -> str:
    """A PATH on which everything is found that is found here, but no `dockerd`."""
    for folder in reversed(os.environ["PATH"].split(":")):
        for program in Path(folder).glob("*"):
            link = tmp_path / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    (tmp_path / "dockerd").unlink(missing_ok=True)
    return str(tmp_path)


def run_one_engine_test(path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    without_ci = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ONE_ENGINE_TEST],
        cwd=ROOT,
        env=without_ci | {"PATH": path} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_on_a_laptop_a_missing_part_is_skipped_and_the_run_says_how_to_get_it(path_without_dockerd: str) -> None:
    assert shutil.which("dockerd", path=path_without_dockerd) is None
    run = run_one_engine_test(path_without_dockerd)
    assert run.returncode == 0, run.stdout
    assert "groups left out" in run.stdout
    assert "engine: 1 tests need a private Docker Engine" in run.stdout
    assert "To get it: " in run.stdout
    assert run.stdout.splitlines()[-1].startswith("1 skipped in ")


def test_in_ci_a_missing_part_fails(path_without_dockerd: str) -> None:
    run = run_one_engine_test(path_without_dockerd, CI="true")
    assert run.returncode == 1, run.stdout
    assert "To get it: " in run.stdout
    assert run.stdout.splitlines()[-1].startswith("1 error in ")


def test_tests_that_need_no_part_run_before_those_that_do() -> None:
    files = ["tests/platform_tests/test_kafka.py", "tests/platform_tests/test_groups.py"]
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *files], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tests = [line for line in listed.stdout.splitlines() if "::" in line]
    needs_a_broker = ["test_kafka" in test for test in tests]
    assert set(needs_a_broker) == {True, False}
    assert needs_a_broker == sorted(needs_a_broker)
