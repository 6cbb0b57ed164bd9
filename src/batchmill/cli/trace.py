"""``batchmill trace``: a run of the journal, item by item, in the formats of other tools."""

from __future__ import annotations

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.journals import Journals
from batchmill.cli.report_files import STDOUT, TRACES, Told
from batchmill.cli.streams import data_only
from batchmill.journal.journal import LAST


@click.command(
    "trace", cls=options.OnceCommand, short_help="Write a run item by item, for Perfetto, awk and others."
)
@click.argument("run", default=LAST)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(tuple(TRACES)),
    default="chrome",
    show_default=True,
    help="; ".join(f"{name}: {one.words}" for name, one in TRACES.items()) + ".",
)
@click.option("-o", "--output", "file", metavar="FILE", default=STDOUT, help="Write FILE; `-` is stdout.")
@options.journal
def command(run: str, wanted: str, file: str, journal_path: str | None) -> int:
    """Write what happened to every item of RUN (its id or the beginning of it, its name, or `last`) to
    stdout, or to FILE, compressed if its name ends in .gz."""
    with Journals(journal_path) as journals, data_only() as data:
        told = Told.of(journals.run(run))
        if file == STDOUT:
            data.write_pieces(TRACES[wanted].pieces(told))
        else:
            TRACES[wanted].write(file, told)
    return Exit.SUCCESS
