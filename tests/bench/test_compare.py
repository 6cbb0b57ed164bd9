"""Comparing: rounds in turn, figures over runs, outputs held against one another, the advice."""

import pytest

from batchmill.bench.advice import advise
from batchmill.bench.case import Case, Sample
from batchmill.bench.compare import cases_of, compare
from batchmill.bench.figures import Spread, quantile
from batchmill.bench.workload import BUILTIN_NAMES, Workload, builtin, of_file
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes.registry import default_registry

WORK = Workload("work", {})
BUILDS = {"/usr/bin/python": "CPython 3.11"}


def sample(wall, *, outputs=None, walls=(0.01,) * 10, workers=1, cpu=0.1, executor="thread"):
    return Sample(wall, cpu, list(walls), "success", executor, workers, "asked", outputs or {"a": "1"})


def compared(walls, repeat=1, **more):
    """``walls`` has the seconds of each executor's runs."""
    turns, given = [], {executor: iter(seconds) for executor, seconds in walls.items()}

    def run(workload, case):
        turns.append(case.executor)
        return sample(next(given[case.executor]), executor=case.executor, **more.get(case.executor, {}))

    cases = cases_of(list(walls), [None], BUILDS)
    return compare(WORK, cases, repeat, lambda line: None, run), turns


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


def test_rounds_run_in_turn_and_begin_with_another_case_each():
    _, turns = compared({"sequential": [1, 1, 1], "thread": [1, 1, 1], "process": [1, 1, 1]}, 3)
    assert [turns[0], turns[3], turns[6]] == ["sequential", "thread", "process"]
    assert sorted(turns[3:6]) == ["process", "sequential", "thread"]


def test_figures_are_medians_and_speedups_go_round_by_round():
    found, _ = compared({"sequential": [4.0, 8.0, 6.0], "thread": [2.0, 2.0, 3.0]}, 3)
    sequential, thread = found.figures
    assert sequential.wall == Spread(6.0, 4.0, 8.0)
    assert thread.speedup == Spread(2.0, 2.0, 4.0)
    assert thread.throughput == 5.0
    assert (thread.items, thread.p50, thread.p95) == (10, 0.01, 0.01)
    assert thread.overhead == pytest.approx((2.0 - 0.1) / 10)


def test_without_sequential_runs_there_is_no_speedup():
    found, _ = compared({"thread": [1.0]})
    assert found.figures[0].speedup is None
    assert found.advice.sentence == ("Take thread: nothing else was tried.")


def test_outputs_that_differ_between_cases_are_told():
    found, _ = compared({"sequential": [1], "thread": [1]}, thread={"outputs": {"a": "2"}})
    assert found.differing == ["a"]
    assert [one.same for one in found.figures] == [True, False]


def test_outputs_that_differ_from_run_to_run_compare_with_nothing():
    numbers = iter("123456789")
    cases = cases_of(["sequential", "thread"], [None], BUILDS)

    def run(workload, case):
        return sample(1.0, outputs={"time": next(numbers), "a": "1"})

    found = compare(WORK, cases, 2, lambda line: None, run)
    assert (found.differing, found.unsteady) == ([], ["time"])
    assert all(one.same for one in found.figures)


@pytest.mark.parametrize(
    ("walls", "sentence"),
    [
        ({"sequential": [4.0], "thread": [1.0]}, "Take thread: 4 times as fast as sequential; "),
        (
            {"sequential": [4.0], "thread": [1.0], "process": [2.0]},
            "4 times as fast as sequential and 2 times as",
        ),
        (
            {"sequential": [1.01], "thread": [1.0]},
            "Take sequential: nothing is faster, and it is simpler than thread",
        ),
        ({"sequential": [1.0], "process": [2.0]}, "Take sequential: 2 times as fast as process; "),
    ],
)
def test_the_advice_is_the_fastest_or_the_simplest_of_the_fastest(walls, sentence):
    found, _ = compared(walls)
    assert sentence in found.advice.sentence


def test_the_reason_says_what_the_items_are():
    case = Case("sequential", None, "python", "CPython 3.11")
    for cpu, item, words in (
        (0.1, 0.05, "it waits"),
        (0.95, 0.05, "it computes"),
        (0.9, 1e-6, "handing it over"),
    ):
        found = compare(
            WORK, [case], 1, lambda line: None, lambda *_, c=cpu, i=item: sample(1.0, cpu=c, walls=[i] * 20)
        )
        other, _ = compared({"thread": [5.0]})
        assert words in advise([*found.figures, *other.figures]).sentence


def test_a_quantile_of_nothing_is_nothing():
    assert quantile([], 0.5) == 0.0
    assert quantile([1, 2, 3, 4], 0.95) == 4


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
