"""Files about a run: those of ``report``, and those that a run writes when it has ended."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from batchmill.cli.journals import Found
from batchmill.errors import StorageError
from batchmill.nodes.append import append_whole
from batchmill.nodes.files import write_pieces
from batchmill.report import chrome_trace, html, joblog, markdown, metrics, otlp, tsv
from batchmill.report.aggregate import report_of
from batchmill.report.facts import Facts
from batchmill.report.model import Report, Values
from batchmill.report.of_journal import facts_of
from batchmill.report.sections import Section

GZIP = 31  # what zlib calls its format
STDOUT = "-"


@dataclass
class Told:
    """A run, with its report made on demand; ``first`` are sections before those of the report."""

    facts: Facts
    values: Values = "failed"
    first: Sequence[Section] = ()

    @classmethod
    def of(cls, found: Found, values: Values = "failed") -> Told:
        return cls(facts_of(found.reader, found.run), values)

    @cached_property
    def report(self) -> Report:
        return report_of(self.facts, self.values)


@dataclass(frozen=True)
class Format:
    """A file format: ``words`` for its help, ``pieces`` of text. It replaces the content of the file, or is
    appended (``added``). A new ``private`` file, which may hold data of the run, is readable only by the
    user."""

    words: str
    pieces: Callable[[Told], Iterable[str]]
    added: bool = False
    private: bool = True

    def write(self, file: str, told: Told) -> None:
        """Raises :class:`StorageError`."""
        encoded = (piece.encode("utf-8", "backslashreplace") for piece in self.pieces(told))
        path = os.path.abspath(os.path.expanduser(file))
        try:
            if self.added:
                append_whole(path, b"".join(encoded), 0o600)
            else:
                written = _compressed(encoded) if path.endswith(".gz") else encoded
                write_pieces(path, written, private=self.private)
        except OSError as error:
            raise StorageError(f"{file} cannot be written: {error.strerror or error}") from error


PAGE = Format(
    "a page with charts that needs no network (extra `report`)",
    lambda run: (html.page(run.report, run.first),),
)
MARKDOWN = Format("Markdown, at most 60 KB", lambda run: markdown.lines(run.report, run.first))
METRICS = Format(
    "OpenMetrics text, for Prometheus' textfile collector",
    lambda run: metrics.lines(run.report),
    private=False,
)
FORMATS = {"html": PAGE, "markdown": MARKDOWN, "metrics": METRICS}
"""Formats that sum a run up."""

TRACES = {
    "chrome": Format("a trace for Perfetto", lambda run: chrome_trace.pieces(run.facts)),
    "otlp": Format("OpenTelemetry's spans, JSON on lines", lambda run: otlp.lines(run.facts)),
    "tsv": Format("a table with a line for each item", lambda run: tsv.lines(run.facts)),
    "joblog": Format("GNU parallel's log of jobs", lambda run: joblog.lines(run.facts)),
}
"""Formats with an entry for every item."""

AT_THE_END = {
    "report": PAGE,
    "trace": TRACES["chrome"],
    "summary": Format("", MARKDOWN.pieces, added=True),
    "metrics": METRICS,
    "joblog": TRACES["joblog"],
}


def require(names: Iterable[str]) -> None:
    """Raises :class:`~batchmill.errors.MissingExtra` where one of the files cannot be written here."""
    if "report" in names:
        html.require_extra()


def write_at_the_end(files: Mapping[str, str], found: Found) -> None:
    """Write files about a run, by the names of :data:`AT_THE_END`. Raises :class:`StorageError` for one that
    cannot be written, after the others."""
    faults: list[StorageError] = []
    told = Told.of(found)
    for name, file in files.items():
        try:
            AT_THE_END[name].write(file, told)
        except StorageError as fault:
            faults.append(fault)
    if faults:
        raise faults[0]


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    made = zlib.compressobj(wbits=GZIP)
    for piece in pieces:
        yield made.compress(piece)
    yield made.flush()
