"""A simulated service and the callers that an adaptive limit lets through to it, on a clock of their own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

from batchmill.policy.adaptive import Adaptive
from batchmill.policy.bucket import TokenBucket


class RateService:
    """Allows ``rate`` requests a second, ``burst`` at once after a pause."""

    def __init__(self, rate, latency=0.1, burst=1, jitter=0.0, retry_after=None):
        self.bucket = TokenBucket(rate, burst)
        self.latency, self.jitter, self.retry_after = latency, jitter, retry_after
        self.capacity_used = 0

    def possible(self, seconds):
        return self.bucket.rate * seconds

    def change(self, rate, now):
        self.bucket.set_rate(rate, self.bucket.capacity, now)

    def arrive(self, now, dice):
        if self.bucket.level(now) < 1:
            return False, 0.004
        self.bucket.spend(1, now)
        return True, self.latency * (1 + self.jitter * (dice.random() * 2 - 1))

    def leave(self, now):
        pass


class WindowService(RateService):
    """Allows ``rate`` requests in each calendar second."""

    def __init__(self, rate, **settings):
        super().__init__(rate, **settings)
        self.second, self.count = -1, 0

    def arrive(self, now, dice):
        if int(now) != self.second:
            self.second, self.count = int(now), 0
        if self.count >= self.bucket.rate:
            return False, 0.004
        self.count += 1
        return True, self.latency * (1 + self.jitter * (dice.random() * 2 - 1))


class AtOnceService:
    """Allows ``most`` requests at once."""

    def __init__(self, most, latency=0.1, jitter=0.0, retry_after=None):
        self.most, self.latency, self.jitter, self.retry_after = most, latency, jitter, retry_after
        self.here = 0

    def possible(self, seconds):
        return self.most * seconds / self.latency

    def change(self, most, now):
        self.most = most

    def arrive(self, now, dice):
        if self.here >= self.most:
            return False, 0.004
        self.here += 1
        return True, self.latency * (1 + self.jitter * (dice.random() * 2 - 1))

    def leave(self, now):
        self.here -= 1


class QueueingService(AtOnceService):
    """Works on ``most`` at once and lets any number wait: it never refuses, it slows."""

    def __init__(self, most, latency=0.1, jitter=0.0):
        super().__init__(most, latency, jitter)
        self.free = [0.0] * most

    def arrive(self, now, dice):
        begin = max(now, heapq.heappop(self.free))
        end = begin + self.latency * (1 + self.jitter * (dice.random() * 2 - 1))
        heapq.heappush(self.free, end)
        return True, end - now

    def leave(self, now):
        pass


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


def simulate(adaptive: Adaptive, service, seconds, changes=None, seed=1) -> Tally:
    """Callers without end for ``seconds``; ``changes`` maps times to new limits of the service."""
    dice, order, tally = random.Random(seed), itertools.count(), Tally()
    agenda: list[tuple[float, int, Callable[[float], None]]] = []
    asleep = [float("inf")]
    paused = [0.0]

    def at(when, what):
        heapq.heappush(agenda, (when, next(order), what))

    def ended(now, ticket, ok):
        if ok:
            service.leave(now)
        tally.add(now, ok)
        wait = None if ok else service.retry_after
        decision = adaptive.ended(ticket, now, now - ticket.began, refused=not ok, pause=wait or 0.0)
        if wait:
            paused[0] = max(paused[0], now + wait)
        if decision:
            tally.decisions.append((now, decision))
        send(now)

    def send(now):
        while True:
            wait = max(adaptive.wait(now), paused[0] - now)
            if wait > 0:
                if wait != float("inf") and not now < asleep[0] <= now + wait:
                    asleep[0] = now + wait + dice.random() * 0.0005
                    at(asleep[0], send)
                return
            ticket = adaptive.started(now)
            ok, latency = service.arrive(now, dice)
            at(now + latency, lambda then, ticket=ticket, ok=ok: ended(then, ticket, ok))

    at(0.0, send)
    for when, limit in (changes or {}).items():
        at(when, lambda now, limit=limit: service.change(limit, now))
    while agenda and agenda[0][0] < seconds:
        now, _, what = heapq.heappop(agenda)
        what(now)
    return tally
