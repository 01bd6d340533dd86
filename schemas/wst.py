"""The command `wst`: assembled from whatever is installed, errors for people in one line."""

from __future__ import annotations

import ast
import os
import sys
import traceback
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click
from click.utils import make_default_short_help

from schemas.errors import SettingError, WstError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

GROUP: Final = "wst.commands"
#: Slowest and fastest that a recording is played: `wst up` hands its `--speed` on to the `wst play` of another package.
SPEEDS: Final = (0.01, 10_000.0)
#: Exit status of a command that Ctrl-C ended, as shells have it: 128 + SIGINT.
_INTERRUPTED: Final = 130
_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Commands(click.Group):
    """A group whose commands are the entry points of `wst.commands`, each imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        return sorted(_installed())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands by what their source says: importing them all takes a second or more."""
        found = {name: _summary(entry) for name, entry in sorted(_installed().items())}
        width = formatter.width - 6 - max(map(len, found), default=0)
        with formatter.section("Commands"):
            formatter.write_dl([(name, make_default_short_help(text, width)) for name, text in found.items() if text is not None])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What may stand here, for a shell; whoever pressed Tab does not wait for all commands to be imported."""
        from click.shell_completion import CompletionItem

        found = {name: _summary(entry) for name, entry in sorted(_installed().items()) if name.startswith(incomplete)}
        items = [CompletionItem(name, help=make_default_short_help(text)) for name, text in found.items() if text is not None]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or one that says what is missing; None: there is none."""
        entry = _installed().get(cmd_name)
        if entry is None:
            return None
        try:
            command = entry.load()
        except ModuleNotFoundError as error:
            return _unavailable(cmd_name, _missing(error))
        if not isinstance(command, click.Command):
            raise TypeError(f"the entry point {entry.name} = {entry.value} is no click command")
        return command


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _summary(entry: EntryPoint) -> str | None:
    """First sentence of a command's help; None: it is hidden."""
    try:
        spec = find_spec(entry.module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        return "(not installed)"
    for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
            keywords = [keyword for call in node.decorator_list if isinstance(call, ast.Call) for keyword in call.keywords]
            hidden = any(
                keyword.arg == "hidden" and isinstance(keyword.value, ast.Constant) and keyword.value.value for keyword in keywords
            )
            return None if hidden else ast.get_docstring(node) or ""
    raise TypeError(f"the entry point {entry.name} = {entry.value} is no function of its module")


def _missing(error: ModuleNotFoundError) -> str:
    """What is missing and how to get it."""
    package = (error.name or "?").split(".")[0]
    if package in ("schemas", "producers", "streams"):
        return f"this installation lacks {error.name}; install it again: pip install workspace-status"
    extra = "embedded" if package in ("chdb", "confluent_kafka") else "streams"
    return f"it needs the package {package}: pip install 'workspace-status[{extra}]'"


def _unavailable(name: str, why: str) -> click.Command:
    @click.command(name, help=f"(not installed) {why}", context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        raise SettingError(f"`wst {name}` is not installed", why)

    return command


@click.command(cls=Commands, context_settings=_CONTEXT, epilog="Example: wst up")
@click.version_option(package_name="workspace-status", prog_name="wst")
def wst() -> None:
    """Tracks the status and the use of workspaces that run as Docker containers."""


def run(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0 well, 1 the answer is no, 2 wrong usage, 3 out of reach."""
    try:
        status = wst.main(args=arguments, prog_name="wst", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`wst events | head`): nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("WST_DEBUG"):
            traceback.print_exc()
        line, status = _explain(error)
        click.echo(f"wst: {visible(line)}", err=True)
    return status if isinstance(status, int) else 0


def _explain(error: Exception) -> tuple[str, int]:
    """One line for people, and the exit status."""
    match error:
        case WstError():
            return str(error), error.exit_code
        case click.UsageError():
            return error.format_message() + (f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""), 2
        case click.ClickException():
            return error.format_message(), error.exit_code
        case ModuleNotFoundError():
            return f"not all is installed: {_missing(error)}", 2
    return f"a fault of wst itself: {type(error).__name__}: {error} (WST_DEBUG=1 shows where)", 1


def visible(text: str) -> str:
    """Makes control characters visible: names in a line may be anyone's, and a terminal obeys escape sequences."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def main() -> NoReturn:
    """Entry point of the program `wst` and of `python -m schemas.wst`."""
    sys.exit(run())


if __name__ == "__main__":
    main()
