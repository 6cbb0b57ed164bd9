"""Refusals that no limit explains."""

from __future__ import annotations

import random

import pytest
from simulated import RateService, Service, simulate

from batchmill.policy.adaptive.chance import FEW_CALLS, IN_VAIN, SPARE, ChanceRefusals
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.adaptive.history import CallTicket
from batchmill.policy.limits import Limiter, Limits


class PartlyDown(Service):
    """Refuses ``share`` of the calls whatever the pace, and what is too much for ``inner``."""

    def __init__(self, share, inner=None, seed=5, **settings):
        super().__init__(**settings)
        self.share, self.inner, self.dice = share, inner, random.Random(seed)

    def takes(self, now):
        if self.dice.random() < self.share:
            return False
        return self.inner is None or self.inner.takes(now)


class EveryNinth(Service):
    calls = 0

    def takes(self, now):
        self.calls += 1
        return self.calls % 9 > 0


def between(service, start, end):
    return simulate(Limiter(Limits(adaptive=ConcurrencyRange())), service, end).between(start, end)


def cuts(chance, calls, apart, times=IN_VAIN):
    found = False
    for number in range(times):
        for _ in range(calls):
            chance.accepted(CallTicket(number * apart, 1))
        chance.refused()
        found = chance.cut(number * apart, raised=False)
    return found


def test_cuts_in_vain_show_the_usual_share():
    chance = ChanceRefusals()
    assert not cuts(chance, 8, 1.0, IN_VAIN - 1)
    assert not chance.refused()
    assert chance.cut(100.0, raised=False)
    assert chance.share == pytest.approx(1 / 9, abs=0.03)
    assert [chance.refused() for _ in range(int(SPARE) + 1)] == [True] * int(SPARE) + [False]


@pytest.mark.parametrize(("calls", "apart"), [(8, 0.01), (FEW_CALLS + 1, 1.0)])
def test_the_way_down_to_a_new_limit_and_rare_refusals_are_no_such_cuts(calls, apart):
    assert not cuts(ChanceRefusals(), calls, apart)


def test_a_service_that_got_better_is_believed():
    chance = ChanceRefusals()
    assert cuts(chance, 8, 1.0)
    for number in range(200):
        chance.accepted(CallTicket(100.0 + number, 1))
    assert chance.share == 0


def test_refusals_too_rare_to_make_cuts_vain_are_not_usual():
    """Else a service that asks for a pause with each of them is paused for ever, and nothing lowered."""
    chance = ChanceRefusals()
    assert cuts(chance, 8, 1.0)
    for number in range(400):
        chance.accepted(CallTicket(100.0 + number, 1))
        if number % (2 * FEW_CALLS) == 0:
            chance.refused()
    assert chance.share == 0


def test_every_ninth_call_refused_stops_nobody():
    accepted, refused = between(EveryNinth(latency=0.3), 10, 40)
    assert accepted > 20 * 30  # one a second without
    assert 0.1 < refused / (accepted + refused) < 0.12


def test_half_of_the_calls_refused_stop_nobody():
    accepted, _ = between(PartlyDown(0.5, latency=0.3), 0, 60)
    assert accepted > 3 * 60


def test_half_of_the_calls_refused_soon_stop_nobody():
    """Forty calls are done within 25 s for most of the chances there are; a single one proves nothing."""
    done = [between(PartlyDown(0.5, seed=seed, latency=0.3), 0, 25)[0] >= 40 for seed in range(12)]
    assert sum(done) >= 7  # none with cuts in vain alone


def row(*began):
    """A row of cuts with accepted calls that began so."""
    chance = ChanceRefusals()
    chance.refused()
    chance.cut(0.0, raised=False)
    for moment in began:
        chance.accepted(CallTicket(moment, 1))
    return chance


@pytest.mark.parametrize(
    ("began", "in_flight", "unexplained"),
    [
        (5.0, 1, True),
        (5.0, 2, False),  # too many at once, perhaps
        (3.2, 1, False),  # not clearly more slowly than those before
    ],
)
def test_only_a_slow_call_that_was_alone_is_refused_without_a_reason(began, in_flight, unexplained):
    assert row(1.0, 2.0, 3.0).unexplained(CallTicket(began, in_flight)) is unexplained


def test_what_was_saved_up_explains_a_refusal():
    """Two calls a moment apart were accepted after a pause; the third comes too early after those two."""
    chance = row(1.0, 1.1, 3.0, 3.1)
    assert not chance.unexplained(CallTicket(3.4, 1))
    assert chance.unexplained(CallTicket(6.2, 1))


def test_refusals_without_a_reason_count_once_for_each_accepted_call_before():
    chance = row(1.0, 2.0)
    for moment in (5.0, 9.0, 15.0):  # it may be down for a while
        chance.refused()
        assert chance.unexplained(CallTicket(moment, 1))
    assert not chance.found()
    chance.accepted(CallTicket(20.0, 1))
    chance.refused()
    assert chance.unexplained(CallTicket(25.0, 1))
    assert chance.found()
    assert chance.share == pytest.approx(4 / 7)


def test_a_few_refusals_without_a_reason_are_not_the_usual():
    chance = row(*(tenth / 10 for tenth in range(30)))
    for moment in (35.0, 45.0):
        chance.accepted(CallTicket(moment - 2, 1))
        chance.refused()
        assert chance.unexplained(CallTicket(moment, 1))
    assert not chance.found()


def test_a_limit_is_still_found_among_them():
    accepted, refused = between(PartlyDown(0.11, RateService(50, 50), latency=0.1), 20, 50)
    assert accepted > 0.9 * 50 * 30
    assert refused < 0.25 * (accepted + refused)
