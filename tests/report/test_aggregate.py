"""The report of a run: sums are those of its rows, and what is not known is absent."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import astuple, replace

import pytest

from batchmill.report.aggregate import report_of
from batchmill.report.columns import unpack
from batchmill.report.facts import Facts
from batchmill.report.parts import Pass, ReportNode, Run, Visit
from batchmill.report.rows import CallRow, Row


def untimed(run):
    """The same run as a journal without times has it."""
    return replace(
        run.facts(),
        rows=lambda: (replace(row, start=None, slot=None, tried=()) for row in run.every_row()),
        calls=lambda: (replace(call, at=None) for call in run.calls()),
        refusals=tuple,
        samples=tuple,
    )


def test_counts_and_sums_are_those_of_the_rows(troubled):
    rows = list(troubled.every_row())
    report = report_of(troubled.facts())
    (node,) = report.nodes
    assert report.counts == node.counts == dict(Counter(row.state for row in rows))
    assert report.failed == sum(row.failed for row in rows) == report.failures.total
    assert sum(group.count for group in report.failures.groups) == report.failures.total
    assert node.attempts == sum(row.attempts for row in rows)
    attempts = [one.wall for row in rows for one in row.tried] + [row.wall for row in rows if not row.tried]
    assert node.work == pytest.approx(math.fsum(attempts))
    assert node.cpu == pytest.approx(math.fsum(row.cpu for row in rows))
    assert node.peak_rss == max(row.rss for row in rows)
    assert node.durations.most == report.slowest[0].wall == max(row.wall for row in rows)
    assert report.retries.saved == node.counts["retried"]
    refused = sum(one.status == 429 for row in rows for one in row.tried)
    assert [one.total for one in report.series.refusals] == [refused]
    capacity, *parts = astuple(report.shares)
    assert capacity == pytest.approx(sum(parts)) == pytest.approx(16 * report.run.wall)


def test_the_series_count_every_item_once(troubled):
    report = report_of(troubled.facts())
    (line,) = report.series.nodes
    assert sum(line.failed) == report.failed
    assert sum(line.retried) == report.counts["retried"]
    assert sum(line.ok) + sum(line.failed) + sum(line.retried) == 2000
    assert sum(line.in_flight) * report.series.seconds == pytest.approx(report.nodes[0].work, rel=0.01)
    (lanes,) = report.lanes
    assert lanes.slots == lanes.lanes == 16
    (items,) = report.items
    assert Counter(cell.state for cell in unpack(items)) == report.counts


def test_what_nobody_noted_is_absent_and_not_invented(troubled):
    known, report = report_of(troubled.facts()), report_of(untimed(troubled))
    assert (report.counts, report.failed) == (known.counts, known.failed)
    assert report.nodes[0].durations.count == 2000
    assert report.nodes[0].work == pytest.approx(sum(row.wall for row in troubled.every_row()))
    assert report.nodes[0].shares is None
    assert (report.shares.capacity, report.series.nodes, report.lanes, report.series.tokens) == (
        0.0,
        [],
        [],
        [],
    )
    assert report.retries.causes == []
    assert all(group.first is None for group in report.failures.groups)
    assert report.advice == []
    assert any("2,000 items" in line for line in report.left_out)


def test_a_run_resumed_has_one_timeline_without_the_night():
    passes = [Pass(1000.0, 0.0, 10.0, "killed"), Pass(90_000.0, 10.0, 5.0, "finished")]
    facts = Facts(Run("7f3a", "flow.json", "success", 1000.0, 15.0), [], tuple, passes=passes)
    assert [facts.epoch(at) for at in (0.0, 4.0, 10.0, 12.0)] == [1000.0, 1004.0, 90_000.0, 90_002.0]


def test_an_outcome_that_was_put_in_another_place_counts_as_time_only():
    node = ReportNode("n", "shell", batch=True, total=1, visits=[Visit(0.0, 4.0)], wall=4.0)
    rows = [
        Row("n", 0, "failed", 0.0, 1.0, 0, error="E", message="no", final=False),
        Row("n", 0, "ok", 2.0, 1.0, 0),
    ]
    report = report_of(Facts(Run("7f3a", "f", "success", 0.0, 4.0), [node], lambda: rows))
    assert (report.counts, report.failures.total) == ({"ok": 1}, 0)
    assert (report.shares.work, report.shares.failed_attempts) == (1.0, 1.0)


def test_items_that_never_came_were_not_run(simulated):
    run = simulated(100, upto=60)
    assert report_of(run.facts()).counts == {"ok": 60, "not run": 40}


def test_calls_add_up_without_rounding():
    calls = [CallRow(None, "ask", index, "m", 10, 2, 1, 0.1) for index in range(10)]
    calls.append(CallRow(None, "ask", 10, "m", 1, 1))
    report = report_of(Facts(Run("7f3a", "f", "success", 0.0, 1.0), [], tuple, lambda: calls))
    (one,) = report.calls
    assert (one.calls, one.cost, one.unpriced, one.input_tokens) == (11, 1.0, 1, 101)
    assert report.nodes[0].nested


def test_no_values_means_no_values(troubled):
    facts = troubled.facts()
    assert report_of(facts).slowest[0].input.startswith('{"id": ')
    report = report_of(facts, "none")
    assert {one.input for one in report.slowest} == {None}
    assert "example.org/pages" not in json.dumps(report.as_json())


def test_the_model_is_plain_data(troubled):
    told = report_of(troubled.facts()).as_json()
    assert told["schema"] == "batchmill.report/1"
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert sum(told["counts"].values()) == 2000


def test_a_run_of_nothing_has_a_report():
    report = report_of(Facts(Run("7f3a", "f", "failed", 0.0, 0.0), [], tuple))
    assert report.told["head"] == ["0 nodes ran.", "It took 0 s."]


def test_it_does_not_grow_with_the_items(simulated):
    small, large = (
        len(json.dumps(report_of(simulated(items, seconds=0.01).facts()).as_json())) for items in (300, 6000)
    )
    assert large < small + 6000 * 6
