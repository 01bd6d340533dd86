"""The log of every part has the format of the setting, and no name in it forges or hides a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SAYS = """
import logging, sys
from schemas.logs import log_to_stderr
log_to_stderr(sys.argv[1], logging.INFO)
log = logging.getLogger("wst.sink")
log.info("took %s", "a\\nb\\x1b[2J")
try:
    raise ValueError("c\\x1b[2J")
except ValueError:
    log.exception("failed")
"""


def logged(log_format: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", _SAYS, log_format], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stderr.splitlines()


def test_a_line_for_people_shows_control_characters_and_a_traceback_keeps_its_lines() -> None:
    took, failed, *traceback = logged("text")
    assert took.endswith(r" INFO wst.sink: took a\nb\x1b[2J")
    assert failed.endswith(" ERROR wst.sink: failed")
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == r"ValueError: c\x1b[2J"


def test_a_line_for_programs_is_one_object_with_the_traceback_in_it() -> None:
    took, failed = map(json.loads, logged("json"))
    assert (took["level"], took["part"], took["message"]) == ("info", "wst.sink", "took a\nb\x1b[2J")
    assert failed["traceback"].endswith("ValueError: c\x1b[2J")


def test_no_part_sets_up_a_log_of_its_own() -> None:
    sources = [file for package in ("schemas", "producers", "streams") for file in (ROOT / package).rglob("*.py")]
    assert [file.name for file in sources if "basicConfig" in file.read_text("utf-8")] == ["logs.py"]
