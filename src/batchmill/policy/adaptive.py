"""Adaptive concurrency: how many calls at once, and how often, a service takes that does not say so.

Services refuse for one of two reasons: too many calls at once, or too many in a time. So there are two
quantities under control, the limit of calls in flight and the pace of starts, and each refusal is held
against one of them:

- The number in flight is at fault, unless the service lately took calls with as many in flight.
- Else the pace is.

Both are searched for in the same way (:class:`Search`, after the binary search of BIC: Xu, Harfoush and
Rhee, "Binary Increase Congestion Control for Fast, Long Distance Networks", INFOCOM 2004): up in growing
steps while nothing is known, to the middle between what went well and what was refused once something is,
and beyond after a time of patience, because limits change. What a try beyond costs, a service that sends
everybody away for a second above all, says how patient to be.

A service may also slow instead of refusing. When calls take twice as long as they did, a fifth fewer are
let in flight; when that does not make them quicker, it was the calls that got longer, and the limit is put
back (compare Brakmo and Peterson, "TCP Vegas", IEEE Journal on Selected Areas in Communications, 1995).

Pure: times are arguments, in seconds of one clock, and nothing here waits or locks.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from batchmill.errors import InvalidSetting
from batchmill.policy.bucket import TokenBucket

MOST_CONCURRENT = 1000
AUTO_START, AUTO_MOST = 4, 100  # of "auto": a few to begin with, as many as threads are still cheap

MEMORY_SECONDS = 5.0  # how far back accepted calls speak for a number in flight
MOST_REMEMBERED = 4096
WITNESSES = 3  # accepted calls that clear a number in flight
RATE_SECONDS, SHORTEST_RATE_SECONDS = 1.0, 0.05  # the span over which an accepted rate is measured
PATIENCE_SECONDS, LONGEST_PATIENCE = 2.0, 60.0
PATIENCE_PER_PAUSE = 20.0  # a try that costs a second is made once in twenty
RECOVERY_PER_PAUSE = 4.0  # and while good and refused are far apart, once in five
PATIENCE_CALLS = 40.0  # one refusal in so many calls is what a try may cost
UNSURE_SECONDS = 0.5
CLOSED_SECONDS, LONGEST_CLOSED = 0.05, 5.0  # the first wait for a service that takes nothing, and the longest
ROUND_SAMPLES, ROUND_SECONDS = 10, 0.5
PROOF_CALLS, LONGEST_PROOF = 10.0, 4.0  # a pace is good when so many calls beyond the last good one went well
SLOW_FACTOR = 2.0  # calls that take this much longer than they did
STILL_SLOW = 0.92  # fewer in flight must make calls this much quicker to have been at fault
FEWER, SLOWER = 0.8, 0.95
LONGER_MEMORY = 0.02  # weight of each round in what a call usually takes
FULL_SHARE = 0.3  # of the calls had as many in flight as may be: then that is what bounds
BOLD = 2.0  # times the first step, where a value was only lowered to be safe
BINDING = 0.85  # of the pace, reached: then it is what bounds
EVENLY, FINEST_SECONDS = 1.1, 0.01  # starts at once, and the span over which they are spread at the finest
NEAR = 0.03  # good and refused are as near to each other as is worth knowing
AHEAD = 1.3  # a pace that binds nobody stays this far above what is accepted


@dataclass(frozen=True, slots=True)
class Span:
    """The calls in flight at least, at first and at most; 1 to 1000. Raises :class:`InvalidSetting`."""

    least: int = 1
    start: int = AUTO_START
    most: int = AUTO_MOST

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.start <= self.most <= MOST_CONCURRENT:
            raise InvalidSetting(
                f"max_concurrent goes up from least to start to most, within 1 to {MOST_CONCURRENT}, "
                f"not {self.least}-{self.start}-{self.most}"
            )

    @classmethod
    def parse(cls, text: str) -> Span:
        """``auto``, or ``least-start-most`` such as ``4-20-100``. Raises :class:`InvalidSetting`."""
        if text == "auto":
            return cls()
        parts = text.split("-")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
            raise InvalidSetting(f"max_concurrent is a number, `auto` or `4-20-100`, not {text!r}")
        return cls(*map(int, parts))


class Ticket(NamedTuple):
    """A call that was let through: when, and how many were in flight with it."""

    began: float
    in_flight: int


class Decision(NamedTuple):
    """A change: how many at once from now on, how many a second (None: as they come), and why."""

    limit: int
    rate: float | None
    reason: str


class Search:
    """Looks for the highest value that is not refused.

    ``value`` is in force. ``good`` went well for a while; ``bad`` was refused, infinite while nothing was.
    ``step`` is the share that is added next when nothing is known above.
    """

    def __init__(self, value: float, least: float, most: float, step: float, grain: float) -> None:
        self.value = self.good = value
        self.stale_at = 0.0  # when what was refused is too long ago to be a bound
        self.least, self.most = least, most
        self.bad = math.inf
        self._grain = grain  # differences smaller than this do not matter
        self._first_step = self._step = step

    def near(self) -> bool:
        """Whether what is refused is known about as well as it can be."""
        return self.bad - self.good <= max(self._grain, NEAR * self.good)

    def higher(self) -> bool:
        """The value in force went well: try the next one. False where there is none to try."""
        self.good = self.value
        if self.near():
            return False
        if self.bad < math.inf:
            self.value = (self.good + self.bad) / 2
        else:
            self.value = self.good + max(self._grain, self._step * self.good)
            self._step = min(1.0, 2 * self._step)
        self.value = min(self.value, self.most)
        return self.value > self.good

    def dare(self) -> bool:
        """Forget what was refused: that was a while ago."""
        self.bad = math.inf
        self._step = self._first_step
        return self.higher()

    def settle(self, value: float) -> None:
        """Go down to ``value``, without knowing that what is above it was refused."""
        self.value = self.good = max(self.least, value)
        self._step = BOLD * self._first_step

    def refused(self, at: float, fallback: float) -> None:
        """``at`` was refused: go back to what went well, or where that was it, down to ``fallback``."""
        self.bad = max(at, self.least + self._grain)
        self._step = self._first_step
        if self.good >= at:
            self.good = max(self.least, fallback)
        self.value = self.good


class Adaptive:
    """See the module. Not locked: its owner calls it under a lock."""

    def __init__(self, span: Span, now: float = 0.0) -> None:
        self.span = span
        self.in_flight = 0
        self._wide = Search(span.start, span.least, span.most, 0.1, 1.0)
        self._fast: Search | None = None
        self._bucket: TokenBucket | None = None
        self._proved_at = 0.0  # when the pace in force will have proved good
        self._accepted: deque[tuple[float, int]] = deque(maxlen=MOST_REMEMBERED)
        self._started: deque[float] = deque(
            maxlen=MOST_REMEMBERED
        )  # in time that leaves out waits for the service
        self._refusals: deque[float] = deque(maxlen=MOST_REMEMBERED)
        self._starting = True  # nothing was refused yet
        self._began: float | None = None
        self._cut_at = -math.inf  # what began before this was let through under another limit
        self._cut_active = -math.inf
        self._narrowed = False  # what the last cut was of
        self._taken_since = 0  # calls that began after the last cut and were accepted
        self._trial: Ticket | None = None
        self._closed = 0  # waits for a service that took nothing, one after another
        self._closed_until = self._idle = 0.0
        self._patient_until = self._recovering_until = 0.0  # before them nothing is tried, or nothing daring
        self._usual: float | None = None  # seconds a call takes when the service is at ease
        self._slowed: tuple[float, float] | None = None  # limit and latency before they were let down
        self._told = span.start
        self._new_round(now)

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return max(self.span.least, int(self._wide.value + 1e-9))

    @property
    def rate(self) -> float | None:
        """Starts a second; None where they are not paced."""
        return None if self._fast is None else self._fast.value

    def wait(self, now: float) -> float:
        """Seconds until a call may start: 0 now, infinite where one in flight must end first."""
        if now < self._closed_until:
            return self._closed_until - now
        if self._closed and self._trial is not None:
            return math.inf  # one call tells whether the service takes any again
        if self.in_flight >= self.limit:
            self._bound_by.add("wide")
            return math.inf
        if self._bucket is not None and (seconds := self._bucket.wait(1, now)):
            self._bound_by.add("fast")
            return seconds
        return 0.0

    def started(self, now: float) -> Ticket:
        """Let a call through."""
        self.in_flight += 1
        if self._began is None:
            self._began = now
        self._started.append(now - self._idle)
        if self._bucket is not None:
            self._bucket.spend(1, now)
        ticket = Ticket(now, self.in_flight)
        if self._closed:
            self._trial = ticket
        return ticket

    def withdrawn(self, ticket: Ticket, now: float) -> None:
        """A call that was let through was not made."""
        self._leave(ticket)
        if self._bucket is not None:
            self._bucket.give_back(1, now)

    def ended(
        self,
        ticket: Ticket,
        now: float,
        latency: float | None,
        *,
        refused: bool = False,
        pause: float = 0.0,
    ) -> Decision | None:
        """A call ended; the decision that this leads to, if any.

        ``latency`` is how long the call took, None where that says nothing of the service. ``refused``: the
        service wants less; ``pause``: it named so many seconds in which it wants nothing at all.
        """
        self._leave(ticket)
        if refused:
            return self._refused(ticket, now, pause)
        self._accepted.append((ticket.began, ticket.in_flight))
        self._samples += 1
        self._full += ticket.in_flight >= self.limit
        if ticket.began >= self._cut_at:
            self._taken_since += 1
            self._closed = 0
        if latency is not None:
            self._latencies.append(latency)
        if self._starting and "wide" in self._bound_by:
            self._wide.value = self._wide.good = min(self.span.most, self._wide.value + 0.5)
        if self._samples >= max(ROUND_SAMPLES, self.limit) and now - self._round >= ROUND_SECONDS:
            return self._end_round(now)
        return self._grown()

    def _leave(self, ticket: Ticket) -> None:
        self.in_flight -= 1
        if ticket is self._trial:
            self._trial = None

    # -- what a refusal means

    def _refused(self, ticket: Ticket, now: float, pause: float) -> Decision | None:
        self._starting = False
        self._refusals.append(now - self._idle)
        if ticket.began < self._cut_at:
            return self._late_news(ticket, now, pause)
        if not self._taken_since and self._cut_at > -math.inf:
            return self._wait_for_opening(now, pause)
        seen = self._accepted_rate(now)
        known = self._witnesses(now)
        self._cut_at, self._taken_since, self._slowed = now, 0, None
        self._close(now, pause)
        self._new_round(now + pause)
        if len(known) < WITNESSES:  # hardly anything is known: what seems to be the limit may be none
            patience = UNSURE_SECONDS + pause
        else:
            patience = max(PATIENCE_SECONDS, PATIENCE_PER_PAUSE * pause, PATIENCE_CALLS / max(seen, 1e-3))
        self._recovering_until = now + pause + RECOVERY_PER_PAUSE * pause
        self._patient_until = now + pause + min(LONGEST_PATIENCE, patience)
        brisk = now - self._idle - self._cut_active < RATE_SECONDS
        self._cut_active = now - self._idle
        cleared = sum(in_flight >= ticket.in_flight for in_flight in known) >= WITNESSES
        self._narrowed = not cleared and ticket.in_flight > self.span.least
        blamed = self._wide if self._narrowed else self._fast
        if blamed is not None:
            blamed.stale_at = now + pause + 2 * patience
        if not cleared and not self._narrowed:
            self._wide.settle(max(self.span.least, math.floor(FEWER * self.limit)))
        if not self._narrowed:
            return self._slower(now, seen, pause, brisk)
        self._doubt_pace(now, seen)
        return self._narrower(ticket.in_flight, known, pause)

    def _late_news(self, ticket: Ticket, now: float, pause: float) -> Decision | None:
        """Refused too, of those that were let through before the last cut: it only tells how deep to cut."""
        self._close(now, pause)
        if not self._narrowed or ticket.in_flight > self.limit or ticket.in_flight <= self.span.least:
            return None
        self._wide.refused(ticket.in_flight, ticket.in_flight - 1)
        return self._said(f"refused with {ticket.in_flight} in flight too")

    def _wait_for_opening(self, now: float, pause: float) -> Decision:
        """Nothing was taken since the last cut: the service takes nothing, whatever the limits are."""
        self._cut_at = now
        seconds = max(pause, min(LONGEST_CLOSED, CLOSED_SECONDS * 2**self._closed))
        self._closed += 1
        self._close(now, pause)
        self._closed_until = max(self._closed_until, now + seconds)
        return self._said(f"nothing is taken, the next try is in {seconds:.3g} s")

    def _close(self, now: float, seconds: float) -> None:
        """Let nothing through for a while, which does not count as time in which nothing was accepted."""
        until = now + seconds
        if until > self._closed_until:
            self._idle += until - max(now, self._closed_until)
            self._closed_until = until

    def _witnesses(self, now: float) -> list[int]:
        """How many were in flight with each call that was accepted since the last cut, not too long ago."""
        since = max(self._cut_at, now - MEMORY_SECONDS)
        return [in_flight for began, in_flight in self._accepted if began >= since]

    def _narrower(self, in_flight: int, known: list[int], pause: float) -> Decision:
        cleared = sorted((one for one in known if one < in_flight), reverse=True)
        best = cleared[WITNESSES - 1] if len(cleared) >= WITNESSES else 0
        fallback = max(self.span.least, best, math.floor(FEWER * in_flight))
        self._wide.refused(in_flight, min(fallback, in_flight - 1))
        return self._said(f"refused with {in_flight} in flight" + _in(pause))

    def _slower(self, now: float, seen: float, pause: float, brisk: bool) -> Decision:
        if self._fast is None:
            self._doubt_pace(now, seen)
        else:
            at = min(self._fast.value, max(seen / SLOWER, FEWER**3 * self._fast.value))
            fallback = FEWER * at if brisk else min(SLOWER * at, max(SLOWER * seen, FEWER * at))
            self._fast.refused(at, fallback)
            self._set_pace(now)
        return self._said("refused at this pace" + _in(pause))

    def _binds(self, seen: float) -> bool:
        """Whether the pace is what bounds ``seen`` calls a second."""
        return self._fast is not None and seen >= BINDING * self._fast.value

    def _doubt_pace(self, now: float, seen: float) -> None:
        """It may have been the pace: start somewhat less often than was accepted."""
        if self._fast is None:
            self._fast = Search(max(SLOWER * seen, 0.1), 0.01, math.inf, 0.1, 0.0)
            self._bucket = TokenBucket(self._fast.value, 1.0, now)
            self._bucket.spend(1.0, now)
        elif self._binds(seen):
            self._fast.settle(min(self._fast.value, SLOWER * seen))
        else:  # it may be that two came too close on each other
            self._fast.settle(min(self._fast.value, max(AHEAD * seen, FEWER * self._fast.value)))
        self._set_pace(now)

    def _set_pace(self, now: float) -> None:
        if self._fast is None or self._bucket is None:
            return
        value, beyond = self._fast.value, self._fast.value - self._fast.good
        self._bucket.set_rate(value, max(EVENLY, value * FINEST_SECONDS), now)
        known = beyond > 0 and self._fast.bad < math.inf
        proof = min(LONGEST_PROOF, PROOF_CALLS / beyond) if known else 0.0
        self._proved_at = max(now, self._closed_until) + max(ROUND_SECONDS, proof)

    def _accepted_rate(self, now: float) -> float:
        """Calls a second that began and were not refused, lately; waits for the service are left out."""
        active = max(now, self._closed_until) - self._idle
        span = min(RATE_SECONDS, active - (active if self._began is None else self._began))
        span = max(span, SHORTEST_RATE_SECONDS)
        count = sum(at > active - span for at in self._started)
        count -= sum(at > active - span for at in self._refusals)
        return max(count, 0) / span

    # -- what a round without a refusal means

    def _new_round(self, now: float) -> None:
        self._round = now
        self._samples = self._full = 0
        self._latencies: list[float] = []
        self._bound_by: set[str] = set()  # what kept callers waiting in this round

    def _end_round(self, now: float) -> Decision | None:
        latency = median(self._latencies) if len(self._latencies) >= ROUND_SAMPLES // 2 else None
        bound_by, full = self._bound_by, self._full >= FULL_SHARE * self._samples
        self._new_round(now)
        if latency is not None and (decision := self._look_at(latency)) is not None:
            return decision
        if "fast" in bound_by and self._fast is not None and self._binds(self._accepted_rate(now)):
            return self._raise(self._fast, now) if now >= self._proved_at else None
        self._keep_ahead(now)
        if "wide" in bound_by and full and not self._starting:
            return self._raise(self._wide, now)
        return self._grown()

    def _keep_ahead(self, now: float) -> None:
        """A pace that kept nobody waiting must not be what stops the next rise."""
        if self._fast is None:
            return
        ahead = AHEAD * self._accepted_rate(now)
        if self._fast.value < ahead < self._fast.bad:
            self._fast.value = self._fast.good = ahead
            self._set_pace(now)

    def _raise(self, search: Search, now: float) -> Decision | None:
        dared = search.bad < math.inf and (search.near() or now > search.stale_at)
        if search.bad < math.inf and now < (self._patient_until if dared else self._recovering_until):
            return None
        if not (search.dare() if dared else search.higher()):
            return None
        if search is self._fast:
            self._set_pace(now)
        return self._said("no refusal for a while" if dared else "no refusal so far")

    def _look_at(self, latency: float) -> Decision | None:
        """Whether calls have slowed, and whether letting fewer through helped."""
        if self._slowed is not None:
            limit, before = self._slowed
            self._slowed = None
            if latency > STILL_SLOW * before:
                self._usual = latency
                self._wide.value = self._wide.good = limit
                return self._said("fewer in flight made no call quicker: the calls are longer now")
        if self._usual is None or latency < self._usual:
            self._usual = latency if self._usual is None else (self._usual + latency) / 2
            return None
        if latency < SLOW_FACTOR * self._usual or self.limit == self.span.least:
            self._usual += LONGER_MEMORY * (latency - self._usual)
            return None
        self._starting = False
        self._slowed = (self._wide.value, latency)
        self._wide.bad = self._wide.value
        self._wide.value = self._wide.good = max(self.span.least, math.floor(FEWER * self._wide.value))
        return self._said(f"calls take {latency / self._usual:.1f} times as long as they did")

    # -- telling

    def _grown(self) -> Decision | None:
        """In the first climb only every doubling or so is worth a word."""
        if self.limit >= 1.5 * self._told or (self.limit == self.span.most > self._told):
            return self._said("nothing refused, nothing slower")
        return None

    def _said(self, reason: str) -> Decision:
        self._told = self.limit
        return Decision(self.limit, self.rate, reason)


def _in(pause: float) -> str:
    return f", to come again in {pause:.3g} s" if pause else ""
