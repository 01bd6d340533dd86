"""`wst completion`: what a shell needs to complete our commands, options and workspaces."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")
#: How a shell asks us: click looks at it before anything else runs.
_VARIABLE = "_WST_COMPLETE"


@click.command(epilog="""Example: eval "$(wst completion bash)" """)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Prints the script that makes a shell complete what you type.

    Commands, options and workspaces are completed.

    For good: put `eval "$(wst completion bash)"` into ~/.bashrc, the same with zsh into ~/.zshrc, or for fish
    `wst completion fish > ~/.config/fish/completions/wst.fish`.
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    found = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(found(ctx.find_root().command, {}, "wst", _VARIABLE).source())
