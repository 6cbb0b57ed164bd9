"""The suite's arithmetic: medians, bounds in both directions, missing references, keeping and reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from benchmarks.results import RowResult, SideResult
from benchmarks.workload import OURS, Ready, Sample, Side, Target, Workload, cpu_micros, items_per_second

from benchmarks import results, table


@contextmanager
def _nothing(n: int) -> Iterator[Ready]:
    yield Ready(lambda: None)


def _workload(better: Literal["lower", "higher"], aim: Target, least: Target) -> Workload:
    return Workload(
        name="row",
        title="a row",
        measures="nothing",
        unit="µs",
        better=better,
        score=cpu_micros if better == "lower" else items_per_second,
        sizes={"full": 10, "quick": 5, "smoke": 1},
        sides=(Side(OURS, _nothing, "ours"), Side("peer", _nothing)),
        aim=(aim,),
        least=(least,),
    )


def _side(name: str, seconds: list[float], workload: Workload, n: int = 10) -> SideResult:
    side = SideResult(name, "ours" if name == OURS else "peer", n)
    for each in seconds:
        side.add(Sample(wall=each, cpu=2 * each, n=n), workload.score)
    return side


def _made(workload: Workload, *sides: SideResult) -> RowResult:
    return RowResult.made(workload, 10, list(sides), foreign_load=0.02)


def test_the_median_is_that_of_the_scores_and_per_item() -> None:
    workload = _workload("lower", Target(1), Target(1))
    side = _side(OURS, [3e-5, 1e-5, 2e-5], workload)
    assert side.score == pytest.approx(4.0)
    assert side.wall_micros == pytest.approx(2.0)
    assert side.cpu_micros == pytest.approx(4.0)
    assert side.spread == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("better", "ours", "aim_met", "least_met"),
    [
        ("lower", 0.4, True, True),
        ("lower", 0.9, False, True),
        ("lower", 1.1, False, False),
        ("higher", 0.4, True, True),
        ("higher", 0.9, False, True),
        ("higher", 1.1, False, False),
    ],
)
def test_bounds_are_judged_in_the_rows_direction(
    better: Literal["lower", "higher"], ours: float, aim_met: bool, least_met: bool
) -> None:
    factor = 0.5 if better == "lower" else 2.0
    workload = _workload(better, Target(factor, "peer"), Target(1.0, "peer"))
    row = _made(workload, _side(OURS, [ours], workload), _side("peer", [1.0], workload))
    assert (row.aim[0].met, row.least[0].met) == (aim_met, least_met)
    assert row.aim[0].ratio == pytest.approx(ours if better == "lower" else 1 / ours)


def test_an_absolute_bound_needs_no_other_side() -> None:
    workload = _workload("lower", Target(35.0), Target(1e9))
    row = _made(workload, _side(OURS, [1.0], workload))
    assert (row.aim[0].met, row.least[0].met) == (False, True)
    assert row.aim[0].ratio is None


@pytest.mark.parametrize("missing", [OURS, "peer"])
def test_a_bound_without_one_of_its_sides_is_neither_met_nor_missed(missing: str) -> None:
    workload = _workload("lower", Target(0.5, "peer"), Target(1.0, "peer"))
    sides = [_side(name, [1.0], workload) for name in (OURS, "peer")]
    for side in sides:
        if side.name == missing:
            side.note = "failed: it went away half way"
    row = _made(workload, *sides)
    assert row.aim[0].met is None
    assert "not measured" in row.line()


def test_a_kept_run_reads_back_the_same(tmp_path: Path) -> None:
    workload = _workload("lower", Target(0.5, "peer"), Target(1.0, "peer"))
    row = _made(workload, _side(OURS, [1.0, 2.0], workload), _side("peer", [3.0], workload))
    results.write(tmp_path / "deep" / "run.json", results.kept([row], {"command": "this"}))
    rows, about = results.read(tmp_path / "deep" / "run.json")
    assert rows == [row]
    assert about["command"] == "this"
    assert about["foreign_load"] == pytest.approx(0.02)


def test_rows_measured_later_take_the_place_of_the_earlier_or_follow_them(tmp_path: Path) -> None:
    workload = _workload("lower", Target(0.5, "peer"), Target(1.0, "peer"))
    first, second = (_made(workload, _side(OURS, [wall], workload)) for wall in (1.0, 3.0))
    new = replace(first, name="new")
    for name, kept in (("first", [first]), ("second", [new, second])):
        results.write(tmp_path / name, results.kept(kept, {"command": name, "pending": [f"after {name}"]}))
    rows, about = results.read_all([tmp_path / "first", tmp_path / "second"])
    assert rows == [second, new]
    assert (about["command"], about["pending"]) == ("first", ["after second"])
    assert [run["rows"] for run in about["again"]] == [["new", "row"]]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"schema": "other/1"}', encoding="utf-8")
    with pytest.raises(ValueError, match="no kept run"):
        results.read(tmp_path / "other.json")


def _page(row: RowResult) -> str:
    about = {
        "command": "c",
        "started": "s",
        "ended": "e",
        "size": "full",
        "repeat": 5,
        "machine": {"processor": "p", "usable_cores": 2, "memory_gb": 8, "system": "x", "architecture": "y"},
        "interpreter": {"implementation": "CPython", "version": "3", "gil": True},
        "versions": {"batchmill": "0"},
        "pending": ["a row to come: waits for something"],
    }
    return table.page([row], about)


def test_the_page_names_who_is_faster_and_what_was_missed() -> None:
    workload = _workload("lower", Target(0.5, "peer"), Target(1.0, "peer"))
    page = _page(_made(workload, _side(OURS, [2.0], workload), _side("peer", [1.0], workload)))
    losses = page.split("## Where others are faster")[1].split("## Row by row")[0]
    assert "peer (200,000 µs)" in losses
    assert "≤ 1 × peer" in losses
    assert "a row to come" in page


def test_the_page_says_when_nobody_is_faster() -> None:
    workload = _workload("lower", Target(0.5, "peer"), Target(1.0, "peer"))
    page = _page(_made(workload, _side(OURS, [0.1], workload), _side("peer", [1.0], workload)))
    assert "No peer is ahead" in page


def test_a_noisy_row_is_marked() -> None:
    workload = _workload("lower", Target(0.5, "peer"), Target(1.0, "peer"))
    row = RowResult.made(workload, 10, [_side(OURS, [1.0], workload)], foreign_load=0.4)
    assert row.noisy
    assert "others used more than 15% of the machine" in _page(row)
