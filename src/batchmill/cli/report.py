"""``batchmill report``: a run of the journal summed up: as text, as a page, as Markdown, as metrics."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.faults import say
from batchmill.cli.journals import Journals
from batchmill.cli.report_files import FORMATS, STDOUT, Told
from batchmill.cli.streams import data_only
from batchmill.journal.journal import LAST
from batchmill.report import against as side_by_side
from batchmill.report import terminal
from batchmill.report.model import Values


def formats(command: Callable[..., object]) -> Callable[..., object]:
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
    help="Show inputs and outputs of failed and slowest items, or none.",
)
@click.option(
    "--against",
    metavar="RUN",
    help="Compare the run with another one: as text, with --json, in the page or in Markdown.",
)
@click.option("--open", "opened", is_flag=True, help="Show the page in a browser.")
@options.journal
@options.json_flag("Print the report as JSON.")
def command(
    run: str,
    values: Values,
    against: str | None,
    opened: bool,
    journal_path: str | None,
    json_wanted: bool,
    **files: str | None,
) -> int:
    """Report on RUN (its id or the beginning of it, its name, or `last`): counts, durations, failures in
    groups, retries, calls and cost, as text or in the files you name. `-` as FILE is stdout.

    --open without --html writes the page to report-RUN.html."""
    asked = {name: file for name, file in files.items() if file is not None}
    if against is not None and "metrics" in asked:
        raise click.UsageError("--against cannot be combined with --metrics: keep one")
    if opened and asked.get("html") == STDOUT:
        raise click.UsageError("--open needs a file: name one with --html, or leave --html out")
    if list(asked.values()).count(STDOUT) + json_wanted > 1:
        raise click.UsageError("only one format can go to stdout; name files for the others")
    with Journals(journal_path) as journals, data_only() as data:
        found = journals.run(run)
        told = Told.of(found, values)
        compared: side_by_side.Against | None = None
        if against is not None:
            other = Told.of(journals.run(against), values)
            compared = side_by_side.against(told.facts, told.report, other.facts, other.report)
            told.first = [side_by_side.section(compared)]
        if opened:
            asked.setdefault("html", f"report-{found.run.name}.html")
        for name, file in asked.items():
            if file == STDOUT:
                data.write_pieces(FORMATS[name].pieces(told))
            else:
                FORMATS[name].write(file, told)
        if json_wanted:
            data.write_json((told.report if compared is None else compared).as_json())
        elif not asked:
            whole = terminal.lines(told.report) if compared is None else side_by_side.lines(compared)
            data.write_pieces(whole)
        return _open(asked["html"]) if opened else Exit.SUCCESS


def _open(file: str) -> int:
    """Show a page in the user's browser."""
    path = Path(file).expanduser().absolute()
    say(f"wrote {file}")
    if webbrowser.open(path.as_uri()):
        return Exit.SUCCESS
    say(f"error: no browser could be started; open {file} yourself")
    return Exit.ENVIRONMENT
