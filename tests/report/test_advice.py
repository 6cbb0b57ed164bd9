"""What held a run back, and the switch that changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchmill.report.aggregate import report_of
from batchmill.report.facts import Facts
from batchmill.report.parts import Provenance, ReportEdge, ReportNode, Run, Visit
from batchmill.report.rows import AttemptRow, DeathRow, LimitStep, Row, Sample


def finding(facts):
    return report_of(facts).advice[0]


def changed(run, **node):
    made = run.batches[0]
    run.nodes = [replace(made.node, **node)]
    run.batches = [replace(made, node=run.nodes[0])]
    return run


def test_a_rate_limit(simulated):
    found = finding(simulated(800, rate=100.0).facts())
    assert (found.kind, found.node) == ("limit", "size")
    assert found.switch == "a higher rate_limit.per_second"
    assert 0.5 < found.share < 1


def test_computing_on_threads_under_a_gil(simulated):
    run = simulated(800, cpu=0.9, slots=4, sigma=0.1)
    changed(run, type="python")
    assert finding(run.facts()).switch == "executor: process"
    run.more["provenance"] = Provenance(gil=False, cores=4.0)
    assert finding(run.facts()).switch != "executor: process"


@pytest.mark.parametrize(("cores", "switch"), [(1.05, "executor: process"), (0.3, "max_concurrent: 8")])
def test_threads_that_wait_for_each_other_are_not_helped_by_more_of_them(simulated, cores, switch):
    run = changed(simulated(800, cpu=0.05, slots=4, sigma=0.1), type="python", executor="thread")
    samples = [Sample(0.5 * number, cores, 1 << 20) for number in range(100)]
    assert finding(replace(run.facts(), samples=lambda: samples)).switch == switch


@pytest.mark.parametrize(
    ("executor", "switch"),
    [("sequential", ""), ("thread", ", or executor: sequential"), ("process", ", or chunk_size: 100")],
)
def test_short_items(executor, switch):
    node = ReportNode("n", "code", True, executor, total=10, visits=[Visit(0.0, 1.0, 1)], wall=1.0)
    rows = [Row("n", index, "ok", index / 10, 0.0001, 0) for index in range(10)]
    found = finding(Facts(Run("7f3a", "f", "success", 0.0, 1.0), [node], lambda: rows))
    assert (found.kind, found.switch) == ("between", f"batch_size: 100{switch}")


def test_workers_that_were_replaced_are_not_told_as_the_cost_of_short_items():
    node = ReportNode("n", "code", True, "process", total=10, visits=[Visit(0.0, 2.0, 1)], wall=2.0)
    rows = [Row("n", index, "ok", index / 5, 0.0001, 0) for index in range(10)]
    facts = Facts(Run("7f3a", "f", "degraded", 0.0, 2.0), [node], lambda: rows)
    found = finding(replace(facts, deaths=[DeathRow(0.1, "n", 1), DeathRow(0.5, "n", 3)]))
    assert (found.kind, found.switch) == ("between", "")
    assert found.sentence.endswith(" In that time 2 workers that had died or been killed were replaced.")
    assert "batch_size" in finding(replace(facts, deaths=[DeathRow(0.1, "other", 1)])).switch


def test_waiting_on_processes(simulated):
    run = changed(simulated(800, cpu=0.05, slots=4, sigma=0.1), executor="process")
    assert finding(run.facts()).switch == "executor: thread"


def test_a_long_tail():
    node = ReportNode(
        "n", "shell", True, "thread", slots=4, total=40, visits=[Visit(0.0, 20.0, 4)], wall=20.0
    )
    rows = [Row("n", index, "ok", index // 4 * 0.1, 0.1, index % 4) for index in range(39)]
    rows.append(Row("n", 39, "ok", 1.0, 19.0, 3))
    found = finding(Facts(Run("7f3a", "f", "success", 0.0, 20.0), [node], lambda: rows))
    assert (found.kind, found.switch) == ("tail", "the largest items first")


def test_no_order_is_advised_where_the_last_items_failed():
    node = ReportNode("n", "http", True, "thread", slots=4, total=40, visits=[Visit(0.0, 20.0, 4)], wall=20.0)
    rows = [Row("n", index, "ok", index // 4 * 0.1, 0.1, index % 4) for index in range(39)]
    tried = (AttemptRow(0.0, 19.0, "AttemptTimeout", slot=3),)
    rows.append(Row("n", 39, "timeout", 1.0, 19.0, 3, error="AttemptTimeout", tried=tried))
    advice = report_of(Facts(Run("7f3a", "f", "degraded", 0.0, 20.0), [node], lambda: rows)).advice
    assert [(one.kind, one.switch) for one in advice if one.kind == "tail"] == [("tail", "")]


def test_short_items_are_not_blamed_for_slots_that_stood_empty_at_the_end():
    node = ReportNode(
        "n", "shell", True, "thread", slots=4, total=40, visits=[Visit(0.0, 20.0, 4)], wall=20.0
    )
    rows = [Row("n", index, "ok", index // 4 * 0.1, 0.1, index % 4) for index in range(40)]
    report = report_of(Facts(Run("7f3a", "f", "success", 0.0, 20.0), [node], lambda: rows))
    assert report.shares.tail == pytest.approx(76.0)
    assert [one.kind for one in report.advice] != ["tail"]


def test_no_order_is_advised_for_items_that_take_the_same_time():
    node = ReportNode("n", "shell", True, "thread", slots=4, total=5, visits=[Visit(0.0, 20.0, 4)], wall=20.0)
    rows = [Row("n", index, "ok", index // 4 * 10.0, 10.0, index % 4) for index in range(5)]
    found = finding(Facts(Run("7f3a", "f", "success", 0.0, 20.0), [node], lambda: rows))
    assert (found.kind, found.switch) == ("tail", "")


def test_advice_for_map_names_its_option(simulated):
    run = changed(simulated(800, cpu=0.05, slots=4, sigma=0.1), type="batchmill.nodes.command:CommandNode")
    assert finding(run.facts()).switch == "-j 8"


def test_a_stage_without_input():
    nodes = [
        ReportNode(name, "shell", True, "thread", total=10, visits=[Visit(0.0, 10.0)], wall=10.0)
        for name in ("slow", "fast")
    ]
    rows = [Row("slow", index, "ok", float(index), 1.0, 0, cpu=1.0) for index in range(10)]
    rows += [Row("fast", index, "ok", float(index), 0.01, 0) for index in range(10)]
    edges = [ReportEdge("slow", "fast", stream=True)]
    found = finding(Facts(Run("7f3a", "f", "success", 0.0, 10.0), nodes, lambda: rows, edges=edges))
    assert (found.kind, found.node, found.switch) == ("input", "fast", "a higher max_concurrent on `slow`")


def test_nothing(simulated):
    found = finding(changed(simulated(3000, cpu=0.5, sigma=0.1, slots=2)).facts())
    assert (found.kind, found.share) == ("nothing", 0.0)


@pytest.mark.parametrize("slots", [1, 3, 50])
def test_shares_are_of_the_whole(simulated, slots):
    for one in report_of(simulated(100, slots=slots, rate=50.0).facts()).advice:
        assert 0 <= one.share <= 1


def refused(slots=10, **more):
    """Ten slots that wait for a limit and for a pause most of the time."""
    node = ReportNode("n", "http", True, "thread", slots=slots, visits=[Visit(0.0, 100.0, slots)], wall=100.0)
    tried = (
        AttemptRow(0.0, 1.0, "E", status=429, slot=0, refused=True),
        AttemptRow(99.0, 1.0, paused=400.0, slot=0),
    )
    rows = [Row("n", 0, "retried", 0.0, 100.0, 0, 2, waited=500.0, tried=tried)]
    rows += [Row("n", index, "ok", 0.0, 1.0, index, waited=50.0) for index in range(1, slots)]
    rows += [Row("n", index + slots, "ok", 99.0, 1.0, index, waited=40.0) for index in range(1, slots)]
    return Facts(Run("7f3a", "f", "success", 0.0, 100.0), [node], lambda: rows, **more)


def test_what_helps_is_said_once():
    advice = report_of(refused()).advice
    assert [one.kind for one in advice] == ["limit", "retry waits"]
    assert [one.switch for one in advice] == ['max_concurrent: "auto"', ""]


def test_a_limit_that_adapts_already_is_not_advised():
    steps = [LimitStep(0.0, "node n", 5)]
    (found, *_) = report_of(refused(limits=steps, adaptive={"n": "node n"})).advice
    assert (found.kind, found.switch) == ("limit", "")
    assert "the slots that it opened" in found.sentence
