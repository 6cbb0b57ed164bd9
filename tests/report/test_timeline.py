"""The run over time, in bins and within bounds."""

from __future__ import annotations

import zlib

import pytest

from batchmill.report.aggregate import report_of
from batchmill.report.facts import Facts
from batchmill.report.parts import ReportNode, Run, Visit
from batchmill.report.rows import CODES, AttemptRow, CallRow, LimitStep, RefusalRow, Row, Sample
from batchmill.report.timeline import (
    BINS,
    MOST_LANES,
    MOST_NODES,
    MOST_SPANS,
    MOST_STEPS,
    NOTHING_ENDED,
    OTHERS,
)


def told(nodes=(), rows=(), wall=60.0, **more):
    return report_of(Facts(Run("7f3a", "f", "success", 0.0, wall), list(nodes), lambda: rows, **more))


def node(name, slots=1, wall=60.0):
    return ReportNode(name, "shell", batch=True, slots=slots, visits=[Visit(0.0, wall, slots)], wall=wall)


def test_items_count_in_the_bin_they_ended_in():
    rows = [
        Row("n", 0, "ok", 0.0, 0.05, 0),
        Row("n", 1, "retried", 0.0, 30.01, 0, 2),
        Row("n", 2, "failed", 59.0, 1.0, 0, error="E"),
        Row("n", 3, "cancelled", 10.0, 1.0, 0),
    ]
    (line,) = told([node("n")], rows).series.nodes
    assert [at for at, count in enumerate(line.ok) if count] == [0]
    assert [at for at, count in enumerate(line.retried) if count] == [300]
    assert [at for at, count in enumerate(line.failed) if count] == [BINS - 1]


def test_small_nodes_are_one_line_and_are_said_to_be():
    nodes = [node(f"n{number}", wall=60.0 - number) for number in range(MOST_NODES + 3)]
    rows = [Row(one.id, 0, "ok", 1.0, 1.0, 0) for one in nodes]
    report = told(nodes, rows)
    names = [line.node for line in report.series.nodes]
    assert names == [one.id for one in nodes[:MOST_NODES]] + [OTHERS]
    assert (report.series.others, sum(report.series.nodes[-1].ok)) == (OTHERS, 3)
    assert f"Charts over time show 3 nodes with little to do as one: {OTHERS}." in report.left_out


def test_lanes_tell_how_busy_and_the_worst_that_ended():
    tried = (AttemptRow(0.0, 30.0, "E", slot=1), AttemptRow(40.0, 20.0, slot=0))
    rows = [Row("n", 0, "retried", 0.0, 60.0, 0, 2, tried=tried)]
    (lanes,) = told([node("n", 2)], rows).lanes
    raw = zlib.decompress(lanes.data)
    busy, worst = raw[: 2 * BINS], raw[2 * BINS :]
    assert (lanes.slots, lanes.group, lanes.lanes) == (2, 1, 2)
    assert busy[:BINS] == bytes(400) + b"\xc8" * 200
    assert busy[BINS:] == b"\xc8" * 300 + bytes(300)
    assert {at: code for at, code in enumerate(worst) if code != NOTHING_ENDED} == {
        BINS - 1: CODES["retried"],
        BINS + 300: CODES["retried"],
    }


def test_what_was_busy_for_the_shortest_time_is_to_be_seen():
    (lanes,) = told([node("n", 1)], [Row("n", 0, "ok", 1.0, 1e-6, 0)]).lanes
    busy = zlib.decompress(lanes.data)[: lanes.lanes * BINS]
    assert sorted(busy)[-2:] == [0, 1]


def test_many_slots_share_lanes_and_that_is_said():
    rows = [Row("n", slot, "ok", 0.0, 60.0, slot) for slot in range(1000)]
    report = told([node("n", 1000)], rows)
    (lanes,) = report.lanes
    assert lanes.lanes <= MOST_LANES
    assert set(zlib.decompress(lanes.data)[: lanes.lanes * BINS]) == {200}
    assert f"A lane of n is {lanes.group} of its 1,000 slots." in report.left_out


def test_a_limit_that_changed_often_keeps_the_last_step_of_each_bin():
    steps = [LimitStep(at * 0.01, "api", at % 50, None, "told") for at in range(MOST_STEPS * 4)]
    (limit,) = told(limits=steps).series.limits
    assert BINS * 2 / 3 <= len(limit.steps) <= MOST_STEPS
    assert limit.steps[-1] == (steps[-1].at, steps[-1].limit, None, "told")


def test_refusals_are_counted_and_their_spans_bounded():
    refused = [RefusalRow(at * 0.1, "api", 429, 2.0) for at in range(500)]
    (one,) = told(refusals=lambda: refused).series.refusals
    assert (one.total, sum(one.counts), one.span_total, len(one.spans)) == (500, 500, 500, MOST_SPANS)
    assert one.spans[1] == (0.1, 2.0, 429)


def test_cost_adds_up_over_time_and_untimed_calls_are_not_drawn():
    calls = [CallRow(1.0, "n", 0, "m", 10, 5, cost=0.5), CallRow(30.0, "n", 1, "m", 10, 5, cost=0.25)]
    series = told(calls=lambda: [*calls, CallRow(None, "n", 2, "m", 99, 99, cost=9.0)]).series
    assert (series.cost[0], series.cost[10], series.cost[-1]) == (0.0, 0.5, 0.75)
    assert sum(series.tokens) == 30


def test_samples_are_means_of_their_bin_and_none_where_there_was_none():
    samples = [Sample(0.01, 1.0, 100), Sample(0.02, 3.0, 50)]
    series = told(samples=lambda: samples).series
    assert (series.cores[0], series.rss[0], series.cores[1]) == (2.0, 100, None)


@pytest.mark.parametrize("wall", [0.0, 1e-9])
def test_a_run_of_no_length_has_its_counts(wall):
    (line,) = told([node("n", wall=wall)], [Row("n", 0, "ok", 0.0, 0.0, 0)], wall).series.nodes
    assert sum(line.ok) == 1


def test_lanes_end_with_the_last_slot_that_was_used():
    rows = [Row("n", index, "ok", index * 1.0, 1.0, index % 5) for index in range(10)]
    (lanes,) = told([node("n", 100, 10.0)], rows, 10.0).lanes
    assert (lanes.slots, lanes.group, lanes.lanes) == (100, 2, 3)
    assert len(zlib.decompress(lanes.data)) == 2 * lanes.lanes * lanes.bins
