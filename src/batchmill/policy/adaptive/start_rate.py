"""The pace of starts: how often a service is called, once it has refused.

The pace falls back to a measured value: the rate of calls that were really accepted. How far back the measure
goes depends on what is known.

- The pace was raised, and then refused: take what was accepted in the last second, but no less than what had
  worked before the rise.
- The pace we had fallen back to is refused again, so the measure was too high, as a service may have saved up
  for a burst: take what was accepted from one opening to the next, cut deeper each time in a row.
- Nothing was measured yet: the same, and then upwards in large steps.

Pure: times are arguments, in seconds of one clock.
"""

from __future__ import annotations

import math

from batchmill.policy.adaptive.backoff import Backoff
from batchmill.policy.adaptive.history import CallHistory
from batchmill.policy.adaptive.search import BOLD_STEP, LimitSearch
from batchmill.policy.bucket import TokenBucket

LEAST, STEP = 0.1, 0.04  # starts a second; share of the first rise
RATE_SECONDS, SHORTEST_RATE_SECONDS = 1.0, 0.05  # the span over which an accepted rate is measured
LONGEST_RATE_SECONDS, RATE_CALLS = 2.0, 15.0  # longer where one call more or less makes a difference
SLOWER = 0.97  # of what was accepted
SHALLOW, HALF = 0.95, 0.5  # of a pace that was measured and is refused: the least after once, and after more
DEEPER, DEEPEST = 0.12, 0.7  # each further cut in a row is deeper by this, down to that
AHEAD = 1.5  # a pace that binds nobody stays this far above what is accepted
BINDING = 0.85  # of the pace, reached: then it is what bounds
RISEN = 1.35  # times what was refused: then the limit is another one
FARTHEST = 1.4  # times what was accepted: the most that the step before is believed
EVENLY, FINEST_SECONDS = 1.1, 0.01  # starts at once, and the span over which they are spread at the finest


