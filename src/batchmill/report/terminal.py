"""A report as plain text of some dozen lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchmill.report import text
from batchmill.report.model import Report
from batchmill.report.sections import Section, Table, sections
from batchmill.report.words import count

SHOWN = ("nodes", "calls", "passes")  # sections whose tables are shown
MOST_ROWS = 30
MOST_GROUPS = 3


def lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    run = report.run
    yield f"{run.status}: run {text.line(run.name)} of {text.line(run.source)}\n"
    for sentence in report.told.get("head", ()):
        yield f"{sentence}\n"
    for finding in report.advice:
        switch = f" Try {finding.switch}." if finding.switch else ""
        yield f"{finding.sentence}{switch}\n"
    for section in sections(report):
        if section.key == "failures":
            yield from _failures(report)
        elif section.key in SHOWN and section.tables:
            yield from _tables(section)
    for line in dict.fromkeys([*report.missing.values(), *report.left_out]):
        yield f"note: {text.line(line)}\n"
    if run.resume:
        yield f"continue with: {text.line(run.resume)}\n"


def _tables(section: Section) -> Iterator[str]:
    yield "\n"
    for table in section.tables:
        if table.caption:
            yield f"{table.caption}\n"
        yield from aligned(table)
    yield "\n"


def aligned(table: Table) -> Iterator[str]:
    """A table in columns: words to the left, figures to the right."""
    table = table.cut(MOST_ROWS)
    rows: list[Sequence[str]] = [table.head, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if place < table.words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"{'  '.join(cells).rstrip()}\n"
    if table.more:
        yield f"... and {table.more:,} more\n"


def _failures(report: Report) -> Iterator[str]:
    groups = report.failures.groups
    for group in groups[:MOST_GROUPS]:
        where = text.line(group.node, 60)
        said = f": {group.pattern}" if group.pattern else ""
        yield f"{group.count:,} × {text.line(group.type, 60)} in {where}{said}\n"
        for example in group.examples[:1]:
            for one in example.commands[:1]:
                yield f"  {one.does}: {text.line(one.text)}\n"
    if len(groups) > MOST_GROUPS:
        at_least = "more than " if report.failures.ungrouped else ""
        yield f"and {at_least}{count(len(groups) - MOST_GROUPS, 'other group')} of failures\n"
