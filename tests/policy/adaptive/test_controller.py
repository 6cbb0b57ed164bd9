"""What an adaptive limit decides, call by call and against a simulated service; see test_adaptive_shapes."""

from __future__ import annotations

import math

import pytest
from simulated import AtOnceService, RateService, SlidingService, simulate

from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.adaptive.controller import Adaptive
from batchmill.policy.limits import Limiter, Limits


def limiter(span):
    return Limiter(Limits(adaptive=span))


def decisions(service, seconds, span=ConcurrencyRange()):  # noqa: B008  # a span does not change
    return simulate(limiter(span), service, seconds).decisions


def test_the_first_number_is_the_one_asked_for_and_the_bounds_hold():
    span = ConcurrencyRange(4, 20, 30)
    assert Adaptive(span).limit == 20
    assert max(decision.limit for _, decision in decisions(AtOnceService(1000), 20, span)) == 30
    assert 4 <= min(decision.limit for _, decision in decisions(AtOnceService(1), 20, span)) < 10


def test_too_many_at_once_are_told_from_too_many_in_a_time():
    last = [decision for _, decision in decisions(AtOnceService(5), 40)][-5:]
    assert {decision.limit for decision in last} == {5, 6}
    last = [decision for _, decision in decisions(SlidingService(50), 40)][-5:]
    assert all(45 <= decision.rate <= 60 for decision in last)


def test_a_pause_that_was_asked_for_is_seldom_provoked():
    refused = [
        at
        for at, decision in decisions(SlidingService(50, retry_after=1.0), 120)
        if "refused" in decision.reason
    ]
    assert all(later - earlier > 20 for earlier, later in zip(refused[-3:], refused[-2:], strict=False))


def test_a_burst_that_was_saved_up_is_not_taken_for_the_limit():
    tally = simulate(limiter(ConcurrencyRange()), RateService(50, 200), 60)
    accepted, refused = tally.between(10, 60)
    assert accepted >= 0.95 * 50 * 50
    assert refused <= 0.03 * accepted


def test_it_backs_off_at_the_first_refusal_and_says_why():
    adaptive = Adaptive(ConcurrencyRange(1, 10, 20))
    tickets = [adaptive.started(0.0) for _ in range(10)]
    assert adaptive.wait(0.0) == math.inf
    decision = adaptive.ended(tickets[-1], 0.1, None, refused=True, pause=2.0)
    assert decision.limit == adaptive.limit == 8
    assert decision.reason == "refused with 10 in flight, to come again in 2 s"
    assert adaptive.wait(0.1) == pytest.approx(2.0)  # whoever waits: nobody is let through


def test_calls_that_got_longer_by_themselves_are_no_reason_for_fewer():
    class Longer(AtOnceService):
        def arrive(self, now, dice):
            self.latency = 0.1 if now < 20 else 0.5
            return super().arrive(now, dice)

    told = [decision for _, decision in decisions(Longer(1000), 60, ConcurrencyRange(1, 10, 10))]
    assert any("times as long" in decision.reason for decision in told)
    assert told[-1] == (10, None, "fewer in flight made no call quicker: the calls are longer now")


def test_a_call_that_was_not_made_leaves_no_trace():
    adaptive = Adaptive(ConcurrencyRange(1, 2, 2))
    ticket = adaptive.started(0.0)
    adaptive.withdrawn(ticket, 0.0)
    assert (adaptive.in_flight, adaptive.limit, adaptive.wait(0.0)) == (0, 2, 0.0)


def test_a_service_that_takes_nothing_is_asked_more_and_more_seldom():
    tally = simulate(limiter(ConcurrencyRange()), AtOnceService(0), 60)
    assert tally.between(0, 60)[1] < 40
    assert tally.between(30, 60)[1] <= 8
