"""The limits of a service: starts per second, tokens per minute, calls at once; and pauses that it asks for.

Pure arithmetic over buckets and counts, for one key. Times are arguments, in seconds of one clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from batchmill.errors import InvalidSetting
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.bucket import TokenBucket, paced

if TYPE_CHECKING:  # what only adaptive limits need
    from batchmill.policy.adaptive.controller import Adaptive, LimitChange
    from batchmill.policy.adaptive.history import CallTicket

MAX_PER_SECOND, MAX_TOKENS = 10**6, 10**12
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Limits:
    """``per_second`` starts, ``burst`` (1 if None) of them at once after a pause; ``tokens_per_minute`` of
    language models, spread evenly; ``max_concurrent`` in flight, or as many as ``adaptive`` finds out.

    None is no limit. Raises :class:`InvalidSetting` out of range.
    """

    per_second: float | None = None
    burst: int | None = None
    tokens_per_minute: float | None = None
    max_concurrent: int | None = None
    adaptive: ConcurrencyRange | None = None

    def __post_init__(self) -> None:
        _check("per_second", self.per_second, MAX_PER_SECOND)
        _check("burst", self.burst, MAX_PER_SECOND)
        _check("tokens_per_minute", self.tokens_per_minute, MAX_TOKENS)
        _check("max_concurrent", self.max_concurrent, MAX_PER_SECOND)
        if self.burst is not None and self.per_second is None:
            raise InvalidSetting("burst needs per_second")

    def stricter(self, other: Limits) -> Limits:
        """Both at once: of each limit the smaller one."""
        return Limits(
            _smaller(self.per_second, other.per_second),
            _smaller(self.burst, other.burst),
            _smaller(self.tokens_per_minute, other.tokens_per_minute),
            _smaller(self.max_concurrent, other.max_concurrent),
            self.adaptive or other.adaptive,
        )

    def shareable(self) -> Limits:
        """The limits that several runs can share: all except what each run finds out itself."""
        return Limits(self.per_second, self.burst, self.tokens_per_minute, self.max_concurrent)


class LimiterState(NamedTuple):
    """The state that another limiter needs to continue: how much may start, with the times of these figures,
    and until when nothing may start."""

    starts: float
    starts_at: float
    tokens: float
    tokens_at: float
    paused_until: float

    @property
    def newest(self) -> float:
        """The latest time that something happened."""
        return max(self.starts_at, self.tokens_at)


def _smaller(mine: Number | None, others: Number | None) -> Number | None:
    if mine is None or others is None:
        return others if mine is None else mine
    return min(mine, others)


def _check(name: str, value: float | None, most: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidSetting(f"{name} must be a number, not {value!r}")
    if not 0 < value <= most:
        raise InvalidSetting(f"{name} must be more than 0 and at most {most:,}, not {value!r}")


@dataclass(slots=True)
class Reservation:
    """Permission for one attempt: the tokens reserved for it, and its place among those in flight."""

    tokens: float
    ticket: CallTicket | None = None


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """How an attempt ended. ``latency`` in seconds, None if it says nothing about the service; ``tokens``
    really used, None if unknown, which counts as the reservation; ``refused`` and ``pause`` (seconds) by the
    service's answer. ``asked`` is False if the service was not called after all."""

    latency: float | None = None
    tokens: float | None = 0.0
    refused: bool = False
    pause: float = 0.0
    asked: bool = True


