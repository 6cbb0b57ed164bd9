"""The services that adaptive limits are measured against, in groups with what has to be reached in each.

Every group is a row of services with other limits and latencies. ``POSSIBLE`` is the least share of what a
service would have taken that was accepted, ``REFUSED`` the largest share of the calls that was refused, both
after the first five seconds. The goal is 0.9 and 0.05; where a group stays below, its comment says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from simulated import (
    AtOnceService,
    BothService,
    QueueingService,
    RateService,
    Service,
    SlidingService,
    WindowService,
    simulate,
)

from batchmill.policy.adaptive.concurrency_range import AUTO_MOST, ConcurrencyRange
from batchmill.policy.limits import Limiter, Limits

SETTLED, STEADY_SECONDS, PHASE_SECONDS = 5, 40, 20
BUSY_CALLS = 4000
LATENCIES = (0.005, 0.05, 0.3, 1.0)


@dataclass
class Shape:
    """A service, its latency in seconds, and the limits it has one after another."""

    make: Callable[[], Service]
    latency: float
    limits: tuple[int, ...] = ()

    @property
    def busy(self):
        """Whether it takes so many calls that simulating them takes long."""
        return self._possible(STEADY_SECONDS) > BUSY_CALLS

    def changes(self):
        return {PHASE_SECONDS * phase: limit for phase, limit in enumerate(self.limits) if phase}

    def measure(self, seed=1):
        """Of what was possible the share that was accepted, and of all calls the share that was refused."""
        end = PHASE_SECONDS * len(self.limits) or STEADY_SECONDS
        tally = simulate(Limiter(Limits(adaptive=ConcurrencyRange())), self.make(), end, self.changes(), seed)
        accepted, refused = tally.between(SETTLED, end)
        return accepted / self._possible(end), refused / max(1, accepted + refused)

    def _possible(self, end):
        service, changes, total, at = self.make(), self.changes(), 0.0, SETTLED
        for change in (*changes, end):
            seconds = change - at
            total += min(service.possible(seconds), seconds * AUTO_MOST / self.latency)
            at = change
            if change in changes:
                service.change(changes[change], change)
        return total


@dataclass
class Group:
    """Shapes that have to reach the same."""

    possible: float = 0.9
    refused: float = 0.05
    shapes: dict[str, Shape] = field(default_factory=dict)


def bucket(rate, **settings):
    return RateService(rate, rate, **settings)


def small_bucket(rate, **settings):
    return RateService(rate, 0.1 * rate, **settings)


def one_by_one(rate, **settings):
    return RateService(rate, 1, **settings)


def _group(make, limits, latencies, *, possible=0.9, refused=0.05, **settings):
    group = Group(possible, refused)
    for limit in limits:
        for latency in latencies:
            name = f"{limit}, {latency} s"
            first, changing = (limit[0], limit) if isinstance(limit, tuple) else (limit, ())

            def service(first=first, latency=latency):
                return make(first, latency=latency, **settings)

            group.shapes[name] = Shape(service, latency, changing)
    return group


def _both(rate, **settings):
    return BothService(5, rate, **settings)


RATES, QUICK = (10, 50, 200), (0.02, 0.1)
GROUPS = {
    # Ten a second are few: a try every 24 to 32 calls that meets two refusals is above one in twenty.
    "token bucket, a second saved up": _group(bucket, RATES, LATENCIES, refused=0.065),
    "token bucket, a tenth saved up": _group(small_bucket, (50, 200), LATENCIES),
    "so many in each second": _group(WindowService, RATES, LATENCIES, refused=0.06),
    "so many in any second": _group(SlidingService, RATES, LATENCIES),
    "so many at once": _group(AtOnceService, (1, 3, 5, 30), (0.03, 0.1, 0.3)),
    # One to thirty calls a second: the same as above.
    "so many at once, slow": _group(AtOnceService, (1, 3, 5, 30), (1.0,), refused=0.08),
    "so many at once and a second": _group(_both, (30, 80), (0.1,)),
    "slows instead of refusing": _group(QueueingService, (3, 30), (0.05, 0.3, 1.0)),
    # Two calls closer than a tenth of a second are one too many: what callers are late can only be lost.
    "no burst at all": _group(one_by_one, (10,), (0.005, 0.05, 0.3), possible=0.8),
    "Retry-After until it takes one": _group(SlidingService, (10, 50), (0.05,), retry_after="exact"),
    "Retry-After 1, token bucket": _group(bucket, RATES, LATENCIES, retry_after=1.0),
    # A try costs a second in which nothing is taken: one in the first ten, one in the next twenty.
    "Retry-After 1, so many in each second": _group(
        WindowService, RATES, (0.005, 0.05, 0.3), possible=0.8, retry_after=1.0
    ),
    "Retry-After 1, so many in any second": _group(
        SlidingService, RATES, LATENCIES, possible=0.83, retry_after=1.0
    ),
    "Retry-After as a date": _group(WindowService, (10, 50), (0.05,), possible=0.87, retry_after="date"),
    "Retry-After 1, so many at once": _group(
        AtOnceService, (1, 3, 5, 30), (0.05, 0.3, 1.0), possible=0.85, refused=0.06, retry_after=1.0
    ),
    "changing token bucket": _group(bucket, ((50, 20, 80), (10, 80, 10), (200, 25, 100)), QUICK),
    "changing, in each second": _group(WindowService, ((50, 20, 80), (200, 25, 100)), QUICK),
    "changing, in any second": _group(SlidingService, ((50, 20, 80), (200, 25, 100)), QUICK),
    # An eightfold rise of ten a second: the next try is after 2.4 to 3.2 s, and finds it 2 s later.
    "changing eightfold, in any second": _group(SlidingService, ((10, 80, 10),), QUICK, possible=0.78),
    "changing, at once": _group(AtOnceService, ((5, 20, 5), (30, 4, 16), (5, 2, 10)), QUICK, possible=0.83),
    "changing, slows": _group(QueueingService, ((5, 20, 5), (30, 4, 16)), QUICK),
    # Nobody knows of a rise before the next try, and a try that is in vain costs a second.
    "changing, Retry-After 1": _group(
        SlidingService, ((50, 20, 80), (200, 25, 100)), QUICK, possible=0.55, retry_after=1.0
    ),
}
