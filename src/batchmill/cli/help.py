"""``batchmill help``: the same text as ``--help``."""

from __future__ import annotations

import click

from batchmill.cli.streams import data_only


@click.command("help", short_help="Show the help of a command.")
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(ctx: click.Context, name: str | None) -> None:
    """Show what COMMAND does and its options; without COMMAND the list of commands."""
    outer = ctx.parent
    assert outer is not None  # noqa: S101  # it is a command of the group
    group = outer.command
    text = outer.get_help()
    if name is not None:
        assert isinstance(group, click.Group)  # noqa: S101  # as above
        found, wanted, _ = group.resolve_command(outer, [name])
        assert wanted is not None  # noqa: S101  # it complains of a command that is not there
        text = wanted.get_help(click.Context(wanted, parent=outer, info_name=found))
    with data_only() as data:
        data.write_line(text)
