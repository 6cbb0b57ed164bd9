"""A token bucket: how much may be spent now, and how long until more may be.

A bucket fills at ``rate`` units a second up to ``capacity``. Spending more than it holds is allowed once it
is full, and leaves a debt that must fill up first: otherwise a single request larger than the capacity could
never start. Over any ``t`` seconds at most ``rate * t + capacity`` is spent, plus that debt. Pure arithmetic:
the time is an argument, and nothing here waits.
"""

from __future__ import annotations

_ROUNDING = 1e-9  # what is this near to enough is enough, or one could wait for ever shorter times


class TokenBucket:
    """``rate`` units a second, more than 0; ``capacity`` units at most, more than 0. It begins full.

    Not locked: its owner calls it under a lock. Times are seconds of one clock and never go back.
    """

    def __init__(self, rate: float, capacity: float, now: float = 0.0) -> None:
        self.rate = rate
        self.capacity = capacity
        self._level = capacity
        self._at = now

    def level(self, now: float) -> float:
        """The amount available at ``now``; negative while there is a debt."""
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
            self._at = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Seconds from ``now`` until ``amount`` may be spent, 0 when it may be at once."""
        missing = min(amount, self.capacity) * (1 - _ROUNDING) - self.level(now)
        return max(0.0, missing / self.rate)

    def spend(self, amount: float, now: float) -> None:
        """Take ``amount`` out, whether it is there or not."""
        self.level(now)
        self._level -= amount

    def give_back(self, amount: float, now: float) -> None:
        """Return an unused amount; a negative ``amount`` was used beyond the amount taken."""
        self._level = min(self.capacity, self.level(now) + amount)

    def stand(self) -> tuple[float, float]:
        """The level, and when it was that."""
        return self._level, self._at

    def resume(self, level: float, at: float) -> None:
        """Go on from a level that another bucket had at that time."""
        self._level, self._at = min(self.capacity, level), at

    def set_rate(self, rate: float, capacity: float, now: float) -> None:
        """Fill at another rate from ``now`` on."""
        self._level = min(capacity, self.level(now))
        self.rate, self.capacity = rate, capacity


_LATE_SECONDS = 0.02  # how late a waiter may wake up without its lateness being lost for the rate
_LESS_THAN_ONE = 0.9  # such slack never lets one more start in a span that holds a whole number of starts
_SHORTEST_SPAN = 0.01  # seconds: above 100 a second, starts come in groups, as no timer is finer


def paced(rate: float, burst: int | None = None, now: float = 0.0) -> TokenBucket:
    """A bucket for ``rate`` starts a second, ``burst`` (1 if None) of them at once after a pause.

    Its capacity has some slack, because a waiting thread always wakes up a little late, and that would add
    up.
    """
    slack = min(_LESS_THAN_ONE, rate * _LATE_SECONDS)
    return TokenBucket(rate, max((burst or 1) + slack, rate * _SHORTEST_SPAN), now)
