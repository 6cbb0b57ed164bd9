"""A report as plain text."""

from __future__ import annotations

from dataclasses import replace

from batchmill.report import terminal
from batchmill.report.aggregate import report_of
from batchmill.report.sections import Table


def test_it_tells_what_became_of_the_run_and_what_to_do(troubled):
    troubled.run = replace(troubled.run, resume="batchmill resume 7f3a --failed")
    report = report_of(troubled.facts())
    told = "".join(terminal.lines(report))
    first, second, *_, last = told.splitlines()
    assert first == "degraded: run 7f3a of sizes.yaml"
    assert second == report.told["head"][0]
    assert last == "continue with: batchmill resume 7f3a --failed"
    group = report.failures.groups[0]
    assert f"{group.count} × CommandFailed in size: {group.pattern}\n  show it: batchmill show" in told


def test_columns_are_aligned_and_long_tables_cut():
    table = Table(("name", "n"), [["a", "1"], ["long name", "1,000"], *[["x", "2"]] * 40])
    first, second, third, *_, last = terminal.aligned(table)
    assert (first, second, third) == (
        "name           n\n",
        "a              1\n",
        "long name  1,000\n",
    )
    assert last == "... and 12 more\n"


def test_no_text_reaches_the_terminal_as_it_is(hostile):
    for line in terminal.lines(report_of(hostile.facts())):
        assert line.endswith("\n")
        assert line == "\n" or line[:-1].isprintable(), line