class Limiter:
    """Keeps attempts within some :class:`Limits`. Not locked: its owner calls it under a lock."""

    def __init__(self, limits: Limits, now: float = 0.0) -> None:
        self.in_flight = 0
        self._asked = self._others = self._limits = Limits()
        self._state = LimiterState(0.0, now, 0.0, now, -math.inf)
        self._starts: TokenBucket | None = None
        self._tokens: TokenBucket | None = None
        self._adaptive: Adaptive | None = None
        self._paused_until = -math.inf
        self.tighten(limits, now)

    @property
    def limits(self) -> Limits:
        """The limits in force: this limiter's own, and those of others."""
        return self._limits

    @property
    def asked(self) -> Limits:
        """This limiter's own limits."""
        return self._asked

    @property
    def one_by_one(self) -> bool:
        """Whether attempts in flight are counted, so each must be reported by itself."""
        return self._limits.max_concurrent is not None or self._adaptive is not None

    @property
    def most(self) -> int | None:
        """How many may be in flight now; None for as many as come."""
        known = [self._limits.max_concurrent, None if self._adaptive is None else self._adaptive.limit]
        return min((one for one in known if one is not None), default=None)

    @property
    def rate(self) -> float | None:
        """How many may start a second; None for as they come."""
        known = [self._limits.per_second, None if self._adaptive is None else self._adaptive.rate]
        return min((one for one in known if one is not None), default=None)

    def tighten(self, limits: Limits, now: float) -> None:
        """Hold to ``limits`` as well from ``now`` on."""
        self.hold_to(self._asked.stricter(limits), now)

    def hold_to(self, limits: Limits, now: float) -> None:
        """Keep ``limits`` from ``now`` on. Unchanged limits keep their state."""
        self._asked = limits
        self._settle(now)

    def heed(self, others: Limits, now: float) -> None:
        """Also keep the limits that are in force elsewhere, until they change."""
        if others != self._others:
            self._others = others
            self._settle(now)

    def state(self) -> LimiterState:
        """The state, for another limiter to continue from."""
        known = self._state
        starts = known[:2] if self._starts is None else self._starts.stand()
        tokens = known[2:4] if self._tokens is None else self._tokens.stand()
        return LimiterState(*starts, *tokens, self._paused_until)

    def resume(self, state: LimiterState) -> None:
        """Continue from the state of another limiter."""
        self._state = state
        if self._starts is not None:
            self._starts.resume(state.starts, state.starts_at)
        if self._tokens is not None:
            self._tokens.resume(state.tokens, state.tokens_at)
        self._paused_until = state.paused_until

    def _settle(self, now: float) -> None:
        limits = self._asked.stricter(self._others)
        before, self._limits = self._limits, limits
        if (limits.per_second, limits.burst) != (before.per_second, before.burst):
            per_second = limits.per_second
            self._starts = None if per_second is None else paced(per_second, limits.burst, now)
        if limits.tokens_per_minute != before.tokens_per_minute:
            rate = None if limits.tokens_per_minute is None else limits.tokens_per_minute / 60
            self._tokens = None if rate is None else TokenBucket(rate, rate, now)
        if limits.adaptive is None:
            self._adaptive = None
        elif self._adaptive is None:
            from batchmill.policy.adaptive.controller import Adaptive

            self._adaptive = Adaptive(limits.adaptive, now)

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until an attempt that may use ``tokens`` can start: 0 now, infinite where another must end
        first."""
        seconds = max(0.0, self._paused_until - now)
        if self._starts is not None:
            seconds = max(seconds, self._starts.wait(1, now))
        if self._tokens is not None:
            seconds = max(seconds, self._tokens.wait(tokens, now))
        most = self._limits.max_concurrent
        if most is not None and self.in_flight >= most:
            return math.inf
        if self._adaptive is not None:
            seconds = max(seconds, self._adaptive.wait(now))
        return seconds

    def start(self, tokens: float, now: float) -> Reservation:
        """Count an attempt as started."""
        self.in_flight += 1
        if self._starts is not None:
            self._starts.spend(1, now)
        if self._tokens is not None:
            self._tokens.spend(tokens, now)
        return Reservation(tokens, self._adaptive.started(now) if self._adaptive is not None else None)

    def withdraw(self, permit: Reservation, now: float) -> None:
        """An attempt that was let start did not."""
        self.in_flight -= 1
        if self._starts is not None:
            self._starts.give_back(1, now)
        if self._tokens is not None:
            self._tokens.give_back(permit.tokens, now)
        if self._adaptive is not None and permit.ticket is not None:
            self._adaptive.withdrawn(permit.ticket, now)

    def end(self, permit: Reservation, ended: EndedAttempt, now: float) -> LimitChange | None:
        """Settle an attempt; returns the decision of adaptive concurrency."""
        self.in_flight -= 1
        if self._tokens is not None and ended.tokens is not None:
            self._tokens.give_back(permit.tokens - ended.tokens, now)
        if self._starts is not None and not ended.asked:
            self._starts.give_back(1, now)
        self._paused_until = max(self._paused_until, now + ended.pause)
        if self._adaptive is None or permit.ticket is None:
            return None
        return self._adaptive.ended(
            permit.ticket, now, ended.latency, refused=ended.refused, pause=ended.pause
        )