class StartRate:
    """Applies only after the first refusal. The owner reports ``traffic`` and ``openings``."""

    def __init__(self, traffic: CallHistory, openings: Backoff) -> None:
        self.search: LimitSearch | None = None
        self._traffic, self._openings = traffic, openings
        self._bucket = TokenBucket(1.0, 1.0)
        self._again, self._again_at = 0, 0.0  # cuts in a row of what had been fallen back to

    @property
    def value(self) -> float | None:
        """Starts a second; None where they are not paced."""
        return None if self.search is None else self.search.value

    @property
    def raised(self) -> bool:
        """Whether it was raised since it was last refused."""
        return self.search is not None and self.search.raised

    @property
    def bold(self) -> bool:
        """Whether so little is known that it is raised in large steps."""
        return self.search is not None and self.search.bold

    def has_risen(self) -> bool:
        """Whether it is so far above what was refused that the service must take more than it did."""
        if self.search is None or self.search.found is None:
            return True
        return self.search.value > RISEN * self.search.found

    def wait(self, now: float) -> float:
        """Seconds until the next start."""
        return 0.0 if self.search is None else self._bucket.wait(1, now)

    def spend(self, now: float) -> None:
        if self.search is not None:
            self._bucket.spend(1, now)

    def give_back(self, now: float) -> None:
        if self.search is not None:
            self._bucket.give_back(1, now)

    def binds(self, seen: float) -> bool:
        """Whether this pace limits a service that takes ``seen`` calls a second."""
        return self.search is not None and seen >= BINDING * self.search.value

    # -- refusals

    def refused(self, now: float) -> LimitSearch:
        """The pace is at fault: lower it to the measured rate of accepted calls."""
        self._count_again()
        unsure = self.search is None or self.search.found is None or self._again > 1
        return self._fall_to(self._level(now, unsure), now, unsure)

    def convict(self, now: float, *, unexplained: bool = False) -> None:
        """A call was refused that was alone, while none is accepted: their number cannot be why.

        If that lasts, the tries say nothing new: the service may be down. Then the pace is what was accepted
        from the last opening to the next one, however often the service was tried; and unknown if that is
        nothing. If the refusal is ``unexplained`` by any pace, this one stays.
        """
        openings = self._openings
        level = self._traffic.between(openings.cycle, openings.opened_at)
        if not level:
            self.forget()
        elif openings.opened_at - openings.closed_at > LONGEST_RATE_SECONDS:
            if unexplained:
                return
            self._in_force(level, now).find(SLOWER * level, BOLD_STEP)
            self._apply(now)
        else:
            unsure = self.search is None or self.search.found is None
            level = self._level(now, unsure)
            if unsure or level < (self.value or 0.0):
                self._fall_to(level, now, unsure)

    def doubt(self, now: float) -> bool:
        """It may have been at fault: start hardly more often than was accepted. True where that is much less
        than it was."""
        seen = self._seen(now)
        if not seen:  # so few calls that a second says nothing: a pace made from that would starve callers
            return False
        search, before = self._in_force(AHEAD * seen, now), self.value or 0.0
        if search.raised:  # it is the number: what was learnt of the pace is void
            search.found = None
            search.put(AHEAD * seen, BOLD_STEP)
            much_less = False
        else:
            binds = self.binds(seen)
            search.put(min(before, (SLOWER if binds else AHEAD) * seen), BOLD_STEP)
            much_less = search.value < 0.8 * before
        self._apply(now)
        return much_less

    def forget(self) -> None:
        """No pace was at fault: starts are paced no longer."""
        self.search, self._again = None, 0

    def _seen(self, now: float) -> float:
        """Calls a second that were accepted in the last second, as far as the service was open."""
        if self.search is None:
            return self._traffic.rate(now, RATE_SECONDS, SHORTEST_RATE_SECONDS)
        seconds = RATE_SECONDS
        if self._openings.pause:
            seconds = min(seconds, max(SHORTEST_RATE_SECONDS, now - self._openings.cycle))
        return self._traffic.rate(now, seconds, seconds)

    def _count_again(self) -> None:
        opened = self._openings.opened_at
        if self.search is None or self.search.raised:
            self._again = 0
        elif not self._again or opened - self._again_at >= RATE_SECONDS / 2:
            self._again, self._again_at = self._again + 1, opened

    def _level(self, now: float, unsure: bool) -> float:
        """Calls a second that the service seems to take for long."""
        if not unsure and not self._again:
            return self._lately(now)
        openings = self._openings
        end = openings.cut_at if openings.pause else openings.opened_at
        start = max(end - LONGEST_RATE_SECONDS, min(openings.cycle, end - RATE_SECONDS))
        cycle = max(self._traffic.between(start, end), 1 / (end - start))
        if self.search is None or self.search.found is None:
            return cycle
        return max(cycle, (HALF if unsure else SHALLOW) * self.search.value)

    def _lately(self, now: float) -> float:
        """Calls a second that were accepted lately."""
        rate = self._traffic.rate(now, RATE_SECONDS)
        if self._openings.pause:  # another refusal would be dear
            rate = min(rate, self._traffic.rate(now, 2 * RATE_SECONDS))
            before = self.search.previous if self.search is not None and self.bold else 0.0
            return rate * math.sqrt(max(1.0, min(FARTHEST, before / max(rate, LEAST))))
        if self.bold:
            return rate
        return self._traffic.rate(
            now, min(LONGEST_RATE_SECONDS, max(RATE_SECONDS, RATE_CALLS / max(rate, 1.0)))
        )

    def _fall_to(self, level: float, now: float, unsure: bool) -> LimitSearch:
        search = self._in_force(2 * level, now)
        before = search.value
        level = min(SLOWER * level, before * max(DEEPEST, SLOWER - DEEPER * max(0, self._again - 1)))
        if not unsure and not self._again:
            level = max(level, self._went_well(search, now))
        search.find(level, BOLD_STEP if unsure and level < DEEPEST * before else None)
        self._apply(now)
        return search

    def _went_well(self, search: LimitSearch, now: float) -> float:
        """The last value that held for long or, if refusals cost little, the middle between it and the
        previous one."""
        if self._openings.pause:
            return search.good
        accepted = SLOWER * (self._traffic.rate(now, RATE_SECONDS) + 1)
        return max(search.good, min((search.good + search.previous) / 2, accepted))

    # -- no refusals

    def rise(self, now: float) -> bool:
        """Try the next value. False where it is too early."""
        if self.search is None or not self.search.higher(now):
            return False
        self._apply(now)
        return True

    def keep_ahead(self, now: float) -> None:
        """The pace kept no caller waiting, so raise it out of the way of the next rise of the number in
        flight."""
        if self.search is None:
            return
        ahead = AHEAD * self._traffic.rate(now, RATE_SECONDS)
        if self.search.value >= ahead:
            return
        if self.has_risen():
            self.search.put(ahead)
        else:
            self.search.higher(now)
        self._apply(now)

    def _in_force(self, value: float, now: float) -> LimitSearch:
        """The search; if starts were not paced so far, one that begins now with ``value``."""
        if self.search is None:
            self.search = LimitSearch(value, LEAST, math.inf, STEP, 0.0)
            self._bucket = TokenBucket(self.search.value, 1.0, now)
            self._bucket.spend(1.0, now)
        return self.search

    def _apply(self, now: float) -> None:
        value = self.value or LEAST
        self._bucket.set_rate(value, max(EVENLY, value * FINEST_SECONDS), now)
