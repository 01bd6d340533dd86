"""What the README says is so: its commands exist, its settings exist, the Korean one says the same commands."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

from schemas.settings import PREFIX, SECRETS, Settings
from schemas.topics import ALL

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
KOREAN = (ROOT / "README.ko.md").read_text("utf-8")


def command_blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_the_first_screen_has_the_picture_and_the_two_commands() -> None:
    first_screen = README.split("\n## ", maxsplit=1)[0]
    assert "Docker Engine ──" in first_screen
    assert re.search(r"^make up ", first_screen, re.MULTILINE)
    assert re.search(r"^make test ", first_screen, re.MULTILINE)
    assert "What it will not do" in first_screen


def test_the_korean_readme_gives_the_same_commands_to_the_letter() -> None:
    assert command_blocks(KOREAN) == command_blocks(README)[: len(command_blocks(KOREAN))]
    assert len(command_blocks(KOREAN)) == 2


def test_every_command_shown_is_one() -> None:
    known = {entry.name for entry in entry_points(group="wst.commands")}
    shown = set(re.findall(r"^(?:\.venv/bin/)?wst ([a-z-]+)", "\n".join(command_blocks(README)), re.MULTILINE))
    assert shown
    assert shown <= known


def test_every_setting_shown_is_one() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}
    shown = {name for name in re.findall(r"WST_[A-Z_]+[A-Z]", README) if name != "WST_"}
    assert shown
    assert shown <= known


def test_every_topic_has_its_line_and_its_retention() -> None:
    rows = {match[1]: match[2] for match in re.finditer(r"^\| `([a-z.]+)` \| .* \| ([^|]*) \|$", README, re.MULTILINE)}
    for topic in ALL:
        kept = "compacted" if topic.retention_ms is None else f"{topic.retention_ms // 86_400_000} days"
        assert kept in rows[topic.name], topic.name


def test_nothing_is_left_to_be_filled_in() -> None:
    assert not re.search(r"@[A-Z]+@", README + KOREAN)
