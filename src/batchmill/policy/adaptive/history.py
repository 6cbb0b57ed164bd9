"""The recent traffic with a service: when calls began, how many were in flight, and how they ended.

Measures, and decides nothing. Pure: times are arguments, in seconds of one clock that never goes back.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MOST_REMEMBERED = 4096
MEMORY_SECONDS = 5.0  # how far back accepted calls speak for a number in flight
WITNESSES = 3  # accepted calls that clear a number in flight


class CallTicket(NamedTuple):
    """A call that started: when, and how many were in flight with it."""

    began: float
    in_flight: int


class CallHistory:
    """Remembers the last 4096 calls."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._started: deque[float] = deque(maxlen=MOST_REMEMBERED)
        self._refused: deque[float] = deque(maxlen=MOST_REMEMBERED)  # when they had begun
        self._accepted: deque[CallTicket] = deque(maxlen=MOST_REMEMBERED)

    def started(self, now: float) -> None:
        if self._began is None:
            self._began = now
        self._started.append(now)

    def withdrawn(self, ticket: CallTicket) -> None:
        """A call that had been counted was not made."""
        if ticket.began in self._started:
            self._started.remove(ticket.began)

    def accepted(self, ticket: CallTicket) -> None:
        self._accepted.append(ticket)

    def refused(self, ticket: CallTicket) -> None:
        self._refused.append(ticket.began)

    def rate(self, now: float, seconds: float, shortest: float = 1.0) -> float:
        """Calls a second that began within the last ``seconds`` and were not refused so far.

        A shorter history counts with what it has, spread over at least ``shortest`` seconds.
        """
        span = max(shortest, min(seconds, now - (now if self._began is None else self._began)))
        count = _after(self._started, now - span) - _after(self._refused, now - span)
        return max(count, 0) / span

    def between(self, start: float, end: float) -> float:
        """Calls a second that began after ``start`` and were not refused so far, spread over the time to
        ``end``, a second at least."""
        count = _after(self._started, start) - _after(self._refused, start)
        return max(count, 0) / max(end - start, 1.0)

    def known(self, now: float) -> list[int]:
        """How many were in flight with each call that was lately accepted."""
        since = now - MEMORY_SECONDS
        return [ticket.in_flight for ticket in self._accepted if ticket.began >= since]


def _after(times: deque[float], since: float) -> int:
    """How many of ``times``, which rise or nearly so, are not before ``since``."""
    count = 0
    for at in reversed(times):
        if at < since:
            break
        count += 1
    return count
