"""The search for the highest value that is not refused."""

from __future__ import annotations

import pytest

from batchmill.policy.adaptive.search import LimitSearch, patience


def test_steps_double_until_they_are_half_of_it():
    search = LimitSearch(10.0, 1, 1000, 0.1, 1.0)
    seen = [search.value for _ in range(5) if search.higher(0.0)]
    assert seen == pytest.approx([11, 13.2, 18.48, 27.72, 41.58])
    assert (search.good, search.raised) == (10.0, True)


def test_nothing_is_tried_before_its_time_or_beyond_the_most():
    search = LimitSearch(10.0, 1, 12, 0.5, 1.0)
    search.held_until = 5.0
    assert not search.higher(4.9)
    assert search.higher(5.0)
    assert search.value == 12
    assert not search.higher(6.0)


def test_failures_at_one_place_are_counted_and_another_place_begins_anew():
    search = LimitSearch(50.0, 1, 1000, 0.1, 1.0)
    for value, failures in [(48, 0), (49, 1), (47, 2), (20, 0)]:
        search.find(value)
        assert search.failures == failures
        assert not search.raised


def test_a_dear_try_is_made_seldom():
    assert patience(0, 50.0, 0.0) == 1.0
    assert patience(0, 5.0, 0.0) == pytest.approx(24 / 5)
    assert [patience(failures, 50.0, 1.0) for failures in range(4)] == [2.5, 7.5, 22.5, 24.0]
    assert patience(0, 0.0, 0.0) == 60.0


def test_a_value_that_fell_is_tried_more_often_at_first():
    search = LimitSearch(50.0, 1, 1000, 0.1, 1.0)
    search.find(50.0)
    search.find(26.0)
    assert not search.fallen
    search.find(5.0)
    assert search.fallen
    waits = [patience(failures, 50.0, 1.0, fallen=True) for failures in range(8)]
    assert waits[-1] == patience(7, 50.0, 1.0) == 24.0  # as seldom as any in the end
    for number, seconds in enumerate(waits):
        assert seconds <= 2.5 + sum(waits[:number]) / 2  # half as long as it has been low
