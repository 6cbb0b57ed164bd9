"""Adaptive concurrency against simulated services: most of what is possible, hardly anything refused."""

from __future__ import annotations

import math

import pytest
from simulated import AtOnceService, QueueingService, RateService, WindowService, simulate

from batchmill.errors import InvalidSetting
from batchmill.policy.adaptive import Adaptive, Search, Span

SETTLED = 10  # seconds a search may take, with calls of a second
POSSIBLE, REFUSED = 0.9, 0.05

STEADY = {
    "50 a second": lambda: RateService(50, 0.1, burst=50),
    "50 a second, uneven": lambda: RateService(50, 0.1, burst=5, jitter=0.5),
    "50 a second, quick": lambda: RateService(50, 0.02, burst=10, jitter=0.5),
    "50 a second, no burst": lambda: RateService(50, 0.1, burst=1),
    "50 in each second": lambda: WindowService(50, latency=0.1, jitter=0.3),
    "500 a second": lambda: RateService(500, 0.05, burst=50, jitter=0.5),
    "5 at once": lambda: AtOnceService(5, 0.1),
    "5 at once, uneven": lambda: AtOnceService(5, 0.1, jitter=0.5),
    "5 at once, slow": lambda: AtOnceService(5, 1.0, jitter=0.5),
    "40 at once": lambda: AtOnceService(40, 0.1, jitter=0.5),
    "2 at once": lambda: AtOnceService(2, 0.05, jitter=0.5),
    "works on 5 and lets the others wait": lambda: QueueingService(5, 0.1, jitter=0.5),
}


def shares(tally, service, start, end):
    """Of what was possible the share that was accepted, and of all calls the share that was refused."""
    accepted, refused = tally.between(start, end)
    return accepted / service.possible(end - start), refused / max(1, accepted + refused)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", STEADY)
def test_a_steady_service_is_used_to_its_limit(name, seed):
    service = STEADY[name]()
    tally = simulate(Adaptive(Span()), service, 90, seed=seed)
    possible, refused = shares(tally, service, SETTLED, 90)
    assert possible >= POSSIBLE
    assert refused <= REFUSED


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("make", "limits"),
    [
        (lambda limit: RateService(limit, 0.1, burst=5, jitter=0.3), [50, 20, 80]),
        (lambda limit: AtOnceService(limit, 0.1, jitter=0.5), [5, 2, 10]),
        (lambda limit: AtOnceService(limit, 0.1, jitter=0.5), [10, 20, 5]),
    ],
)
def test_a_changing_limit_is_followed(make, limits, seed):
    """Over the whole of it, but for the time after a rise in which nobody can know of it."""
    changes = {60.0 * number: limit for number, limit in enumerate(limits) if number}
    tally = simulate(Adaptive(Span()), make(limits[0]), 60 * len(limits), changes, seed)
    for number, limit in enumerate(limits):
        begin = 60 * number
        possible, refused = shares(tally, make(limit), begin + SETTLED, begin + 60)
        assert possible >= POSSIBLE, (limit, possible)
        assert refused <= REFUSED, (limit, refused)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RateService(50, 0.1, burst=10, jitter=0.3, retry_after=1.0),
        lambda: AtOnceService(5, 0.1, jitter=0.5, retry_after=1.0),
    ],
)
def test_a_service_that_sends_everybody_away_for_a_second_is_seldom_provoked(make):
    service = make()
    tally = simulate(Adaptive(Span()), service, 120)
    possible, refused = shares(tally, service, SETTLED, 120)
    assert possible >= 0.85  # each try beyond the limit costs a second
    assert refused <= 0.01


def test_the_first_number_is_the_one_asked_for_and_the_bounds_hold():
    adaptive = Adaptive(Span(4, 20, 30))
    assert adaptive.limit == 20
    seen = {decision.limit for _, decision in simulate(adaptive, AtOnceService(1000), 20).decisions}
    assert max(seen) == 30
    seen = {d.limit for _, d in simulate(Adaptive(Span(4, 20, 30)), AtOnceService(1), 20).decisions}
    assert 4 <= min(seen) < 10


def test_it_backs_off_at_the_first_refusal_and_says_why():
    adaptive = Adaptive(Span(1, 10, 20))
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

    adaptive = Adaptive(Span(1, 10, 10))
    tally = simulate(adaptive, Longer(1000), 60)
    reasons = [decision.reason for _, decision in tally.decisions]
    assert any("times as long" in reason for reason in reasons)
    assert reasons[-1] == "fewer in flight made no call quicker: the calls are longer now"
    assert adaptive.limit == 10


def test_a_call_that_was_not_made_leaves_no_trace():
    adaptive = Adaptive(Span(1, 2, 2))
    ticket = adaptive.started(0.0)
    adaptive.withdrawn(ticket, 0.0)
    assert (adaptive.in_flight, adaptive.limit, adaptive.wait(0.0)) == (0, 2, 0.0)


def test_a_service_that_takes_nothing_is_asked_more_and_more_seldom():
    service = AtOnceService(0)
    tally = simulate(Adaptive(Span()), service, 60)
    assert tally.between(0, 60)[1] < 40
    assert tally.between(30, 60)[1] <= 8


def test_search_halves_between_good_and_refused():
    search = Search(10, 1, 1000, 0.1, 1)
    search.refused(20, 16)
    assert (search.value, search.bad) == (10, 20)
    assert search.higher()
    assert search.value == 15
    search.refused(15, 12)
    assert search.value == 10
    search.refused(10, 8)  # even what went well
    assert search.value == 8


@pytest.mark.parametrize(
    ("text", "span"), [("auto", Span(1, 4, 100)), ("4-20-100", Span(4, 20, 100)), ("1-1-1", Span(1, 1, 1))]
)
def test_spans_are_read(text, span):
    assert Span.parse(text) == span


@pytest.mark.parametrize("text", ["", "Auto", "4-20", "20-4-100", "0-1-2", "1-2-1001", "a-b-c", "-1-2-3"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(InvalidSetting, match="max_concurrent"):
        Span.parse(text)
