"""The table of a comparison: nothing in it that was not measured."""

from __future__ import annotations

import pytest

from batchmill.bench.case import Sample
from batchmill.bench.compare import cases_of, compare
from batchmill.bench.table import table_of
from batchmill.bench.workload import Workload

pytest.importorskip("rich")


def table(walls, repeat, outputs=None):
    given = {executor: iter(seconds) for executor, seconds in walls.items()}

    def run(workload, case):
        told = (outputs or {}).get(case.executor, {"a": "1"})
        return Sample(next(given[case.executor]), 0.1, [0.01], "success", case.executor, 1, "asked", told)

    cases = cases_of(list(walls), [None], {"python": "CPython"})
    return table_of(compare(Workload("work", {}), cases, repeat, lambda line: None, run))


def cells(found):
    return {str(column.header): list(column.cells) for column in found.columns}


def test_one_run_of_each_has_no_spread():
    found = cells(table({"sequential": [4.0], "thread": [2.0]}, 1))
    assert "spread" not in found
    assert found["× seq."] == ["1.00", "2.00"]


def test_several_runs_have_one():
    found = cells(table({"sequential": [4.0, 8.0], "thread": [2.0, 2.0]}, 2))
    assert found["spread"] == ["±33 %", ""]
    assert found["× seq."][1] == "3.00 (2.00-4.00)"


def test_columns_without_a_word_are_left_out():
    assert "" not in cells(table({"thread": [4.0]}, 1))
    assert "× seq." not in cells(table({"thread": [4.0]}, 1))
    found = cells(table({"sequential": [4.0], "thread": [2.0]}, 1, {"thread": {"a": "2"}}))
    assert "other outputs" in found[""]
