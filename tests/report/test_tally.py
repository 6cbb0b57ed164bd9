"""Durations added up: exact where they are few, within their bucket where they are many."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.report.tally import LEAST, MOST_BUCKETS, MOST_EXACT, Tally, histogram


def tally(values):
    made = Tally()
    for value in values:
        made.add(value)
    return made


@pytest.mark.parametrize(("count", "within"), [(MOST_EXACT, 0.0), (20_000, 0.011)])
def test_percentiles_are_those_of_all_values(count, within):
    draw = random.Random(7)
    values = sorted(draw.lognormvariate(0.0, 2.0) for _ in range(count))
    told = tally(random.Random(1).sample(values, count)).durations()
    assert (told.count, told.least, told.most) == (count, values[0], values[-1])
    assert told.total == pytest.approx(math.fsum(values))
    for share, found in ((0.5, told.p50), (0.9, told.p90), (0.95, told.p95), (0.99, told.p99)):
        assert found == pytest.approx(values[math.ceil(share * count) - 1], rel=within or 1e-12)


@given(st.lists(st.floats(1e-9, 1e9), max_size=50), st.lists(st.floats(1e-9, 1e9), max_size=50))
def test_two_tallies_together_are_one_of_all_values(left, right):
    both, whole = tally(left) + tally(right), tally(left + right)
    assert both.count == whole.count
    assert both.buckets == whole.buckets
    assert both.percentile(0.5) == whole.percentile(0.5)


def test_nothing_has_no_durations():
    assert Tally().durations() is None
    assert histogram(Tally(), Tally()) is None


def test_a_clock_that_was_set_back_counts_as_nothing():
    assert tally([-3.0, 0.0]).durations().most == LEAST


def test_a_histogram_counts_every_value_in_few_buckets():
    drawn = histogram(tally([1e-6, 1.0, 3.9, 1e5]), tally([2.0]))
    assert len(drawn.ok) == len(drawn.failed) <= MOST_BUCKETS
    assert (sum(drawn.ok), sum(drawn.failed)) == (4, 1)
    at = drawn.failed.index(1)
    assert drawn.first * drawn.ratio**at <= 2.0 < drawn.first * drawn.ratio ** (at + 1)
