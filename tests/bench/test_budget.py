"""What is measured within the time there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchmill.bench.budget import (
    BRIEF_RUNS,
    BRIEF_SECONDS,
    LEAST_SECONDS,
    PROBE_SECONDS,
    RESTORING,
    BenchProbe,
    affordable,
    counts_of,
    expected,
    start_steps,
    steps_of,
)
from batchmill.bench.case import Case, MeasuredRun, RunSeries, RunStep

SEQUENTIAL = Case("sequential", None, "python", "CPython")
THREAD = Case("thread", 10, "python", "CPython")
PROCESS = Case("process", 2, "python", "CPython")
CASES = [SEQUENTIAL, THREAD, PROCESS]
COMPUTES = BenchProbe(300, 0.006, 0.01, waits=False)


def test_all_items_are_measured_where_there_is_time_for_them():
    assert counts_of(COMPUTES, CASES, 3, 60) == (30, 100, 300)


def test_otherwise_as_many_as_the_time_allows():
    counts = counts_of(COMPUTES, CASES, 3, 15)
    assert 10 < counts[-1] < 300
    assert expected(COMPUTES, CASES, 3, counts) <= 15
    assert counts_of(BenchProbe(10_000_000, 0.006, 0.0, waits=False), CASES, 3, 60)[-1] < 1_000


def test_at_least_one_item_is_measured():
    assert counts_of(BenchProbe(20, 3600.0, 0.0, waits=False), CASES, 3, 60) == (1,)


def test_rounds_are_given_up_before_there_are_too_few_items_to_see_anything():
    slow = BenchProbe(1000, 0.5, 0.0, waits=False)
    rounds, _, counts = affordable(slow, CASES, 3, 60)
    assert rounds < 3
    assert counts[-1] >= 10
    short = BenchProbe(300, 0.0055, 0.01, waits=False)  # in three rounds, no more than 16 items
    rounds, _, counts = affordable(short, CASES, 3, 9.5)
    assert rounds < 3
    assert counts[-1] * short.item >= LEAST_SECONDS
    assert affordable(COMPUTES, CASES, 3, 60) == (3, 0, (30, 100, 300))
    assert affordable(BenchProbe(3, 0.2, 0.0, waits=False), CASES, 3, 60) == (3, 0, (1, 3))


def test_fewer_rounds_measure_as_many_starts_as_three_if_there_is_time():
    slow = BenchProbe(1000, 0.4, 0.0, waits=False)
    rounds, starts, counts = affordable(slow, CASES, 3, 100)
    assert (rounds, starts) == (1, 2)
    assert expected(slow, CASES, rounds, counts, starts) <= 100
    assert affordable(COMPUTES, CASES, 1, 60) == (1, 2, (30, 100, 300))
    assert affordable(COMPUTES, [SEQUENTIAL, THREAD], 1, 60) == (1, 0, (30, 100, 300))
    assert affordable(BenchProbe(20, 3600.0, 0.0, waits=False), CASES, 3, 60) == (1, 0, (1,))
    assert affordable(BenchProbe(1, 0.1, 0.0, waits=False), CASES, 1, 60) == (
        1,
        0,
        (1,),
    )  # it would be a round


def test_a_document_without_items_has_no_counts_and_is_run_whole():
    nothing = BenchProbe(0, 0.0, 0.1, waits=False)
    assert counts_of(nothing, CASES, 3, 60) == ()
    assert affordable(nothing, CASES, 3, 60) == (3, 0, ())
    assert steps_of(PROCESS, (), nothing) == [RunStep(), RunStep()]


def test_the_cold_run_is_the_smallest_with_items_for_all_workers():
    long = replace(COMPUTES, item=1.0)
    assert steps_of(SEQUENTIAL, (2, 5, 15), long) == [RunStep(2), RunStep(2), RunStep(5), RunStep(15)]
    assert steps_of(PROCESS, (2, 5, 15), long) == [RunStep(15), RunStep(15), RunStep(2), RunStep(5)]
    assert steps_of(PROCESS, (30, 100, 300), long) == [RunStep(30), RunStep(30), RunStep(100), RunStep()]


def test_brief_runs_are_repeated_in_turn():
    counts = (2, 5, int(BRIEF_SECONDS / COMPUTES.item) + 1)
    steps = steps_of(SEQUENTIAL, counts, COMPUTES)
    assert steps[:4] == [RunStep(2), RunStep(2), RunStep(5), RunStep(counts[2])]
    assert steps[4:] == [RunStep(2), RunStep(5)] * (BRIEF_RUNS - 1)
    assert start_steps(SEQUENTIAL, counts, COMPUTES) == [RunStep(2)] * (1 + BRIEF_RUNS)


def test_what_waits_is_expected_to_run_at_once_on_threads_and_what_computes_is_not():
    waits = BenchProbe(100, 0.1, 0.0, waits=True)
    computes = BenchProbe(100, 0.1, 0.0, waits=False)
    assert expected(waits, [THREAD], 1, (100,)) < 0.2 * expected(computes, [THREAD], 1, (100,))


def test_a_probe_that_ended_knows_the_items_and_one_that_was_stopped_what_it_was_told():
    def run(items, total, stopped, wall=PROBE_SECONDS, cpu=0.9):
        walls = [wall / max(items, 1)] * items
        before = 0.0 if total != 0 else wall
        found = MeasuredRun(
            wall, cpu, walls, "success", "sequential", 1, "", {}, total=total, stopped=stopped, before=before
        )
        return RunSeries((RunStep(),), (found,))

    assert BenchProbe.of(run(8, 8, False)) == BenchProbe(8, 0.125, 0.0, waits=False)
    assert BenchProbe.of(run(8, 300, True)).items == 300
    assert BenchProbe.of(run(8, None, True)).items is None
    assert BenchProbe.of(run(8, 8, False, cpu=0.1)).waits
    assert BenchProbe.of(run(0, 300, True)) == BenchProbe(300, PROBE_SECONDS, 0.0, waits=False)
    assert BenchProbe.of(run(0, 0, False)) == BenchProbe(0, 0.0, PROBE_SECONDS, waits=False)


def test_what_keeping_results_takes_belongs_to_the_items_and_not_to_every_run():
    run = MeasuredRun(1.2, 1.0, [0.005] * 50, "success", "sequential", 1, "", {}, total=50, before=0.2)
    assert BenchProbe.of(RunSeries((RunStep(),), (run,))) == BenchProbe(
        50, pytest.approx(0.02), 0.2, waits=False
    )


def test_of_several_batches_a_number_of_items_is_one_of_each():
    probe = BenchProbe(400, 0.001, 0.0, waits=False, batches=2, largest=200)
    assert counts_of(probe, CASES, 3, 60) == (20, 67, 200)
    assert steps_of(SEQUENTIAL, (20, 67, 200), probe)[3] == RunStep(None)
    assert [probe.items_of(limit) for limit in (20, 300, None)] == [40, 400, 400]


def test_copying_the_working_folder_counts():
    copied, less = replace(COMPUTES, copying=5.0), replace(COMPUTES, copying=2.0)
    runs = len(steps_of(SEQUENTIAL, (10, 30, 100), less))
    assert runs == 4  # none is brief, as looking for changed files is not
    more = expected(copied, CASES, 2, (10, 30, 100)) - expected(less, CASES, 2, (10, 30, 100))
    assert more == pytest.approx(2 * len(CASES) * 3.0 * RESTORING * runs)


def test_two_of_the_runs_have_an_item_for_each_worker_rather_than_more_rounds():
    rounds, _, counts = affordable(BenchProbe(100, 0.025, 0.3, waits=False), CASES, 3, 15)
    assert rounds < 3
    assert counts[-2] >= THREAD.at_once


@pytest.mark.parametrize("items", [None, 10**9])
def test_without_a_known_number_of_items_the_time_decides(items):
    counts = counts_of(BenchProbe(items, 0.01, 0.0, waits=False), CASES, 1, 30)
    assert 100 < counts[-1] < 3_000
