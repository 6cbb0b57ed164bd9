"""``batchmill report``: a run of the journal summed up: as text, as a page, as Markdown, as metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.journals import Journals
from batchmill.cli.report_files import FORMATS, STDOUT, Told
from batchmill.cli.streams import data_only
from batchmill.journal.journal import LAST
from batchmill.report import terminal
from batchmill.report.model import Values


def formats(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each of :data:`FORMATS`."""
    for name, one in reversed(FORMATS.items()):
        names = (f"--{name}", "-o") if name == "html" else (f"--{name}",)
        command = click.option(*names, name, metavar="FILE", help=f"Write {one.words}.")(command)
    return command


@click.command("report", short_help="Show where the time of a run went, as text, a page or metrics.")
@click.argument("run", default=LAST)
@formats
@click.option(
    "--values",
    type=click.Choice(("failed", "none")),
    default="failed",
    show_default=True,
    help="Whose inputs and outputs to show: those of failed and slowest items, or none.",
)
@options.journal
@options.json_flag("Print the report as JSON.")
def command(
    run: str, values: Values, journal_path: str | None, json_wanted: bool, **files: str | None
) -> int:
    """Report on RUN (its name, the beginning of it, or `last`): counts, durations, failures in groups,
    retries, calls and cost, as text or in the files you name. `-` as FILE is stdout."""
    asked = {name: file for name, file in files.items() if file is not None}
    if list(asked.values()).count(STDOUT) + json_wanted > 1:
        raise click.UsageError("only one format can go to stdout; name files for the others")
    with Journals(journal_path) as journals, data_only() as data:
        told = Told.of(journals.run(run), values)
        for name, file in asked.items():
            if file == STDOUT:
                data.write_pieces(FORMATS[name].pieces(told))
            else:
                FORMATS[name].write(file, told)
        if json_wanted:
            data.write_json(told.report.as_json())
        elif not asked:
            data.write_pieces(terminal.lines(told.report))
    return Exit.SUCCESS
