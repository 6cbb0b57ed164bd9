"""A service that takes 50, then 5 for a while, then 50 again: how soon all of it is used again."""

from __future__ import annotations

import pytest
from simulated import AtOnceService, SlidingService, simulate

from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.limits import Limiter, Limits

MANY, FEW = 50, 5


@pytest.mark.parametrize(
    ("make", "latency", "pause", "low_seconds", "recovers_in"),
    [
        (AtOnceService, 0.3, None, 20, 10),
        (AtOnceService, 0.1, 1.0, 20, 15),  # 27 s before values that fell were tried more often
        (AtOnceService, 1.0, 1.0, 60, 30),
        (AtOnceService, 1.0, 5.0, 20, 20),
        (AtOnceService, 1.0, 5.0, 60, 35),  # 62 s before
        (AtOnceService, 5.0, None, 60, 40),  # never before: one call in ten seconds started
        (AtOnceService, 5.0, 1.0, 60, 30),
        (SlidingService, 1.0, 1.0, 60, 20),
    ],
)
def test_a_service_that_recovers_is_soon_used_again(make, latency, pause, low_seconds, recovers_in):
    """Within ``recovers_in`` seconds four fifths of what is possible are accepted again, and tries meanwhile
    cost few refusals. Calls of 5 s: one try in 24 calls is one in 24 s, and several meet a full service."""
    fall = max(5, int(10 * latency))
    back = fall + low_seconds
    span = max(2, int(3 * latency))
    end = back + recovers_in + span
    service = make(MANY, latency=latency, retry_after=pause)
    tally = simulate(Limiter(Limits(adaptive=ConcurrencyRange())), service, end, {fall: FEW, back: MANY})
    accepted = max(tally.between(at, at + span)[0] for at in range(back, back + recovers_in + 1))
    assert accepted >= 0.8 * service.possible(span)
    service.change(FEW, end)
    assert tally.between(fall, back)[0] >= 0.3 * service.possible(low_seconds)
    accepted, refused = tally.between(0, end)
    assert refused <= (0.12 if latency > 1 else 0.02) * (accepted + refused)
