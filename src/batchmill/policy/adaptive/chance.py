"""Refusals that come whatever the limits are: a service that is partly down refuses every tenth call, say, at
any pace and with any number in flight.

To slow down for these is in vain: each cut is followed by the next refusal, down to one call in ten seconds.
Two things show it. Cuts follow each other for seconds, with no rise between them, although calls were
accepted: a real limit is found after a few. Or no limit explains the refusals: calls are refused that are
alone and came more slowly, on every scale, than calls that were accepted a moment before. The share of calls
refused meanwhile is then taken as usual, and refusals change a limit only where they are clearly more than
that.

Pure: times are arguments, in seconds of one clock that never goes back.
"""

from __future__ import annotations

from collections import deque

from batchmill.policy.adaptive.history import CallTicket

IN_VAIN = 6  # cuts in a row: a limit that fell to an eighth is found after five
APART_SECONDS = 0.5  # cuts closer than this count as one: they are the way down to a new limit
MORE, MOST_SHARE = 1.5, 0.75  # times the usual share that is still usual, and the largest such share
FEW_CALLS = 24  # more than these between two cuts: the first one was not in vain
SPARE = 6.0  # refusals above it, as chance has them
SLOWER = 1.5  # times as far apart as calls that were accepted: then no limit explains a refusal
UNEXPLAINED, UNEXPLAINED_SHARE = 2, 0.3  # so many of these, with an accepted call before each; refused calls
MOST_COMPARED = 32  # accepted calls
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
        self._compared: deque[float] = deque(maxlen=MOST_COMPARED)  # when accepted calls of the row began
        self._unexplained = 0  # refusals in the row
        self._taken = False  # a call was accepted since the last of these

    def accepted(self, ticket: CallTicket) -> None:
        self._compared.append(ticket.began)
        self._taken = True
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
            self.share = seen if seen * FEW_CALLS >= 1 else 0.0  # cuts that rare are not in vain
        self._calls = self._refused = 0

    def cut(self, now: float, *, raised: bool) -> bool:
        """A limit was cut, after something was ``raised`` since the last cut or not. True if this one and the
        cuts before it were in vain: the share of this time is usual from now on."""
        self._spare = SPARE if self.share else 0.0
        if raised or self._since_cut > FEW_CALLS:
            self._cuts //= 2
        self._since_cut = 0
        if not self._cuts:
            self._begin_row()
        elif now - self._cut_at < APART_SECONDS:
            return False
        self._cuts, self._cut_at = self._cuts + 1, now
        if self._cuts < IN_VAIN:
            return False
        self._learn()
        return True

    def unexplained(self, ticket: CallTicket) -> bool:
        """Whether no limit explains the refusal of this call: it was alone, and since the first cut in the
        row accepted calls were clearly closer together, whether you look at two in a row or at more."""
        times = self._compared
        if ticket.in_flight > 1 or len(times) < 2:
            return False
        for before in range(1, len(times) // 2 + 1):
            closest = min(times[n] - times[n - before] for n in range(before, len(times)))
            if ticket.began - times[-before] < SLOWER * closest:
                return False
        self._unexplained += self._taken
        self._taken = False
        return True

    def found(self) -> bool:
        """Whether so many refusals are unexplained that they come by chance: then the share of this time is
        usual from now on."""
        if self._unexplained < UNEXPLAINED or self._row_refused <= UNEXPLAINED_SHARE * self._row_calls:
            return False
        self._learn()
        return True

    def _begin_row(self) -> None:
        self._row_calls = self._row_refused = self._unexplained = 0
        self._compared.clear()

    def _learn(self) -> None:
        self.share = max(self.share, self._row_refused / max(1, self._row_calls))
        self._spare, self._cuts = SPARE, 0
        self._calls = self._refused = 0
        self._begin_row()
