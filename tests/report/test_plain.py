"""Items in columns: that they are told as rows are, in every format that has a line for each item."""

from __future__ import annotations

import json

import pytest

from batchmill.report import joblog, otlp, tsv
from batchmill.report.facts import Facts
from batchmill.report.parts import Pass, ReportNode, Run, Visit
from batchmill.report.plain import Plain, in_order
from batchmill.report.rows import Row
from batchmill.report.slot_names import SlotNames

PASSES = [Pass(1000.0, 0.0, 1.0, "killed"), Pass(5000.0, 1.0, 9.0, "finished")]


def page_of(node, **more):
    starts, walls = [0.25, 0.9999996, 1.0, 2.5], [0.5, 0.0000004, 1.25, 3.0]
    failed = Row(node, 18, "failed", 2.0, 0.5, 1, error="ValueError", message="no\tsuch", cpu=0.25)
    return [Plain(node, [10, 17, 19, 100], starts, walls, [0, 1, 0, 2], base=10, **more), failed]


def facts_of(page, node, visits, kept):
    names = SlotNames()
    names.begin(node, 0.0)
    names.join(node, 0, "host\n0", 0)
    about = ReportNode(node, "code", batch=True, visits=visits)
    run = Run("7f30", "flow", "failed", 1000.0, 10.0, journal="--journal '/tmp/a 0'", kept=kept)
    told = (run, [about], lambda: in_order(page, Plain.rows, lambda row: row))
    return [Facts(*told, passes=PASSES, slot_names=names, in_pages=one) for one in (lambda _: [page], None)]


@pytest.mark.parametrize("lines", [tsv.lines, joblog.lines, otlp.lines])
@pytest.mark.parametrize("node", ["size", "size 0", 'a"0\n\u2028b[3].\udc80 '])
def test_what_is_told_of_columns_is_told_of_rows(node, lines):
    figures = {"waited": [0.0, 0.5, 0.0, 0.0], "cpu": [None, 0.1, 1e-7, 2.0], "bytes_out": [None, 0, 1, 2]}
    once, twice = [Visit(0.0, 9.0, 2)], [Visit(0.0, 1.0, 2), Visit(1.0, 8.0, 2)]
    for more in ({}, {**figures, "costs": [None, 0.5, 1e-9, 0.0]}, {"turn": f"{node}, turn 2"}):
        for visits in ([], once, twice):
            for kept in (True, False):
                in_columns, in_rows = facts_of(page_of(node, **more), node, visits, kept)
                told = list(lines(in_columns))
                assert told == list(lines(in_rows))
                if lines is not otlp.lines:
                    assert len(told) == 1 + 5
                    continue
                (line,) = told
                (scoped,) = json.loads(line)["resourceSpans"][0]["scopeSpans"]
                assert len(scoped["spans"]) == 1 + len(visits) + 5


def test_items_are_told_in_their_order():
    plain, row = page_of("size")
    told = in_order([plain, row], lambda one: map(str, one.indexes), lambda one: f"row {one.index}")
    assert list(told) == ["10", "17", "row 18", "19", "100"]
