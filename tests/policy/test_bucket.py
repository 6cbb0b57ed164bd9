"""Token buckets: never more than the rate and the capacity allow, never less than could be had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.policy.bucket import TokenBucket, paced

RATES = st.floats(0.01, 1e5)
GAPS = st.lists(st.floats(0, 10), min_size=1, max_size=60)


@given(RATES, st.floats(0.5, 100), GAPS)
def test_no_span_holds_more_than_rate_and_capacity_allow(rate, capacity, gaps):
    bucket, now, starts = TokenBucket(rate, capacity), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.wait(1, now) == 0:
            bucket.spend(1, now)
            starts.append(now)
    for first, began in enumerate(starts):
        for last in range(first, len(starts)):
            spent = last - first + 1
            debt = max(0.0, 1 - capacity)  # one may start when the bucket is full, however small it is
            assert spent <= rate * (starts[last] - began) + capacity + debt + 1e-6


@given(RATES, st.floats(0.5, 100), st.lists(st.floats(0.001, 300), min_size=1, max_size=30))
def test_after_the_wait_it_may_be_spent_and_not_much_earlier(rate, capacity, amounts):
    bucket, now = TokenBucket(rate, capacity), 0.0
    for amount in amounts:
        wait = bucket.wait(amount, now)
        if wait > 1e-3:
            assert bucket.wait(amount, now + wait / 2) > 0
        assert bucket.wait(amount, now + wait + 1e-6) == 0
        now += wait + 1e-6
        bucket.spend(amount, now)


def test_more_than_it_can_hold_is_lent_once_it_is_full():
    bucket = TokenBucket(10, 20)
    assert bucket.wait(100, 0) == 0
    bucket.spend(100, 0)
    assert bucket.level(0) == -80
    assert bucket.wait(1, 0) == pytest.approx(8.1)


def test_what_was_not_used_is_there_again_up_to_the_capacity():
    bucket = TokenBucket(1, 10)
    bucket.spend(8, 0)
    bucket.give_back(5, 0)
    assert bucket.level(0) == 7
    bucket.give_back(50, 0)
    assert bucket.level(0) == 10
    bucket.give_back(-12, 0)  # more was used than set aside
    assert bucket.wait(1, 0) == pytest.approx(3)


def test_another_rate_holds_from_now_on():
    bucket = TokenBucket(1, 10)
    bucket.spend(10, 0)
    bucket.set_rate(5, 4, 2)
    assert bucket.level(2) == 2
    assert bucket.level(3) == 4


@given(st.floats(0.1, 1e5), st.one_of(st.none(), st.integers(1, 50)))
def test_slack_never_lets_one_more_start_in_a_whole_number_of_starts(rate, burst):
    bucket = paced(rate, burst)
    assert bucket.capacity < max((burst or 1) + 1, rate * 0.01 + 1e-9)
    assert bucket.wait(burst or 1, 0) == 0
