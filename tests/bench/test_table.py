"""The table of a comparison: nothing in it that was not measured, no column without a word."""

from __future__ import annotations

import pytest

from batchmill.bench.table import remarks, tables_of, title_of

pytest.importorskip("rich")

SEQUENTIAL = {"start": 0.02, "per_item": 0.006, "item": 0.006}
PROCESS = {"start": 0.2, "per_item": 0.0031, "item": 0.006, "workers": 2}


def cells(found):
    (table,) = tables_of(found, 200)
    return {str(column.header): list(column.cells) for column in table.columns}


@pytest.mark.parametrize("width", [50, 60, 80])
def test_on_a_narrow_terminal_there_are_several_tables_and_nothing_is_cut(compared, costs, width):
    from rich.console import Console

    both = {"sequential": costs(**SEQUENTIAL), "process": costs(**PROCESS)}
    found, _ = compared(both, builds={"a": "CPython 3.11", "b": "PyPy 3.11"})
    tables = tables_of(found, width)
    (whole,) = tables_of(found, 200)
    heads = [str(column.header) for table in tables for column in table.columns]
    assert [head for head in heads if head not in ("on", "executor")] == [
        str(column.header) for column in whole.columns[2:]
    ]
    console = Console(width=width, no_color=True)
    with console.capture() as shown:
        for table in tables:
            console.print(table)
    assert "…" not in shown.get()


def test_start_and_items_are_told_apart_with_the_break_even(compared, costs):
    found, _ = compared({"sequential": costs(**SEQUENTIAL), "process": costs(**PROCESS)})
    assert title_of(found) == "work: 300 items, measured with 10, 100 and 300 in 1 round"
    assert cells(found) == {
        "executor": ["sequential", "process"],
        "start": ["20 ms", "200 ms"],
        "per item": ["6 ms", "3.1 ms"],
        "10 warm": ["60 ms", "31 ms"],
        "100 warm": ["600 ms", "310 ms"],
        "300 warm": ["1.8 s", "930 ms"],
        "300 cold": ["1.82 s", "1.13 s"],
        "against seq.": ["", "1.6 × as fast"],
        "faster from": ["", "77 items"],
        "efficiency": ["", "97 %"],
        "CPU": ["100 ms", "100 ms"],
        "memory": ["50 MB", "50 MB"],
    }


def test_what_is_slower_is_told_as_slower_and_what_is_computed_has_a_mark(compared, costs):
    both = {"sequential": costs(**SEQUENTIAL), "process": costs(**PROCESS)}
    assert cells(compared(both, items=15)[0])["against seq."] == ["", "2.2 × slower"]
    assert cells(compared(both, items=10_000)[0])["10,000 cold"] == ["~1 min 0 s", "~31.2 s"]
    slow = {"sequential": costs(**SEQUENTIAL), "thread": costs(**{**SEQUENTIAL, "per_item": 0.007})}
    assert cells(compared(slow)[0])["faster from"] == ["", "never"]


def test_several_rounds_have_a_spread(compared, costs):
    many = {**PROCESS, "start": (0.2, 0.4, 0.3)}
    found, _ = compared({"sequential": costs(**SEQUENTIAL), "process": costs(**many)}, rounds=3)
    assert cells(found)["faster from"][1] == "120 items (77-150)"
    assert "±" not in cells(found)["per item"][0]  # all the same


def test_columns_without_a_word_are_left_out(compared, costs):
    found, _ = compared({"thread": costs()})
    assert not {"", "against seq.", "faster from", "efficiency"} & set(cells(found))
    found, _ = compared({"sequential": costs(), "thread": costs()}, outputs={"thread": {"a": "2"}})
    assert "other outputs" in cells(found)[""]


def test_interpreters_are_told_apart(compared, costs):
    found, _ = compared({"thread": costs()}, builds={"a": "CPython 3.11", "b": "PyPy 3.11"})
    assert cells(found)["on"] == ["CPython 3.11", "PyPy 3.11"]


def test_what_takes_from_the_worth_of_figures_is_said_below(compared, costs):
    missing = {"node": None, "index": None, "type": "UnresolvedReference", "message": "none at 99"}
    failed = costs(status="failed", errors=(missing,))
    found, _ = compared({"sequential": failed}, outputs={"sequential": {"a": "2"}})
    told = list(remarks(found))
    assert told[0] == found.advice.sentence
    assert told[0] == "No advice, because all executors had runs that failed."
    assert told[1].startswith(
        "sequential: a run ended as failed (UnresolvedReference: none at 99); if the document "
    )
    starts = (0.2, 2.0, 0.3)
    unsure = {"start": starts, "per_item": 0.0056, "item": 0.0112, "workers": 2}
    found, _ = compared({"sequential": costs(**SEQUENTIAL), "process": costs(**unsure)}, rounds=3)
    assert [line for line in remarks(found) if "rough" in line] == []


def test_what_failed_is_told_once_with_all_the_cases(compared, costs):
    error = {"node": "w", "index": 7, "type": "ZeroDivisionError", "message": "division by zero"}
    both = {name: costs(status="degraded", errors=(error,)) for name in ("sequential", "thread")}
    found, _ = compared(both)
    words = "a run ended as degraded (item 7 of w: ZeroDivisionError: division by zero)."
    assert list(remarks(found))[1] == f"sequential, thread: {words}"
    assert found.advice.executor == "sequential"


def test_an_executor_whose_runs_ended_early_leaves_its_cells_empty(compared, costs):
    both = {"sequential": costs(**SEQUENTIAL), "process": costs(status="failed", ends_at=7)}
    told = cells(compared(both)[0])
    assert [told[head] for head in ("10 warm", "300 warm")] == [["60 ms", ""], ["1.8 s", ""]]
    assert "7 warm" not in told
    assert told["300 cold"] == ["1.82 s", ""]
    assert not {"against seq.", "faster from"} & set(told)


def test_seconds_that_nobody_would_notice_are_the_same(compared, costs):
    short = {"sequential": costs(per_item=5e-5, item=5e-5), "thread": costs(per_item=1e-4, item=5e-5)}
    assert cells(compared(short)[0])["against seq."] == ["", "the same"]


def test_a_cost_that_was_not_measured_is_told_as_a_guess(compared, costs):
    few, _ = compared({"thread": costs(workers=10)}, counts=(2, 5, 15))
    assert any("thread: what a further item costs is a guess" in line for line in remarks(few))
    assert few.figures[0].guessed
    enough, _ = compared({"thread": costs(workers=10)}, counts=(10, 30))
    assert not enough.figures[0].guessed
    assert not any("guess" in line for line in remarks(enough))


def test_a_break_even_point_above_the_measured_items_is_marked_or_not_known(compared, costs):
    process, thread = costs(start=0.2, per_item=0.003, item=0.006, workers=2), costs(workers=10, item=0.006)
    several = {"sequential": costs(per_item=0.006, item=0.006), "process": process, "thread": thread}
    few = cells(compared(several, counts=(2, 5, 15))[0])
    assert few["faster from"] == ["", "~81 items", "not known"]
    assert cells(compared(several, counts=(30, 100, 300))[0])["faster from"] == ["", "81 items", "never"]
