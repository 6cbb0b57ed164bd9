"""``batchmill report``: a run of the journal as text, as a page, and in the formats of other tools."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import click

from batchmill.cli import options
from batchmill.cli.exits import Exit
from batchmill.cli.journals import Journals
from batchmill.cli.streams import DataStream, data_only
from batchmill.errors import StorageError
from batchmill.journal.journal import LAST
from batchmill.nodes.files import write_pieces
from batchmill.report import chrome_trace, html, joblog, markdown, metrics, otlp, terminal, tsv
from batchmill.report.aggregate import report_of
from batchmill.report.facts import Facts
from batchmill.report.model import Report, Values
from batchmill.report.of_journal import facts_of

STDOUT = "-"
GZIP = 31  # what zlib calls its format


@dataclass
class Wanted:
    """A run, and its report once somebody asks for it."""

    facts: Facts
    values: Values

    @cached_property
    def report(self) -> Report:
        return report_of(self.facts, self.values)


FORMATS: dict[str, tuple[str, Callable[[Wanted], Iterable[str]]]] = {
    "html": (
        "a page with charts that needs no network (extra `report`)",
        lambda run: (html.page(run.report),),
    ),
    "markdown": ("Markdown, at most 60 KB", lambda run: markdown.lines(run.report)),
    "trace": (
        "a trace for Perfetto, compressed where FILE ends in .gz",
        lambda run: chrome_trace.pieces(run.facts),
    ),
    "otlp": ("OpenTelemetry's spans, JSON on lines", lambda run: otlp.lines(run.facts)),
    "tsv": ("a table with a line for each item", lambda run: tsv.lines(run.facts)),
    "joblog": ("GNU parallel's log of jobs", lambda run: joblog.lines(run.facts)),
    "metrics": (
        "OpenMetrics text, for Prometheus' textfile collector",
        lambda run: metrics.lines(run.report),
    ),
}
PUBLIC = frozenset({"metrics"})  # read by services of other users; all others may hold what the run worked on


def formats(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each of :data:`FORMATS`."""
    for name, (told, _) in reversed(FORMATS.items()):
        names = (f"--{name}", "-o") if name == "html" else (f"--{name}",)
        command = click.option(*names, name, metavar="FILE", help=f"Write {told}.")(command)
    return command


@click.command("report", short_help="Show where the time of a run went, as text, a page, a trace or a table.")
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
        reader, found, _ = journals.run(run)
        wanted = Wanted(facts_of(reader, found), values)
        for name, file in asked.items():
            _write(name, file, FORMATS[name][1](wanted), data)
        if json_wanted:
            data.write_json(wanted.report.as_json())
        elif not asked:
            _print(terminal.lines(wanted.report), data)
    return Exit.SUCCESS


def _write(name: str, file: str, pieces: Iterable[str], data: DataStream) -> None:
    if file == STDOUT:
        _print(pieces, data)
        return
    encoded = (piece.encode("utf-8", "backslashreplace") for piece in pieces)
    path = os.path.abspath(os.path.expanduser(file))
    written = _compressed(encoded) if name == "trace" and path.endswith(".gz") else encoded
    try:
        write_pieces(path, written, private=name not in PUBLIC)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror or error}") from error


def _print(pieces: Iterable[str], data: DataStream) -> None:
    for piece in pieces:
        data.write(piece)
        if data.broken:
            return


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    made = zlib.compressobj(wbits=GZIP)
    for piece in pieces:
        yield made.compress(piece)
    yield made.flush()
