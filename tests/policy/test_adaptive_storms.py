"""A service that refuses everything for a while, and is then as it was."""

from __future__ import annotations

import pytest
from simulated import Service, simulate

from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.limits import Limiter, Limits


class Storm(Service):
    """Takes nothing from ``start`` to ``end``, and everything else."""

    def __init__(self, start, end, **settings):
        super().__init__(**settings)
        self.start, self.end = start, end

    def takes(self, now):
        return not self.start <= now < self.end


@pytest.mark.parametrize("pause", [None, 1.0])
@pytest.mark.parametrize("latency", [0.05, 1.0])
@pytest.mark.parametrize(("start", "end"), [(0, 0.5), (0, 20), (5, 25), (5, 65)])
def test_a_storm_is_over_soon_after_it(start, end, latency, pause):
    service = Storm(start, end, latency=latency, retry_after=pause)
    tally = simulate(Limiter(Limits(adaptive=ConcurrencyRange())), service, end + 20)
    assert sum(tally.refused.values()) < 60  # tries become rare, and those in flight when it began
    accepted, _ = tally.between(int(end) + 6, int(end) + 20)
    assert accepted > 14 * 2 / latency  # not one in ten seconds
