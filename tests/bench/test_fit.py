"""The line through runs: exact where they are, steady where they are not, never faster than the items."""

from __future__ import annotations

import pytest

from batchmill.bench.case import MeasuredRun, RunSeries, RunStep
from batchmill.bench.fit import CostLine, Point, Round, has_slope, line_of, misfit


def rounds(*walls, item=0.01, workers=1, start=0.2):
    """A round for each dictionary of seconds by the number of items."""
    return [Round(start, tuple(Point(n, wall, item, workers) for n, wall in one.items())) for one in walls]


def test_start_is_what_the_first_run_took_longer_than_the_second():
    runs = [
        MeasuredRun(wall, 0.1, [0.01] * items, "success", "process", 2, "", {})
        for wall, items in ((0.45, 10), (0.05, 10), (0.5, 100))
    ]
    found = Round.of(RunSeries([RunStep(10), RunStep(10), RunStep(None)], runs))
    assert found.start == pytest.approx(0.4)
    assert [(point.items, point.wall) for point in found.warm] == [(10, 0.05), (100, 0.5)]


def test_start_is_compared_with_the_median_of_equal_runs():
    walls = ((0.45, 10), (0.3, 10), (0.5, 100), (0.05, 10), (0.05, 10))
    steps = [RunStep(items) for _, items in walls]
    runs = [MeasuredRun(wall, 0.1, [0.01] * items, "success", "process", 2, "", {}) for wall, items in walls]
    assert Round.of(RunSeries(steps, runs)).start == pytest.approx(0.4)


def test_of_two_starts_the_lesser_counts():
    walls = {10: 0.1, 100: 1.0}
    assert line_of([*rounds(walls, start=0.9), *rounds(walls, start=0.3)]).start == pytest.approx(0.3)


def test_exact_walls_give_the_exact_line():
    line = line_of(rounds({10: 0.103, 100: 1.003, 300: 3.003}))
    assert (line.start, line.per_item, line.fixed) == pytest.approx((0.2, 0.01, 0.003))
    assert line.wall(10_000) == pytest.approx(100.203)
    assert line.wall(10_000, cold=False) == pytest.approx(100.003)


def test_one_slow_run_moves_nothing():
    steady = {10: 0.1, 100: 1.0, 300: 3.0}
    line = line_of(rounds(steady, {10: 0.1, 100: 2.5, 300: 3.0}, steady))
    assert (line.per_item, line.fixed) == pytest.approx((0.01, 0.0), abs=1e-9)


def test_noise_of_a_short_run_counts_less_than_a_long_distance():
    line = line_of(
        rounds({10: 0.13, 20: 0.17, 300: 3.0}, item=0.001)
    )  # by the first two alone an item took 4 ms
    assert line.per_item == pytest.approx((3.0 - 0.13) / 290)


def test_fewer_items_than_workers_do_not_look_as_if_more_were_free():
    line = line_of(rounds({2: 0.05, 8: 0.05}, item=0.05, workers=10))
    assert line.per_item == pytest.approx(0.005)  # ten at once, 50 ms each
    assert line.wall(8, cold=False) == pytest.approx(0.05)
    assert line.wall(1000, cold=False) == pytest.approx(5.0)
    assert line.bend == pytest.approx(10)


def test_items_that_share_the_gil_are_not_as_long_alone_as_together():
    few, more, many = Point(4, 0.1, 0.08, 10), Point(20, 0.5, 0.2, 10), Point(40, 1.0, 0.2, 10)
    line = line_of([Round(0.0, (few, more, many))])
    assert line.per_item == pytest.approx(0.025)
    assert line.wall(2, cold=False) <= 0.08
    assert line.wall(40, cold=False) == pytest.approx(1.0)


def test_without_a_slope_computing_items_share_the_cores(monkeypatch):
    monkeypatch.setattr("batchmill.bench.fit.usable_cores", lambda: 2)
    one = [Round(0.0, (Point(1, 0.012, 0.01, 10, cpu=0.01),))]
    assert not has_slope(one)
    assert line_of(one).per_item == pytest.approx(0.005)  # two cores, not ten workers
    waits = [Round(0.0, (Point(1, 0.012, 0.01, 10, cpu=0.0001),))]
    assert line_of(waits).per_item == pytest.approx(0.001)


def test_an_item_costs_no_less_than_its_own_seconds():
    assert line_of(rounds({10: 3.0, 20: 2.0}, item=0.1)).per_item == pytest.approx(0.1)


def test_a_start_below_nothing_is_none():
    assert line_of(rounds({1: 0.01}, start=-0.1)).start == 0.0


def test_without_items_there_is_only_what_the_run_takes():
    line = line_of([Round(0.1, (Point(0, 0.5, 0.0, 1),))])
    assert line == CostLine(0.1, 0.5, 0.0, 0.0)
    assert line.wall(0) == pytest.approx(0.6)
    assert line.bend == 1.0


def test_one_number_of_items_is_enough():
    line = line_of(rounds({15: 0.16}))
    assert (line.per_item, line.fixed) == pytest.approx((0.01, 0.01))


def test_a_misfit_is_told_by_the_worst_number_of_items():
    line = CostLine(0.2, 0.0, 0.01, 0.01)
    assert misfit(line, [Point(100, 1.0, 0.01, 1), Point(300, 6.0, 0.01, 1)]) == pytest.approx(0.5)
    assert misfit(line, [Point(100, 1.0, 0.01, 1)]) == pytest.approx(0.0)


def test_milliseconds_are_no_misfit():
    line = CostLine(0.0, 0.0, 0.001, 0.001)
    assert misfit(line, [Point(5, 0.015, 0.001, 1)]) == 0.0
    assert misfit(line, [Point(5, 0.05, 0.001, 1)]) == pytest.approx(0.9)
