"""``batchmill completion``: the script with which a shell completes commands and options; click makes it, and
answers it."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from batchmill.cli.streams import data_only

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_BATCHMILL_COMPLETE"
"""The variable by which the script asks; click reads it where the command begins."""


@click.command("completion", short_help="Print the completion script for bash, zsh or fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script for SHELL that completes commands and options with the tab key.

    \b
    bash, in ~/.bashrc:  eval "$(batchmill completion bash)"
    zsh, in ~/.zshrc:    eval "$(batchmill completion zsh)"
    fish:                batchmill completion fish > ~/.config/fish/completions/batchmill.fish
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101  # click has all of SHELLS
    group = ctx.find_root().command
    with data_only() as data:
        data.write_line(made(group, {}, "batchmill", VARIABLE).source())
