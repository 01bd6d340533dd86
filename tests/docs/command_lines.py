"""Command lines as docs and help texts show them, judged by the commands themselves: does it exist, does it take that?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

from schemas.wst import wst as root

_ENDS = frozenset({"|", ">", ">>", "&&", "||", ";", "&"})
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")


def command_lines(block: str) -> Iterator[list[str]]:
    """The words behind each `wst` of a shell block; comments, continued lines and command substitutions are understood."""
    for line in block.replace("\\\n", " ").splitlines():
        inner = re.findall(r"\$\((.*?)\)", line)
        for text in (re.sub(r"\$\(.*?\)", "SUBSTITUTED", line), *inner):
            lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            yield from _commands(list(lexer))


def _commands(words: list[str]) -> Iterator[list[str]]:
    begin = 0
    for end in (*(number for number, word in enumerate(words) if word in _ENDS), len(words)):
        command = words[begin:end]
        while command and _ASSIGNMENT.fullmatch(command[0]):
            command.pop(0)
        if command and command[0].rpartition("/")[2] == "wst":
            yield command[1:]
        begin = end + 1


def fault_of(words: list[str]) -> str | None:
    """What a command line's command would refuse before it did anything; None: nothing."""
    command: click.Command = root
    context: click.Context | None = None
    name, rest = "wst", list(words)
    try:
        while True:
            context = command.make_context(name, list(rest), parent=context)
            if not isinstance(command, click.Group):
                return None
            if not (left := [*context._protected_args, *context.args]):
                return None  # the program, or a group of commands, named alone
            found_name, found, rest = command.resolve_command(context, left)
            if found is None or found_name is None:
                return f"there is no command {rest[0]}"
            command, name = found, found_name
    except click.exceptions.NoArgsIsHelpError:
        return None
    except click.exceptions.Exit:
        return None  # --help, --version
    except click.UsageError as error:
        said = error.format_message()
        return None if re.search(r"(Path|File|Directory) '.*' does not exist", said) else said
