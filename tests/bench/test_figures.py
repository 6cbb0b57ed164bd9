"""Figures of a case, from runs that cost what they are said to."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchmill.bench.budget import BRIEF_RUNS
from batchmill.bench.figures import quantile

SEQUENTIAL = {"start": 0.02, "fixed": 0.001, "per_item": 0.006, "item": 0.006}
PROCESS = {"start": 0.2, "fixed": 0.002, "per_item": 0.0031, "item": 0.006, "workers": 2}


def test_start_and_steady_cost_are_apart(compared, costs):
    found, _ = compared({"sequential": costs(**SEQUENTIAL), "process": costs(**PROCESS)})
    sequential, process = found.figures
    assert (process.line.start, process.line.per_item) == pytest.approx((0.2, 0.0031))
    assert process.start.median == pytest.approx(0.2)
    assert [one.items for one in process.measured] == [10, 100, 300]
    assert process.measured[-1].wall.median == pytest.approx(0.932)
    assert process.wall == pytest.approx(1.132)
    assert process.speedup == pytest.approx(1.821 / 1.132)
    assert sequential.speedup == pytest.approx(1.0)
    assert process.efficiency == pytest.approx(0.006 / 0.0031 / 2)
    assert 60 < process.break_even.items < 80
    assert process.misfit == pytest.approx(0.0, abs=1e-9)


def test_a_spread_needs_several_rounds(compared, costs):
    one, _ = compared({"process": costs(**PROCESS)})
    assert one.figures[0].as_json()["start"].keys() == {"median"}
    three, _ = compared({"process": costs(**{**PROCESS, "start": (0.2, 0.3, 0.25)})}, rounds=3)
    start = three.figures[0].start
    assert (start.median, start.least, start.most) == pytest.approx((0.25, 0.2, 0.3))
    assert three.figures[0].as_json()["start"].keys() == {"median", "least", "most"}
    assert [measured.runs for measured in three.figures[0].measured] == [3 * BRIEF_RUNS, 3, 3]


def test_break_even_is_told_of_each_round(compared, costs):
    starts = (0.2, 0.4, 0.3)
    found, _ = compared(
        {"sequential": costs(**SEQUENTIAL), "process": costs(**{**PROCESS, "start": starts})}, rounds=3
    )
    point = found.figures[1].break_even
    first, second, third = point.rounds
    assert first < third == point.items < second


def test_rounds_that_contradict_each_other_say_nothing_of_more_items_than_were_measured(compared, costs):
    process = costs(start=0.05, per_item=(0.0058, 0.0054, 0.0054), item=0.005)
    both = {"sequential": costs(per_item=0.006, item=0.005), "process": process}
    below = compared(both, rounds=3)[0].figures[1]
    assert (below.break_even.items, below.contradicted) == (220, False)
    assert None in below.break_even.rounds
    above = compared(both, rounds=3, counts=(10, 30, 90), items=60)[0]
    assert (above.figures[1].break_even, above.figures[1].contradicted) == (None, True)
    assert [stage.executor for stage in above.advice.stages] == ["sequential"]


def test_figures_are_for_the_items_that_are_asked_for(compared, costs):
    found, _ = compared({"sequential": costs(**SEQUENTIAL)}, items=10_000)
    assert found.figures[0].advised == 10_000
    assert found.figures[0].computed
    assert found.figures[0].wall == pytest.approx(60.021)


def test_without_sequential_runs_there_is_nothing_to_compare_with(compared, costs):
    found, _ = compared({"process": costs(**PROCESS)})
    assert (found.figures[0].speedup, found.figures[0].break_even) == (None, None)
    assert found.figures[0].efficiency is None


def test_with_fewer_items_than_workers_nothing_is_known_of_each(compared, costs):
    threads = costs(per_item=0.001, item=0.01, workers=10)
    found, _ = compared({"sequential": costs(), "thread": threads}, items=None, counts=(2, 5))
    assert found.figures[1].efficiency is None


def test_a_run_that_failed_is_told_with_its_number_of_items(compared, costs):
    found, _ = compared({"sequential": costs(status="failed")})
    assert (found.figures[0].status, found.figures[0].failed_at) == ("failed", 10)


def test_a_quantile_of_nothing_is_nothing():
    assert quantile([], 0.5) == 0.0
    assert quantile([1, 2, 3, 4], 0.95) == 4


def test_every_key_of_the_json_is_described(compared, costs):
    found, _ = compared({"sequential": costs(**SEQUENTIAL), "process": costs(**PROCESS)})
    told = found.as_json()
    described = (Path(__file__).parents[2] / "docs" / "bench.md").read_text("utf-8")
    for key in (*told, *told["advice"], *told["cases"][1], *told["cases"][1]["case"]):
        assert f"`{key}`" in described, key
