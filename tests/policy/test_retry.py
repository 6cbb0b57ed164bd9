"""The retry decision, for every policy there can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.errors import InvalidSetting
from batchmill.outcome import NO_REFUSALS, ErrorInfo, Refusals
from batchmill.policy import RetryPolicy

seconds = st.floats(0, 1e6, allow_nan=False)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10),
    wait=seconds,
    backoff=st.floats(1, 10),
    max_wait=seconds,
    jitter=st.booleans(),
)
errors = st.builds(
    ErrorInfo,
    type=st.just("E"),
    message=st.just(""),
    retryable=st.booleans(),
    retry_after=st.none() | seconds,
)


@given(policies, st.integers(1, 10), errors)
def test_a_decision_keeps_its_bounds(policy: RetryPolicy, attempts: int, error: ErrorInfo) -> None:
    decision = policy.decide(attempts, error)
    assert decision.retry == (error.retryable and attempts < policy.max_attempts)
    assert decision.reason
    assert 0 <= decision.after <= policy.max_wait
    if not decision.retry:
        assert decision.after == 0
        return
    planned = min(policy.max_wait, policy.wait * policy.backoff ** (attempts - 1))
    asked = min(policy.max_wait, error.retry_after or 0.0)
    assert decision.after >= asked
    if policy.jitter:
        assert decision.after <= max(planned, min(policy.max_wait, asked + 1.0))
    else:
        assert decision.after == max(planned, asked)


def test_waits_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(10, wait=1, backoff=3, max_wait=20, jitter=False)
    assert [policy.decide(n, ErrorInfo("E", "")).after for n in range(1, 6)] == [1, 3, 9, 20, 20]


def test_jitter_spreads_over_all_of_the_wait() -> None:
    policy = RetryPolicy(2, wait=1.0)
    drawn = [policy.decide(1, ErrorInfo("E", "")).after for _ in range(300)]
    assert min(drawn) < 0.2
    assert max(drawn) > 0.8


def test_what_the_other_side_asked_for_is_not_jittered_away() -> None:
    policy = RetryPolicy(2, wait=0.1, max_wait=5)
    drawn = [policy.decide(1, ErrorInfo("E", "", retry_after=3.0)).after for _ in range(300)]
    assert 3.0 <= min(drawn) < 3.1 < 3.2 < max(drawn) <= 3.3  # not all of them at the same moment
    assert policy.decide(1, ErrorInfo("E", "", retry_after=30.0)).after == 5.0
    plain = RetryPolicy(2, wait=0.1, max_wait=5, jitter=False)
    assert plain.decide(1, ErrorInfo("E", "", retry_after=3.0)).after == 3.0


REFUSED, BROKEN = ErrorInfo("HTTP429", "", refused=True), ErrorInfo("HTTP500", "")


def test_refusals_use_up_seconds_and_no_attempts() -> None:
    policy = RetryPolicy(2, wait=1, backoff=2, max_wait=20, jitter=False, refused_for=30)
    before, waits = NO_REFUSALS, []
    for attempts in range(1, 100):
        decision = policy.decide(attempts, REFUSED, None, before)
        if not decision.retry:
            break
        before = decision.refusals
        waits.append(decision.after)
    assert waits == [1, 2, 4, 8, 15]  # the last one ends with the seconds
    assert before == Refusals(5, 30.0)
    # what fails otherwise has its attempts yet
    assert policy.decide(6, BROKEN, None, before).retry
    assert not policy.decide(7, BROKEN, None, before).retry


def test_refusals_do_not_wait_much_longer_than_they_are_asked_to() -> None:
    policy = RetryPolicy(3, wait=0.5, backoff=2, jitter=False, refused_for=600)
    seconds = [
        policy.decide(
            8, ErrorInfo("HTTP429", "", refused=True, retry_after=asked), None, Refusals(7, 20)
        ).after
        for asked in (0.0, 0.02, 1.0, 5.0, None)
    ]
    assert seconds == [2.0, 2.0, 2.0, 5.0, 60.0]


def test_refusals_wait_although_no_wait_is_set() -> None:
    policy = RetryPolicy(1, jitter=False, refused_for=5, max_wait=0)
    assert policy.decide(1, REFUSED).after > 0
    policy = RetryPolicy(1, jitter=False, refused_for=10**6)
    assert policy.decide(5000, REFUSED, None, Refusals(4999, 0.0)).after == 60
    assert RetryPolicy(10, wait=1, backoff=10, max_wait=7, jitter=False).decide(9, BROKEN).after == 7


def test_who_asks_for_one_attempt_gets_one() -> None:
    usual = RetryPolicy(3, wait=0.5, backoff=2, refused_for=60)
    assert usual.told(max_attempts=1).refused_for == 0
    assert usual.told(max_attempts=1, refused_for=5).refused_for == 5
    assert usual.told(max_attempts=5) == RetryPolicy(5, wait=0.5, backoff=2, refused_for=60)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 11},
        {"wait": -1},
        {"wait": float("nan")},
        {"max_wait": -0.1},
        {"max_wait": float("nan")},
        {"backoff": 0.9},
        {"backoff": float("nan")},
    ],
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # that is the mistake
