"""Backoff: when a service takes calls and when it takes none, with its own pauses and ours.

After a refusal the pause that the service asked for is kept. If the next call is refused too, no call was
taken, so there is neither a number in flight nor a pace to learn from: one call at a time tries, after waits
that double.

Pure: times are arguments, in seconds of one clock.
"""

from __future__ import annotations

import math

from batchmill.policy.adaptive.history import CallTicket

CLOSED_SECONDS, LONGEST_CLOSED = 0.05, 5.0  # the first wait for a service that takes nothing, and the longest
CLOSED_STARTS = 1.5  # the first wait in starts, where those are farther from each other
SHORTEST_REFUSAL, LATER, RECENT = 0.03, 3.0, 0.3  # no news of a trial for so long is good news


class Backoff:
    """A cycle goes from one opening to the next; a cut ends what was let through in it."""

    def __init__(self, now: float) -> None:
        self.cycle = self.opened_at = now  # the last opening but one, and the last, which may be to come
        self.cut_at = -math.inf  # what began before this was let through under another limit
        self.closed_at = -math.inf  # the last cut that a call was accepted before
        self.pause = 0.0  # what was asked for with the last cut
        self.taken = 0  # calls that began after the last cut and were accepted
        self._until = 0.0
        self._waits = 0  # for a service that took nothing, one after another
        self._trial: CallTicket | None = None
        self._refusal_seconds = 0.0  # how long it takes to hear of one

    def wait(self, now: float) -> float:
        """Seconds until a call may be tried: 0 now."""
        if now < self._until:
            return self._until - now
        if not self._waits or self._trial is None:
            return 0.0
        seconds = self._trial.began + max(SHORTEST_REFUSAL, LATER * self._refusal_seconds) - now
        if seconds <= 0:  # it would have been refused by now: refusals come quicker than answers
            self._waits, self.taken = 0, 1
        return max(0.0, seconds)

    def started(self, ticket: CallTicket) -> None:
        if self._waits:
            self._trial = ticket

    def left(self, ticket: CallTicket) -> None:
        """A call ended, with any outcome."""
        if ticket is self._trial:
            self._trial = None

    def accepted(self, ticket: CallTicket) -> None:
        if ticket.began >= self.cut_at:
            self.taken += 1
            self._waits = 0

    def refused(self, ticket: CallTicket, now: float) -> None:
        self._refusal_seconds += RECENT * (now - ticket.began - self._refusal_seconds)

    def is_closed(self) -> bool:
        """Whether nothing was taken since the last cut."""
        return not self.taken and self.cut_at > -math.inf

    def cut(self, now: float, pause: float) -> None:
        """A cycle is over; the next one begins in ``pause`` seconds."""
        self.cut_at = self.closed_at = now
        self.taken = 0
        self.cycle, self.opened_at = self.opened_at, now
        self.pause = pause
        self.close(now, pause)

    def close(self, now: float, seconds: float) -> None:
        """Let nothing through for a while."""
        self._until = max(self._until, now + seconds)
        self.opened_at = max(self.opened_at, self._until)

    def wait_longer(self, now: float, pause: float, rate: float | None) -> float:
        """Closed still, for ``pause`` seconds at least, with ``rate`` starts a second: the next wait."""
        self.cut_at = now
        first = CLOSED_SECONDS if rate is None else max(CLOSED_SECONDS, CLOSED_STARTS / rate)
        seconds = max(pause, min(LONGEST_CLOSED, first * 2.0**self._waits))
        self._waits += 1
        self.close(now, seconds)
        return seconds
