"""Limits of one key together: starts, tokens, a number at once, pauses."""

from __future__ import annotations

import math

import pytest

from batchmill.errors import InvalidSetting
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.limits import EndedAttempt, Limiter, Limits


def test_every_limit_has_its_say():
    limiter = Limiter(Limits(per_second=10, tokens_per_minute=600, max_concurrent=2))
    assert limiter.wait(5, 0.0) == 0
    first = limiter.start(5, 0.0)
    assert limiter.wait(1, 0.0) == pytest.approx(0.08)  # a tenth, less the slack for late wakers
    assert limiter.wait(10, 0.2) == pytest.approx(0.3)  # tokens: 7 of 10 are there again
    second = limiter.start(5, 0.5)
    assert limiter.wait(0, 9.0) == math.inf
    limiter.end(first, EndedAttempt(), 9.0)
    assert limiter.wait(0, 9.0) == 0
    limiter.end(second, EndedAttempt(), 9.0)


def test_tokens_are_settled_with_what_was_really_used():
    limiter = Limiter(Limits(tokens_per_minute=6000))
    cheap = limiter.start(100, 0.0)
    assert limiter.wait(100, 0.0) == pytest.approx(1)
    limiter.end(cheap, EndedAttempt(tokens=10), 0.0)
    assert limiter.wait(90, 0.0) == 0
    dear = limiter.start(90, 0.0)
    limiter.end(
        dear, EndedAttempt(tokens=1090), 0.0
    )  # a thousand more than was set aside: ten seconds' worth
    assert limiter.wait(1, 0.0) == pytest.approx(10.01)


def test_a_minute_holds_no_more_tokens_than_it_may():
    limiter, now, used = Limiter(Limits(tokens_per_minute=600)), 0.0, []
    while now < 180:
        wait = limiter.wait(70, now)
        if wait == 0:
            limiter.end(limiter.start(70, now), EndedAttempt(tokens=70), now)
            used.append(now)
        now += max(wait, 0.001)
    for began in used:
        assert sum(70 for at in used if began <= at < began + 60) <= 600 * 61 / 60 + 70


def test_a_pause_holds_for_everybody_and_the_longest_counts():
    limiter = Limiter(Limits(per_second=1000))
    one, two = limiter.start(0, 0.0), limiter.start(0, 0.0)
    limiter.end(one, EndedAttempt(refused=True, pause=5.0), 1.0)
    limiter.end(two, EndedAttempt(refused=True, pause=0.5), 1.0)
    assert limiter.wait(0, 1.0) == pytest.approx(5.0)
    assert limiter.wait(0, 6.0) == 0


def test_what_did_not_start_is_given_back():
    limiter = Limiter(
        Limits(per_second=1, tokens_per_minute=60, max_concurrent=1, adaptive=ConcurrencyRange())
    )
    limiter.withdraw(limiter.start(1, 0.0), 0.0)
    assert limiter.wait(1, 0.0) == 0
    assert limiter.in_flight == 0


def test_two_that_share_a_key_get_the_stricter_of_each_limit():
    limiter = Limiter(Limits(per_second=10, max_concurrent=4))
    limiter.tighten(Limits(per_second=2, tokens_per_minute=60), 0.0)
    assert limiter.limits == Limits(2, None, 60, 4)
    limiter.tighten(Limits(per_second=5, adaptive=ConcurrencyRange(1, 2, 3)), 0.0)
    assert limiter.limits == Limits(2, None, 60, 4, ConcurrencyRange(1, 2, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_second": 0},
        {"per_second": True},
        {"tokens_per_minute": "many"},
        {"max_concurrent": -1},
        {"burst": 2},
    ],
)
def test_limits_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidSetting, match=next(iter(wrong))):
        Limits(**wrong)


def test_what_nobody_knows_counts_as_what_was_set_aside_and_what_was_not_asked_as_nothing():
    limiter = Limiter(Limits(per_second=1, tokens_per_minute=6000))
    limiter.end(limiter.start(100, 0.0), EndedAttempt(tokens=None), 0.0)
    assert limiter.wait(100, 0.0) == pytest.approx(1)
    limiter = Limiter(Limits(per_second=1, tokens_per_minute=6000))
    limiter.end(limiter.start(100, 0.0), EndedAttempt(asked=False), 0.0)
    assert limiter.wait(100, 0.0) == 0
