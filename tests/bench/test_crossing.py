"""Break-even points of lines, against trying every number of items."""

from __future__ import annotations

import itertools

import pytest

from batchmill.bench.crossing import TIE, UNNOTICED_SECONDS, Stretch, about, best_at, break_even, stretches
from batchmill.bench.fit import CostLine

SEQUENTIAL = CostLine(0.01, 0.0, 0.006, 0.006)
PROCESS = CostLine(0.2, 0.001, 0.0031, 0.006)
THREADS_THAT_WAIT = CostLine(0.01, 0.0, 0.005, 0.05)
WAITING = CostLine(0.0, 0.0, 0.05, 0.05)
LINES = (SEQUENTIAL, PROCESS, THREADS_THAT_WAIT, WAITING, CostLine(0.5, 0.2, 0.0005, 0.05))


def tried(line, reference, most=3000):
    slower = [n for n in range(1, most) if reference.wall(n) <= TIE * line.wall(n) + UNNOTICED_SECONDS]
    return max(slower, default=0) + 1


@pytest.mark.parametrize(("line", "reference"), list(itertools.permutations(LINES, 2)))
def test_it_is_the_number_from_which_on_every_one_is_faster(line, reference):
    found, by_trying = break_even(line, reference), tried(line, reference)
    assert found == by_trying if by_trying < 3000 else found is None or found >= 3000


def test_the_cases_that_began_it():
    assert break_even(PROCESS, SEQUENTIAL) == 81
    assert best_at([SEQUENTIAL, PROCESS], 15) == 0
    assert best_at([SEQUENTIAL, PROCESS], 300) == 1


def test_what_costs_as_much_an_item_is_never_faster():
    assert break_even(CostLine(0.0, 0.0, 0.0059, 0.006), SEQUENTIAL) is None


def test_what_starts_faster_and_runs_faster_is_faster_from_the_first_item_on():
    assert break_even(CostLine(0.0, 0.0, 0.001, 0.001), CostLine(0.1, 0.0, 0.006, 0.006)) == 1


def test_stretches_are_the_best_for_every_number():
    found = stretches(LINES, 1)
    assert found[0].items == 1
    for stretch, following in itertools.pairwise([*found, Stretch(5_000, -1)]):
        assert {best_at(LINES, n) for n in range(stretch.items, following.items)} == {stretch.best}


def test_of_equals_the_first_is_taken():
    assert stretches([SEQUENTIAL, SEQUENTIAL], 1) == [Stretch(1, 0)]


def test_a_narrow_stretch_is_only_told_to_who_has_as_many_items():
    lines = [
        CostLine(0.005, 0.002, 0.00054, 0.0005),
        CostLine(0.004, 0.008, 0.0005, 0.0016),
        CostLine(0.22, 0.01, 0.00024, 0.0005),
    ]
    first, narrow, last = stretches(lines, 950)
    assert (first.best, narrow.best, last.best) == (0, 1, 2)
    assert narrow.items < 950 < last.items < 1.5 * narrow.items
    assert stretches(lines, 300) == [first, last]


@pytest.mark.parametrize(
    ("items", "wanted"), [(1, 1), (44, 44), (894, 890), (1_249, 1_200), (995, 1_000), (123_456, 120_000)]
)
def test_a_number_of_items_is_told_with_two_digits(items, wanted):
    assert about(items) == wanted
