"""Comparing: rounds in turn, within the time there is, outputs held against one another."""

from __future__ import annotations

import pytest

from batchmill.bench.budget import BenchProbe
from batchmill.bench.compare import MeasureOrder, cases_of, compare, ordered
from batchmill.bench.workload import BUILTIN_NAMES, Workload, builtin, of_file
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry

WORK = Workload("work", {})
BUILDS = {"/usr/bin/python": "CPython 3.11"}


def test_cases_are_all_combinations_and_sequential_once():
    cases = cases_of(["sequential", "thread"], [1, 4], {"a": "A", "b": "B"})
    assert [(case.build, case.label) for case in cases] == [
        ("A", "sequential"),
        ("A", "thread, 1 job"),
        ("A", "thread, 4 jobs"),
        ("B", "sequential"),
        ("B", "thread, 1 job"),
        ("B", "thread, 4 jobs"),
    ]


def test_rounds_run_in_turn_and_begin_with_another_case_each(compared, costs):
    _, machine = compared({name: costs() for name in ("sequential", "thread", "process")}, rounds=3)
    turns = [executor for executor, _ in machine.asked]
    assert [turns[0], turns[3], turns[6]] == ["sequential", "thread", "process"]
    assert sorted(turns[3:6]) == ["process", "sequential", "thread"]


def test_a_process_runs_cold_warm_and_the_other_numbers_of_items(compared, costs):
    _, machine = compared({"sequential": costs()}, counts=(20, 100, 300))
    assert machine.asked == [("sequential", [20, 20, 100, None])]


def test_further_starts_are_measured_after_the_rounds_and_are_no_rounds(compared, costs):
    found, machine = compared({"thread": costs(), "process": costs(start=(2.0, 0.4, 0.3))}, starts=2)
    turns = [executor for executor, _ in machine.asked]
    assert turns == ["thread", "process", "process", "process"]
    thread, process = found.figures
    assert len(process.rounds) == 1
    assert (process.start.median, process.start.least, process.start.most) == pytest.approx((0.4, 0.3, 2.0))
    assert process.wall == pytest.approx(0.4 + thread.wall)


def test_no_further_start_is_measured_that_would_end_too_late(costs, machine):
    times = iter([0.0, 50.0])
    order = MeasureOrder(
        WORK, cases_of(["process"], [None], BUILDS), BenchProbe(300, 0.01, 0.0, waits=False), (10, 300), 1, 2,
        30.0, most_seconds=51.0,
    )  # fmt: skip
    one = machine({"process": costs()})
    compare(order, lambda line: None, one, lambda: next(times))
    assert len(one.asked) == 1


def test_a_disturbed_start_of_a_single_round_does_not_move_the_break_even_point(compared, costs):
    def of(start):
        executors = {"sequential": costs(), "process": costs(start=start, per_item=0.005, workers=2)}
        return compared(executors, starts=2)[0].figures[1].break_even

    calm = of((0.3, 0.3, 0.3))
    assert of((1.5, 0.3, 0.3)) == calm
    assert calm.rounds == (calm.items,)


@pytest.mark.parametrize(("most", "rounds"), [(None, 3), (35.0, 3), (25.0, 2), (5.0, 1)])
def test_no_round_begins_that_would_end_too_late(costs, machine, most, rounds):
    told, times = [], iter(range(0, 1000, 10))  # a round takes ten seconds
    order = MeasureOrder(
        WORK, cases_of(["thread"], [None], BUILDS), BenchProbe(300, 0.01, 0.0, waits=False), (10, 300), 3, 0,
        30.0, most_seconds=most,
    )  # fmt: skip
    found = compare(order, told.append, machine({"thread": costs()}), lambda: float(next(times)))
    assert len(found.figures[0].rounds) == rounds
    assert (f"work: the time is over after {rounds} of 3 rounds" in told) == (rounds < 3)


def test_what_to_measure_follows_from_a_short_look(costs, machine):
    one = machine({"sequential": costs(), "process": costs()})
    cases = cases_of(["process", "sequential"], [None], BUILDS)
    order = ordered(WORK, cases, 3, 1000.0, None, None, one)
    assert one.asked == [("sequential", [None])]
    assert order.probe.items == 300
    assert (order.counts, order.rounds) == ((30, 100, 300), 3)
    assert 0 < order.seconds < order.most_seconds < 1000


def test_counts_that_are_asked_for_are_measured_whatever_it_takes(costs, machine):
    one, cases = machine({"thread": costs()}), cases_of(["thread"], [None], BUILDS)
    order = ordered(WORK, cases, 3, 1.0, (500, 20), None, one)
    assert (order.counts, order.most_seconds) == ((20, 300), None)  # there are 300


def test_outputs_that_differ_between_cases_are_told(compared, costs):
    found, _ = compared({"sequential": costs(), "thread": costs()}, outputs={"thread": {"a": "2"}})
    assert found.differing == ["a"]
    assert [one.same for one in found.figures] == [True, False]


def test_outputs_that_differ_from_run_to_run_compare_with_nothing(costs, machine):
    class Clocked(machine):
        def run(self, *args):
            self.outputs = {"thread": {"time": str(len(self.asked)), "a": "1"}}
            return super().run(*args)

    order = MeasureOrder(
        WORK, cases_of(["thread"], [None], BUILDS), BenchProbe(3, 0.01, 0.0, waits=False), (1, 3), 2, 0, 1.0
    )
    found = compare(order, lambda line: None, Clocked({"thread": costs()}, items=3))
    assert (found.differing, found.unsteady) == ([], ["time"])
    assert found.figures[0].same


def test_outputs_of_different_numbers_of_items_are_not_held_against_one_another(costs, machine):
    class Counted(machine):
        def run(self, case, one, step, start):
            self.outputs = {case.executor: {"count": str(step.limit)}}
            return super().run(case, one, step, start)

    cases = cases_of(["sequential", "thread"], [None], BUILDS)
    order = MeasureOrder(WORK, cases, BenchProbe(30, 0.01, 0.0, waits=False), (3, 30), 1, 0, 1.0)
    found = compare(order, lambda line: None, Counted({"sequential": costs(), "thread": costs()}))
    assert (found.differing, found.unsteady) == ([], [])


@pytest.mark.parametrize("workload", builtin(0.01), ids=lambda workload: workload.name)
def test_the_built_in_workloads_are_valid_documents(workload):
    check(load(workload.document), default_registry())
    assert workload.name in BUILTIN_NAMES
    assert workload.about


@pytest.mark.parametrize(
    ("kind", "writes"), [("echo", False), ("read-file", False), ("shell", True), ("x:Y", True)]
)
def test_what_may_write_is_known_by_its_type(kind, writes):
    assert of_file("f.json", {"nodes": [{"id": "a", "type": kind}]}, {}, {}).writes is writes
