"""What a shell completes, asked as a shell asks; and that every command of ours explains itself with an example."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from rich.cells import cell_len
from rich.console import Console

from schemas.wst import wst as root
from streams.cli import tables
from streams.cli.events import _show
from streams.query.present import state_json
from tests.docs.command_lines import command_lines, fault_of
from tests.face.api_parts import Served, served, whole_state
from tests.face.test_cli import wst


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


COMMANDS = dict(every_command(root))


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_command_explains_itself_with_an_example_that_can_be_parsed(path: tuple[str, ...]) -> None:
    shown = wst(*path, "--help")
    assert shown.returncode == 0
    assert re.search(r"Usage: wst .*\n\n  \S", shown.stdout), "it says what it does"
    example = re.search(r"Example: (.+(?:\n  .+)*)", shown.stdout)
    assert example, "and shows how it is used"
    lines = list(command_lines(re.sub(r"\s*\n\s*", " ", example[1])))
    assert any(line[: len(path)] == list(path) or line[:1] == list(path[:1]) for line in lines), example[1]
    assert [fault_of(line) for line in lines] == [None] * len(lines)


@pytest.mark.parametrize("path", [(), ("dead-letters",), ("topics",)], ids=" ".join)
def test_a_list_of_commands_cuts_no_sentence_short(path: tuple[str, ...]) -> None:
    listed = wst(*path, "--help", COLUMNS="80").stdout.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


def test_what_reads_prints_json_where_it_is_asked_to() -> None:
    """Those that go on for ever, move files or run a part have nothing to read."""
    others = {
        "api", "completion", "dead-letters", "export", "handle", "import", "migrate", "play", "producer", "record", "sink", "topics",
        "topics apply", "up", "worker",
    }  # fmt: skip
    for path, command in COMMANDS.items():
        if " ".join(path) not in others:
            options = {option for each in command.params for option in each.opts}
            assert options & {"--json", "--format"}, path


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program `wst`."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "wst"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m schemas.wst "$@"\n')
    program.chmod(0o755)
    return folder


def completed(shell: Path, *words: str, **settings: str) -> list[str]:
    """What a real bash has completed the last word to."""
    line = f"""source <(wst completion bash); COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
        _wst_completion wst "" ""; printf '%s\\n' "${{COMPREPLY[@]}}" """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "_WST"))}
    environment = ours | {"PATH": f"{shell}:{os.environ['PATH']}"} | settings
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_shell_completes_commands_options_and_the_workspaces_of_the_api(shell: Path) -> None:
    shown = {path[0] for path in COMMANDS}
    assert set(completed(shell, "wst", "")) == shown
    assert completed(shell, "wst", "history", "shop", "--met") == ["--metric"]
    assert completed(shell, "wst", "history", "shop", "--metric", "m") == ["memory"]
    with served(whole_state("shop@laptop"), whole_state("shelf@laptop"), whole_state("blog@laptop")) as api:
        assert completed(shell, "wst", "status", "sh", WST_API=api.url) == ["shelf@laptop", "shop@laptop"]
    assert completed(shell, "wst", "status", "sh", WST_API="http://127.0.0.1:9") == []


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_the_same_program(name: str) -> None:
    script = wst("completion", name).stdout
    assert f"_WST_COMPLETE={name}_complete" in script


HANGUL = whole_state(
    "shop@laptop", workspace_name="쇼핑몰", reason="웹서버가 메모리 부족으로 종료되었습니다 (exit 137)", condition="failing"
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_wide_letters_take_the_cells_they_take(width: int) -> None:
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(tables.workspaces([state_json(HANGUL), state_json(whole_state("blog@laptop"))], width))
    lines = captured.get().splitlines()
    assert len(lines) == 3, "no line is broken"
    assert max(map(cell_len, lines)) <= width
    header = lines[0].index("CONDITION")
    assert all(line[header - 2 : header] == "  " for line in lines[1:]), "columns stand below each other"


@pytest.fixture
def api() -> Iterator[Served]:
    with served(HANGUL) as serving:
        yield serving


def test_a_pipe_gets_no_colour_and_a_terminal_that_wants_none_neither(api: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in wst("status", WST_API=api.url).stdout
    assert "쇼핑몰" in wst("status", "shop@laptop", WST_API=api.url).stdout
    coloured = wst("status", WST_API=api.url, FORCE_COLOR="1", TERM="xterm-256color").stdout
    assert "\x1b[" in coloured
    assert "\x1b[3" not in wst("status", WST_API=api.url, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm-256color").stdout
    _show(iter(()), as_json=True)
    assert capsys.readouterr().out == ""
