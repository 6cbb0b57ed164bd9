"""Adaptive concurrency: find out how many calls at once, and how often, a service accepts if it does not say
so.

Services refuse for one of two reasons: too many calls at once, or too many in a time. So two quantities are
controlled, the limit of calls in flight and the pace of starts
(:mod:`~batchmill.policy.adaptive.start_rate`). At first, the number in flight grows with every accepted call.
From the first refusal on, each quantity is searched for on its own
(:mod:`~batchmill.policy.adaptive.search`), one raised at a time, and each refusal is attributed to one of
them:

- To the one that was raised last.
- If neither was raised, to the number in flight, unless the service recently accepted calls with as many.
- To the number, if the last refusals all came with more in flight than nearly all accepted calls.
- To the pace, if a call was refused that was alone.

A service may also slow down instead of refusing (:mod:`~batchmill.policy.adaptive.latency`): then a fifth
fewer are let in flight, as long as that makes calls quicker. docs/design/adaptive.md explains the whole.

Pure: times are arguments, in seconds of one clock; the code neither waits nor locks.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from batchmill.policy.adaptive.backoff import Backoff
from batchmill.policy.adaptive.chance import ChanceRefusals
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.adaptive.history import WITNESSES, CallHistory, CallTicket
from batchmill.policy.adaptive.latency import Latency, LatencyTrend
from batchmill.policy.adaptive.search import BOLD_STEP, LimitSearch, patience
from batchmill.policy.adaptive.start_rate import RATE_SECONDS, StartRate

ROUND_SECONDS, LONGEST_ROUND, ROUND_STARTS, BOLD_STARTS = 0.4, 1.0, 4, 2
UNSURE_SECONDS, UNSURE_PAUSES = 0.5, 2.0  # how long to keep what was found without knowing much
FEWER, STEP = 0.8, 0.1  # shares of the number in flight: what is kept of it, and what is added first
FULL_SHARE = 0.3  # of the calls had as many in flight as may be: then that is what bounds
ROOM = 1.3  # times the calls in flight that a paced service is left
CONSISTENT = 4  # refusals in a row
MANY, HARDLY = 50, 0.02  # calls to compare with, the share of them that is hardly any


class LimitChange(NamedTuple):
    """A change: the new number of calls at once, of calls per second (None: no limit), and why."""

    limit: int
    rate: float | None
    reason: str


class Adaptive:
    """See the module. Not locked: its owner calls it under a lock."""

    def __init__(self, span: ConcurrencyRange, now: float = 0.0) -> None:
        self.span = span
        self.in_flight = 0
        self._traffic = CallHistory()
        self._openings = Backoff(now)
        self._slowness = LatencyTrend(now)
        self._wide = LimitSearch(span.start, span.least, span.most, STEP, 1.0)
        self._pace = StartRate(self._traffic, self._openings)
        self._chance = ChanceRefusals()
        self._starting = True  # nothing was refused yet
        self._narrowed = False  # what the last cut was of
        self._refused_with: deque[int] = deque(maxlen=CONSISTENT)  # how many in flight
        self._told = span.start
        self._new_round(now)

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return max(self.span.least, int(self._wide.value + 1e-9))

    @property
    def rate(self) -> float | None:
        """Starts a second; None where they are not paced."""
        return self._pace.value

    def wait(self, now: float) -> float:
        """Seconds until a call may start: 0 now, infinite where one in flight must end first."""
        if seconds := self._openings.wait(now):
            return seconds
        if self.in_flight >= self.limit:
            self._bound_by.add("number")
            return math.inf
        if seconds := self._pace.wait(now):
            self._bound_by.add("pace")
        return seconds

    def started(self, now: float) -> CallTicket:
        """Let a call through."""
        self.in_flight += 1
        self._starts += 1
        self._full += self.in_flight >= self.limit
        ticket = CallTicket(now, self.in_flight)
        self._traffic.started(now)
        self._openings.started(ticket)
        self._pace.spend(now)
        return ticket

    def withdrawn(self, ticket: CallTicket, now: float) -> None:
        """A call that was let through was not made."""
        self._leave(ticket)
        self._traffic.withdrawn(ticket)
        self._pace.give_back(now)

    def ended(
        self,
        ticket: CallTicket,
        now: float,
        latency: float | None,
        *,
        refused: bool = False,
        pause: float = 0.0,
    ) -> LimitChange | None:
        """A call ended; returns the decision that follows, if any.

        ``latency`` is how long the call took, None if that says nothing about the service. ``refused``: the
        service asks for less; ``pause``: the seconds in which it asks for no calls at all.
        """
        self._leave(ticket)
        if refused:
            self._traffic.refused(ticket)
            self._openings.refused(ticket, now)
            return self._refused(ticket, now, pause)
        self._traffic.accepted(ticket)
        self._openings.accepted(ticket)
        self._chance.accepted(ticket)
        if self._starting and "number" in self._bound_by:
            self._wide.value = min(self.span.most, self._wide.value + 1)
        if latency is not None and (decision := self._look_at(latency, now)) is not None:
            return decision
        least = BOLD_STARTS if self._pace.bold else ROUND_STARTS
        if self._starts >= least and now - self._round >= self._round_seconds():
            return self._end_round(now)
        return self._grown()

    def _leave(self, ticket: CallTicket) -> None:
        self.in_flight -= 1
        self._openings.left(ticket)

    # -- what a refusal means

    # A refusal says "less" but not less of what. Answer three questions, in this order.
    #
    # Is it news? Calls that began before the last cut were let through under old limits. Several of them are
    # refused at about the same time, and must not cut as often. They only show how deep to cut.
    #
    # Does the service accept any call at all? If it accepted none since the last cut, this refusal teaches
    # nothing about number or pace. One call at a time tries, after waits that double.
    #
    # Which of the two is at fault? The one that was raised last, because the other was fine a moment ago. If
    # neither was raised, the accepted calls decide (`_is_too_many`). Only that one is lowered, to a value
    # with accepted calls, and kept there for a time that grows with the cost of refusals.
    def _refused(self, ticket: CallTicket, now: float, pause: float) -> LimitChange | None:
        self._starting = False
        if self._chance.refused():
            self._close(now, pause)
            return None
        if ticket.began < self._openings.cut_at:
            return self._late_news(ticket, now, pause)
        unexplained = self._chance.unexplained(ticket)
        if unexplained and self._chance.found():
            return self._resume(now, pause)
        if self._openings.is_closed():
            return self._wait_for_opening(ticket, now, pause, unexplained=unexplained)
        if self._chance.cut(now, raised=self._wide.raised or self._pace.raised):
            return self._resume(now, pause)
        known = self._traffic.known(now)
        unsure = len(known) < WITNESSES
        self._openings.cut(now, pause)
        self._new_round(self._openings.opened_at)
        self._slowness.forget_trial()
        in_flight = ticket.in_flight
        if not known:  # the first calls leave at the same moment, and overtake each other
            in_flight = max(in_flight, self.in_flight + 1)
        self._narrowed = self._is_too_many(in_flight, known)
        if self._narrowed:
            unsure = self._pace.doubt(now) or unsure
            blamed, decision = self._wide, self._narrower(in_flight, known, pause)
        else:
            blamed, decision = self._slower(in_flight, now, pause)
        self._hold(blamed, now, pause, unsure)
        return decision

    def _resume(self, now: float, pause: float) -> LimitChange:
        """The last cuts were in vain: search for both quantities anew, upwards in large steps."""
        self._close(now, pause)
        self._wide.put(max(self._wide.value, self.span.start), BOLD_STEP)
        self._pace.forget()
        return self._said(f"{self._chance.share:.0%} are refused at any pace" + _in(pause))

    def _hold(self, blamed: LimitSearch, now: float, pause: float, unsure: bool) -> None:
        """Keep what was found for a while."""
        if unsure or blamed.bold:
            seconds = UNSURE_SECONDS + UNSURE_PAUSES * pause
        else:
            rate = self._traffic.rate(now, RATE_SECONDS)
            seconds = patience(blamed.failures, rate, pause, fallen=blamed.fallen)
        blamed.held_until = self._openings.opened_at + seconds

    def _is_too_many(self, in_flight: int, known: list[int]) -> bool:
        """Whether a refusal is attributed to the number in flight.

        The quantity that was raised last is at fault. If neither was, a number with hardly any accepted calls
        is.
        """
        if in_flight <= self.span.least:
            return False
        beyond = self._wide.raised and in_flight >= self._wide.previous
        if self._is_always_most(in_flight, known):
            return True
        if self._pace.raised and not (beyond and in_flight > self._wide.previous):
            return False
        if beyond:
            return True
        return sum(one >= in_flight for one in known) < WITNESSES

    def _is_always_most(self, in_flight: int, known: list[int]) -> bool:
        """Whether the last refusals all came with more in flight than nearly all accepted calls."""
        self._refused_with.append(in_flight)
        if len(self._refused_with) < CONSISTENT or len(known) < MANY:
            return False
        least = min(self._refused_with)
        if sum(one >= least for one in known) > HARDLY * len(known):
            return False
        self._refused_with.clear()
        return True

    def _late_news(self, ticket: CallTicket, now: float, pause: float) -> LimitChange | None:
        """Another refusal of a call that started before the last cut: it only shows how deep to cut."""
        self._close(now, pause)
        if not self._narrowed or ticket.in_flight > self.limit or ticket.in_flight <= self.span.least:
            return None
        self._wide.put(ticket.in_flight - 1)
        return self._said(f"refused with {ticket.in_flight} in flight too")

    # A call that was refused alone cannot have been too many at once: then it is the pace.
    def _wait_for_opening(
        self, ticket: CallTicket, now: float, pause: float, *, unexplained: bool
    ) -> LimitChange:
        """No call was accepted since the last cut: the service accepts none, whatever the limits are."""
        seconds = self._openings.wait_longer(now, pause, None if unexplained else self._pace.value)
        self._new_round(self._openings.opened_at)
        if ticket.in_flight == 1:
            self._pace.convict(now, unexplained=unexplained)
        return self._said(f"no call is accepted, the next try is in {seconds:.3g} s")

    def _close(self, now: float, seconds: float) -> None:
        self._openings.close(now, seconds)
        self._new_round(self._openings.opened_at)

    def _narrower(self, in_flight: int, known: list[int], pause: float) -> LimitChange:
        """The number is at fault: lower it to one with accepted calls or, if there is none, by a fixed
        factor."""
        cleared = sorted((one for one in known if one < in_flight), reverse=True)
        best = cleared[WITNESSES - 1] if len(cleared) >= WITNESSES else 0
        fallback = max(self.span.least, best, math.floor(FEWER * in_flight), math.floor(self._wide.previous))
        self._wide.find(min(fallback, in_flight - 1))
        return self._said(f"refused with {in_flight} in flight" + _in(pause))

    def _slower(self, in_flight: int, now: float, pause: float) -> tuple[LimitSearch, LimitChange]:
        """The pace is at fault, which the number in flight must not hide from now on."""
        self._wide.value = max(self._wide.value, min(self.span.most, math.ceil(ROOM * in_flight)))
        return self._pace.refused(now), self._said("refused at this pace" + _in(pause))

    # -- what a round without a refusal means

    def _new_round(self, now: float) -> None:
        self._round = now
        self._starts = self._full = 0
        self._bound_by: set[str] = set()  # what kept callers waiting in this round

    def _round_seconds(self) -> float:
        """A step lasts longer where a refusal is dear, until the limit has clearly risen."""
        if self._pace.has_risen():
            return ROUND_SECONDS
        return max(ROUND_SECONDS, min(LONGEST_ROUND, self._openings.pause))

    def _end_round(self, now: float) -> LimitChange | None:
        """Raise the quantity that kept callers waiting."""
        bound_by, full = self._bound_by, self._full >= FULL_SHARE * self._starts
        self._new_round(now)
        if "pace" in bound_by and self._pace.binds(self._traffic.rate(now, ROUND_SECONDS, ROUND_SECONDS)):
            return self._said("no refusal for a while") if self._pace.rise(now) else None
        self._pace.keep_ahead(now)
        if "number" in bound_by and full and not self._starting:
            return self._said("no refusal for a while") if self._wide.higher(now) else None
        return self._grown()

    def _look_at(self, latency: float, now: float) -> LimitChange | None:
        """Whether calls have slowed, and whether letting fewer through helped."""
        finding = self._slowness.seen(latency, self.limit, now)
        if finding is Latency.LONGER:
            self._wide.put(self._wide.value / FEWER)
            return self._said(finding.value)
        if finding is not Latency.SLOWED or self.limit == self.span.least:
            return None
        self._starting = False
        self._wide.find(math.floor(FEWER * self._wide.value))
        rate = self._traffic.rate(now, RATE_SECONDS)
        self._wide.held_until = now + patience(self._wide.failures, rate, 0.0)
        return self._said(f"calls take {self._slowness.factor:.1f} times as long as they did")

    # -- telling

    def _grown(self) -> LimitChange | None:
        """In the first climb only every doubling or so is worth a word."""
        if self.limit >= 1.5 * self._told or (self.limit == self.span.most > self._told):
            return self._said("nothing refused, nothing slower")
        return None

    def _said(self, reason: str) -> LimitChange:
        self._told = self.limit
        return LimitChange(self.limit, self.rate, reason)


def _in(pause: float) -> str:
    return f", to come again in {pause:.3g} s" if pause else ""
