"""Refusals that come whatever the limits are: a service that is partly down refuses every tenth call, say, at
any pace and with any number in flight.

To slow down for these is in vain: each cut is followed by the next refusal, down to one call in ten seconds.
Cuts that follow each other for seconds, with no rise between them, although calls were accepted, show it,
because a real limit is found after a few. The share of calls refused meanwhile is then
taken as usual, and refusals change a limit only where they are clearly more than that.

Pure: times are arguments, in seconds of one clock that never goes back.
"""

from __future__ import annotations

IN_VAIN = 6  # cuts in a row: a limit that fell to an eighth is found after five
APART_SECONDS = 0.5  # cuts closer than this count as one: they are the way down to a new limit
MORE, MOST_SHARE = 1.5, 0.75  # times the usual share that is still usual, and the largest such share
FEW_CALLS = 24  # more than these between two cuts: the first one was not in vain
SPARE = 6.0  # refusals above it, as chance has them
LOOK_CALLS = 100  # after so many calls the share is compared with the usual one


class ChanceRefusals:
    """Learns the usual share of refused calls, 0 at first. Not locked: its owner calls it under a lock."""

    def __init__(self) -> None:
        self.share = 0.0
        self._spare = 0.0
        self._cuts = 0
        self._cut_at = 0.0
        self._since_cut = 0  # calls
        self._row_calls = self._row_refused = 0  # since the first cut in the row
        self._calls = self._refused = 0  # since the last look

    def accepted(self) -> None:
        self._row_calls += 1
        allowed = min(MOST_SHARE, MORE * self.share)
        self._spare = min(SPARE, self._spare + allowed / (1 - allowed))
        self._count()

    def refused(self) -> bool:
        """A call was refused. True if as many are usually, so that it says nothing about a limit."""
        self._row_calls += 1
        self._row_refused += 1
        self._refused += 1
        self._count()
        if self._spare < 1:
            return False
        self._spare -= 1
        return True

    def _count(self) -> None:
        self._calls += 1
        self._since_cut += 1
        if self._calls < LOOK_CALLS:
            return
        seen = self._refused / self._calls
        if seen < self.share / 2:  # the service is better than it was
            self.share = seen
        self._calls = self._refused = 0

    def cut(self, now: float, *, raised: bool) -> bool:
        """A limit was cut, after something was ``raised`` since the last cut or not. True if this one and the
        cuts before it were in vain: the share of this time is usual from now on."""
        self._spare = SPARE if self.share else 0.0
        if raised or self._since_cut > FEW_CALLS:
            self._cuts //= 2
        self._since_cut = 0
        if not self._cuts:
            self._row_calls = self._row_refused = 0
        elif now - self._cut_at < APART_SECONDS:
            return False
        self._cuts, self._cut_at = self._cuts + 1, now
        if self._cuts < IN_VAIN:
            return False
        self.share = max(self.share, self._row_refused / max(1, self._row_calls))
        self._spare, self._cuts = SPARE, 0
        self._calls = self._refused = 0
        return True
