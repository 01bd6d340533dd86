"""Every command that the docs show exists and takes what it is shown with; inline ones too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.command_lines import command_lines, fault_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "README.ko.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "runbooks").glob("*.md")])
#: Stands in a line of prose for what one puts there oneself: `wst mute WORKSPACE|ENGINE --for D`.
_PLACEHOLDER = re.compile(r"[A-Z]{1,}\b|…|\.\.\.|\||\[")


def lines_of(page: Path) -> list[list[str]]:
    text = page.read_text("utf-8")
    found = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in command_lines(block)]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = [code.replace("\n", " ") for code in re.findall(r"`((?:[A-Z_]+=\S+ )*wst [^`]+)`", prose)]
    return found + [line for code in inline if not _PLACEHOLDER.search(code) for line in command_lines(code)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_exists_and_takes_its_arguments(page: Path) -> None:
    for line in lines_of(page):
        assert fault_of(line) is None or _only_named(line), f"wst {' '.join(line)}: {fault_of(line)}"


def _only_named(line: list[str]) -> bool:
    """A command that prose only names: `wst history`."""
    return len(line) <= 2 and (fault_of(line) or "").startswith("Missing argument")


def test_what_does_not_exist_is_noticed() -> None:
    block = 'wst stauts\nWST_API=x .venv/bin/wst history shop --metrics cpu | head\neval "$(wst completion tcsh)"\nls wst'
    assert [fault_of(line) is None for line in command_lines(block)] == [False, False, False]
    assert [fault_of(line) for line in command_lines("wst history shop --since 2d \\\n  --metric cpu && wst status")] == [None, None]


def test_every_page_can_be_found_from_the_index_and_no_link_is_dead() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)", index))
    assert linked >= {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert "://" in target or target.startswith("mailto:") or (page.parent / target).exists(), f"{page.name}: {target}"
