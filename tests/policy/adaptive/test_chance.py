"""Refusals that no limit explains."""

from __future__ import annotations

import random

import pytest
from simulated import RateService, Service, simulate

from batchmill.policy.adaptive.chance import FEW_CALLS, IN_VAIN, SPARE, ChanceRefusals
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.limits import Limiter, Limits


class PartlyDown(Service):
    """Refuses ``share`` of the calls whatever the pace, and what is too much for ``inner``."""

    def __init__(self, share, inner=None, **settings):
        super().__init__(**settings)
        self.share, self.inner, self.dice = share, inner, random.Random(5)

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
            chance.accepted()
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
    for _ in range(200):
        chance.accepted()
    assert chance.share == 0


def test_every_ninth_call_refused_stops_nobody():
    accepted, refused = between(EveryNinth(latency=0.3), 10, 40)
    assert accepted > 20 * 30  # one a second without
    assert 0.1 < refused / (accepted + refused) < 0.12


def test_half_of_the_calls_refused_stop_nobody():
    accepted, _ = between(PartlyDown(0.5, latency=0.3), 0, 60)
    assert accepted > 3 * 60


def test_a_limit_is_still_found_among_them():
    accepted, refused = between(PartlyDown(0.11, RateService(50, 50), latency=0.1), 20, 50)
    assert accepted > 0.9 * 50 * 30
    assert refused < 0.25 * (accepted + refused)
