"""Simulated services, and callers without end that a limiter lets through to them, on a clock of their own.

A call travels a moment to the service and its end a moment back, and whoever was to start at a time starts
a little later, as threads do: so calls overtake each other, and bursts form that nobody meant.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable

from batchmill.policy.bucket import TokenBucket
from batchmill.policy.limits import EndedAttempt, Limiter

REFUSAL_SECONDS = 0.004
TRIP_SECONDS = 0.001  # one way, at the most
LATE_SECONDS, VERY_LATE_SECONDS, VERY_LATE_SHARE = 0.001, 0.008, 0.05


class Service:
    """Answers in ``latency`` seconds, more or less by the share ``jitter``; ``retry_after`` is what it says
    when it refuses: nothing, so many seconds, ``"exact"``: when it will take one again, or ``"date"``: in a
    second, as a date, which has whole seconds."""

    def __init__(self, latency=0.1, jitter=0.3, retry_after=None):
        self.latency, self.jitter, self.retry_after = latency, jitter, retry_after

    def possible(self, seconds):
        """How many calls it takes in so many seconds."""
        raise NotImplementedError

    def takes(self, now):
        """Whether it takes a call at ``now``, which it then counts."""
        raise NotImplementedError

    def opens(self, now):
        """Seconds until it takes one again."""
        return 1.0

    def arrive(self, now, dice):
        """Whether a call is taken, how many seconds until it is answered, and the pause asked for."""
        if not self.takes(now):
            return False, REFUSAL_SECONDS, self.pause(now)
        return True, self.latency * (1 + self.jitter * (dice.random() * 2 - 1)), 0.0

    def pause(self, now):
        if self.retry_after == "exact":
            return self.opens(now)
        if self.retry_after == "date":
            return math.floor(now) + 1.0 - now + (1.0 if now % 1 > 0.5 else 0.0)
        return self.retry_after or 0.0

    def leave(self, now):
        """A call that was taken ended."""


class RateService(Service):
    """Allows ``rate`` requests a second, ``burst`` at once after a pause: a token bucket."""

    def __init__(self, rate, burst=1.0, **settings):
        super().__init__(**settings)
        self.bucket = TokenBucket(rate, burst)

    def possible(self, seconds):
        return self.bucket.rate * seconds

    def change(self, rate, now):
        share = self.bucket.capacity / self.bucket.rate
        self.bucket.set_rate(rate, max(1.0, share * rate), now)

    def takes(self, now):
        if self.bucket.level(now) < 1:
            return False
        self.bucket.spend(1, now)
        return True

    def opens(self, now):
        return self.bucket.wait(1, now)


class WindowService(Service):
    """Allows ``rate`` requests in each second of the clock."""

    def __init__(self, rate, **settings):
        super().__init__(**settings)
        self.rate, self.second, self.count = rate, -1, 0

    def possible(self, seconds):
        return self.rate * seconds

    def change(self, rate, now):
        self.rate = rate

    def takes(self, now):
        if int(now) != self.second:
            self.second, self.count = int(now), 0
        self.count += 1
        return self.count <= self.rate

    def opens(self, now):
        return math.floor(now) + 1 - now


class SlidingService(WindowService):
    """Allows ``rate`` requests in any second."""

    def __init__(self, rate, **settings):
        super().__init__(rate, **settings)
        self.recent = deque()

    def takes(self, now):
        while self.recent and self.recent[0] <= now - 1:
            self.recent.popleft()
        if len(self.recent) >= self.rate:
            return False
        self.recent.append(now)
        return True

    def opens(self, now):
        return self.recent[0] + 1 - now


class AtOnceService(Service):
    """Allows ``most`` requests at once."""

    def __init__(self, most, **settings):
        super().__init__(**settings)
        self.most, self.here = most, 0

    def possible(self, seconds):
        return (
            self.most * seconds / (self.latency + 3 * TRIP_SECONDS)
        )  # a place is empty while answers travel

    def change(self, most, now):
        self.most = most

    def takes(self, now):
        if self.here >= self.most:
            return False
        self.here += 1
        return True

    def leave(self, now):
        self.here -= 1


class BothService(AtOnceService):
    """Allows so many at once, and so many a second."""

    def __init__(self, most, rate, **settings):
        super().__init__(most, **settings)
        self.rate = RateService(rate, 0.1 * rate)

    def possible(self, seconds):
        return min(super().possible(seconds), self.rate.possible(seconds))

    def takes(self, now):
        return self.here < self.most and self.rate.takes(now) and super().takes(now)


class QueueingService(Service):
    """Works on ``most`` at once and lets any number wait: it never refuses, it slows."""

    def __init__(self, most, **settings):
        super().__init__(**settings)
        self.free = [0.0] * most

    def possible(self, seconds):
        return len(self.free) * seconds / (self.latency + 3 * TRIP_SECONDS)

    def change(self, most, now):
        self.free = sorted(self.free)[:most] + [now] * (most - len(self.free))

    def arrive(self, now, dice):
        begin = max(now, heapq.heappop(self.free))
        end = begin + self.latency * (1 + self.jitter * (dice.random() * 2 - 1))
        heapq.heappush(self.free, end)
        return True, end - now, 0.0


class Tally:
    """What came of a simulation, per whole second of its time."""

    def __init__(self):
        self.accepted, self.refused, self.decisions = {}, {}, []

    def add(self, now, ok):
        counts = self.accepted if ok else self.refused
        counts[int(now)] = counts.get(int(now), 0) + 1

    def between(self, start, end):
        ok = sum(count for second, count in self.accepted.items() if start <= second < end)
        no = sum(count for second, count in self.refused.items() if start <= second < end)
        return ok, no


class Simulation:
    """``limiter`` before ``service``; every chance comes from ``seed``."""

    def __init__(self, limiter: Limiter, service: Service, seed: int = 1) -> None:
        self.limiter, self.service = limiter, service
        self.dice = random.Random(seed)
        self.tally = Tally()
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._asleep = math.inf

    def at(self, when, what):
        heapq.heappush(self._agenda, (when, next(self._order), what))

    def run(self, seconds):
        self.at(0.0, self._send)
        while self._agenda and self._agenda[0][0] < seconds:
            now, _, what = heapq.heappop(self._agenda)
            what(now)
        return self.tally

    def _trip(self):
        return TRIP_SECONDS * (0.3 + 0.7 * self.dice.random())

    def _late(self):
        return self.dice.random() * (
            VERY_LATE_SECONDS if self.dice.random() < VERY_LATE_SHARE else LATE_SECONDS
        )

    def _send(self, now):
        while (wait := self.limiter.wait(0, now)) <= 0:
            permit = self.limiter.start(0, now)
            self.at(
                now + self._trip(), lambda then, permit=permit, began=now: self._arrive(then, permit, began)
            )
        if wait < math.inf and not now < self._asleep <= now + wait:
            self._asleep = now + wait + self._late()
            self.at(self._asleep, self._send)

    def _arrive(self, now, permit, began):
        ok, seconds, pause = self.service.arrive(now, self.dice)
        self.tally.add(now, ok)
        if ok:
            self.at(now + seconds, self.service.leave)
        heard = now + seconds + self._trip()
        self.at(heard, lambda then: self._ended(then, permit, EndedAttempt(then - began, 0, not ok, pause)))

    def _ended(self, now, permit, ended):
        decision = self.limiter.end(
            permit, ended if not ended.refused else EndedAttempt(None, 0, True, ended.pause), now
        )
        if decision is not None:
            self.tally.decisions.append((now, decision))
        self._send(now)


def simulate(limiter: Limiter, service: Service, seconds, changes=None, seed=1) -> Tally:
    """Callers without end for ``seconds``; ``changes`` maps times to new limits of the service."""
    simulation = Simulation(limiter, service, seed)
    for when, limit in (changes or {}).items():
        simulation.at(when, lambda now, limit=limit: service.change(limit, now))
    return simulation.run(seconds)
