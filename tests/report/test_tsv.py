"""A line for each item."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from batchmill.report import tsv


def table(facts):
    return list(csv.DictReader(tsv.lines(facts), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_item_is_there_with_its_figures(troubled):
    rows, told = list(troubled.every_row()), table(troubled.facts())
    assert len(told) == 2000
    for row, line in zip(rows, told, strict=True):
        assert (line["node"], int(line["index"]), line["state"]) == (row.node, row.index, row.state)
        assert float(line["start"]) == pytest.approx(troubled.run.began + row.start, abs=1e-5)
        assert float(line["wall"]) == pytest.approx(row.wall, abs=1e-6)
        assert (int(line["attempts"]), int(line["slot"]), int(line["rss"])) == (
            row.attempts,
            row.slot,
            row.rss,
        )
        assert line["message"] == row.message


def test_what_is_not_known_is_empty(simulated):
    run = simulated(3)
    facts = replace(
        run.facts(), rows=lambda: (replace(row, start=None, slot=None, cpu=None) for row in run.every_row())
    )
    for line in table(facts):
        assert (line["start"], line["waited"], line["slot"], line["cpu"], line["cost"]) == (
            "",
            "",
            "",
            "",
            "",
        )


def test_no_text_breaks_a_line(hostile):
    made = list(tsv.lines(hostile.facts()))
    assert len(made) == 1 + len(hostile.rows)
    assert {one.count("\t") for one in made} == {len(tsv.COLUMNS) - 1}
    assert all(one.count("\n") == 1 and one.endswith("\n") for one in made)
    "".join(made).encode()
