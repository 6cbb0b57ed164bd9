"""Detect whether a service has slowed down: some services show overload in this way.

If calls take twice as long as before, fewer are let through. If that does not make them quicker, the calls
themselves got longer (compare Brakmo and Peterson, "TCP Vegas", IEEE Journal on Selected Areas in
Communications, 1995). Pure: times are arguments, in seconds.
"""

from __future__ import annotations

from enum import Enum
from statistics import median

ROUND_SAMPLES, ROUND_SECONDS = 10, 0.5
SLOW_FACTOR = 2.0  # calls that take this much longer than they did
STILL_SLOW = 0.92  # fewer in flight must make calls this much quicker to have been at fault
LONGER_MEMORY = 0.02  # weight of each round in what a call usually takes


class Latency(Enum):
    """The verdict of a round of calls."""

    AT_EASE = "at ease"
    SLOWED = "calls take much longer than they did"
    LONGER = "fewer in flight made no call quicker: the calls are longer now"


class LatencyTrend:
    """Compares the durations of calls, in rounds of ten calls or as many as may be in flight."""

    def __init__(self, now: float) -> None:
        self._usual: float | None = None  # seconds a call takes when the service is at ease
        self._before: float | None = None  # what a call took when fewer were let through because of it
        self.factor = 1.0  # how much longer calls took than usual in the last round
        self.begin_round(now)

    def begin_round(self, now: float) -> None:
        self._round = now
        self._latencies: list[float] = []

    def forget_trial(self) -> None:
        """The number in flight changed for another reason: whether fewer made calls quicker is not known."""
        self._before = None

    def seen(self, latency: float, limit: int, now: float) -> Latency | None:
        """A call took ``latency``; returns the verdict of the round if it ends with this call."""
        self._latencies.append(latency)
        if len(self._latencies) < max(ROUND_SAMPLES, limit) or now - self._round < ROUND_SECONDS:
            return None
        latency = median(self._latencies)
        self.begin_round(now)
        return self._finding(latency)

    def _finding(self, latency: float) -> Latency:
        before, self._before = self._before, None
        if before is not None and latency > STILL_SLOW * before:
            self._usual = latency
            return Latency.LONGER
        if self._usual is None or latency < self._usual:
            self._usual = latency if self._usual is None else (self._usual + latency) / 2
            return Latency.AT_EASE
        self.factor = latency / self._usual
        if self.factor < SLOW_FACTOR:
            self._usual += LONGER_MEMORY * (latency - self._usual)
            return Latency.AT_EASE
        self._before = latency
        return Latency.SLOWED
