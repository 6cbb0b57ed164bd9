"""A run in sentences."""

from __future__ import annotations

import pytest

from batchmill.report import terminal
from batchmill.report.aggregate import report_of
from batchmill.report.facts import Facts
from batchmill.report.parts import Pass, ReportNode, Run
from batchmill.report.rows import Row


def test_the_head_tells_counts_and_rate(troubled):
    report = report_of(troubled.facts())
    done = 2000 - report.failed
    assert report.told["head"][0] == (
        f"{done:,} of 2,000 items are done, {report.failed} failed in {len(report.failures.groups)} groups, "
        f"{report.retries.saved} saved by another attempt."
    )
    assert "items/s over" in report.told["head"][1]


def test_a_section_without_anything_to_say_says_nothing(simulated):
    told = report_of(simulated(10).facts()).told
    assert told["failures"] == ["Nothing failed."]
    assert not {"calls", "retries", "passes"} & told.keys()


def test_passes_are_counted():
    passes = [Pass(1000.0, 0.0, 1.0), Pass(5000.0, 1.0, 1.0), Pass(9000.0, 2.0, 1.0)]
    report = report_of(Facts(Run("7f3a", "f", "success", 1000.0, 3.0), [], tuple, passes=passes))
    assert "resumed 2 times" in report.told["passes"][0]
    assert report.told["head"][1] == "It took 3 s in 3 passes."


def test_no_rate_is_told_of_a_run_whose_length_nobody_knows(simulated):
    run = simulated(10)
    run.more["passes"] = [Pass(1000.0, 0.0, 0.001, "killed", at_least=True)]
    assert report_of(run.facts()).told["head"][1].startswith("It took at least ")


def test_no_sentence_has_a_character_that_is_not_seen(hostile):
    for sentences in report_of(hostile.facts()).told.values():
        for one in sentences:
            assert one.isprintable(), one


def test_what_failed_inside_items_is_not_passed_over():
    rows = [Row("n", 0, "degraded", 1.0, 1.0, 0), Row("n", 1, "ok", 2.0, 1.0, 0)]
    facts = Facts(
        Run("7f3a", "f", "degraded", 1000.0, 3.0), [ReportNode("n", "workflow", batch=True)], lambda: rows
    )
    assert report_of(facts).told["failures"] == [
        "No item failed, but something inside 1 item did: `batchmill show 7f3a --errors` lists that."
    ]


@pytest.mark.parametrize(("kinds", "words"), [(1, ""), (3, "3 groups"), (60, "more than 50 groups")])
def test_groups_that_are_not_shown_are_not_passed_over(kinds, words):
    rows = [Row("n", index, "failed", 1.0, 1.0, 0, error=f"E{'x' * index}") for index in range(kinds)]
    report = report_of(
        Facts(Run("7f3a", "f", "failed", 1000.0, 3.0), [ReportNode("n", "code", batch=True)], lambda: rows)
    )
    assert report.told["head"][0].endswith(f"{kinds} failed in {words}." if words else f"{kinds} failed.")
    assert report.told["failures"][0].partition(":")[0].endswith(words or "1 failure")
    assert ("and more than 47 other groups of failures\n" in terminal.lines(report)) == (kinds == 60)
