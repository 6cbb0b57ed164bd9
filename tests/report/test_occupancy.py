"""How many were under way, in bins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.report.occupancy import Occupancy


def test_an_interval_counts_in_each_bin_for_the_part_it_covers():
    busy = Occupancy(4, 2.0)
    busy.add(1.0, 5.0)
    busy.add(4.5, 5.0)
    assert busy.means() == [0.5, 1.0, 0.75, 0.0]


@given(st.lists(st.tuples(st.floats(-2, 12), st.floats(0, 12)), max_size=30))
def test_the_integral_is_the_time_within_the_bins(intervals):
    busy = Occupancy(10, 1.0)
    for start, wall in intervals:
        busy.add(start, start + wall)
    within = sum(max(0.0, min(10.0, start + wall) - max(0.0, start)) for start, wall in intervals)
    assert sum(busy.means()) == pytest.approx(within, abs=1e-6)
