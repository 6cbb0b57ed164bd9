"""When a failed attempt is retried: one decision for every executor.

The wait before attempt n + 1 is ``wait * backoff ** (n - 1)`` seconds, capped at ``max_wait``; with jitter it
is drawn evenly from 0 to that ("full jitter", Marc Brooker, "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015). A wait that the service asked for (``Retry-After``) is a lower bound that jitter
does not shorten; it is capped at ``max_wait`` too. With jitter a little is added to it, as otherwise all
refused callers would come back together.

A refusal means that the service is overloaded, and says nothing about the item. With ``refused_for`` it uses
up no attempt but a part of these seconds, and its waits grow from at least half a second.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any, Protocol

from batchmill.errors import AttemptTimeout, InvalidSetting, NotPicklable
from batchmill.outcome import NO_REFUSALS, ErrorInfo, ErrorKind, Refusals

MAX_ATTEMPTS = 10
REFUSED_WAIT, REFUSED_BACKOFF = 0.5, 2.0  # at least, where nothing was asked for
GROWN_SECONDS = 2.0  # that waits grow to where a service asks for less, time and again
REFUSED_LEAST = 0.05  # seconds, whatever was asked for: nobody knocks without a pause
ADDED_SHARE, ADDED_SECONDS = 0.1, 1.0  # of jitter to what was asked for, at the most

_CLASSES: dict[ErrorKind, type[BaseException]] = {"timeout": AttemptTimeout, "not_picklable": NotPicklable}
"""The exception that stands for an attempt that was ended from outside; if its worker died, any exception."""


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Whether to retry, after how many seconds, and the reason in words; ``refusals`` are those of the item
    so far."""

    retry: bool
    after: float
    reason: str
    refusals: Refusals = NO_REFUSALS


class Decides(Protocol):
    """Decides whether to make another attempt: a :class:`RetryPolicy`, or a node by itself."""

    def decide(
        self,
        attempts: int,
        error: ErrorInfo,
        raised: BaseException | None = None,
        before: Refusals = NO_REFUSALS,
    ) -> RetryDecision:
        """See :meth:`RetryPolicy.decide`."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``max_attempts`` attempts in total, 1 to 10; waits in seconds. ``on`` are the exceptions to retry, None
    for all. ``refused_for`` is how many seconds in total an item waits out refusals of a service, which then
    use up no attempts; with 0 a refusal is a failure like any other."""

    max_attempts: int = 1
    wait: float = 0.0
    backoff: float = 1.0
    max_wait: float = 60.0
    jitter: bool = True
    on: tuple[type[BaseException], ...] | None = None
    refused_for: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidSetting(f"max_retries must be 1 to {MAX_ATTEMPTS}, not {self.max_attempts}")
        if not (self.wait >= 0 and self.max_wait >= 0 and self.refused_for >= 0):
            raise InvalidSetting("retry_wait, retry_max_wait and refused_for must be 0 or more seconds")
        if not self.backoff >= 1:
            raise InvalidSetting(f"retry_backoff must be 1 or more, not {self.backoff}")

    def told(self, **given: Any) -> RetryPolicy:
        """This policy for a caller that set only ``given``. A caller that asks for one attempt means it, even
        after a refusal."""
        if given.get("max_attempts") == 1:
            given.setdefault("refused_for", 0.0)
        return replace(self, **given)

    def of_lost_attempts(self) -> RetryPolicy:
        """A policy with the same decisions that needs no exception at hand, and names no class of
        the user's."""
        if self.on is None:
            return self
        known: tuple[type[BaseException], ...] = (Exception, *_CLASSES.values())
        return replace(self, on=tuple(one for one in known if issubclass(one, self.on)))

    def decide(
        self,
        attempts: int,
        error: ErrorInfo,
        raised: BaseException | None = None,
        before: Refusals = NO_REFUSALS,
    ) -> RetryDecision:
        """Decide after the ``attempts``-th attempt (from 1) ended in ``error``; ``raised`` is its exception,
        if at hand; ``before`` are the earlier refusals, which used up no attempt."""
        if not error.retryable:
            return RetryDecision(False, 0.0, f"{error.type} would fail again", before)
        if self.on is not None and not issubclass(_class_of(error, raised), self.on):
            return RetryDecision(False, 0.0, f"{error.type} is not among the errors to retry", before)
        if error.refused and self.refused_for:
            return self._refused(error, before)
        used = attempts - before.times
        if used >= self.max_attempts:
            return RetryDecision(False, 0.0, f"{used} of {self.max_attempts} attempts used", before)
        after = self._at_least(error, self._grown(self.wait, self.backoff, used))
        return RetryDecision(
            True, after, f"attempt {used} of {self.max_attempts} failed: {error.type}", before
        )

    def _refused(self, error: ErrorInfo, before: Refusals) -> RetryDecision:
        left = self.refused_for - before.seconds
        if left <= 0:
            return RetryDecision(False, 0.0, f"refused for {self.refused_for:g} s", before)
        wait, backoff = max(self.wait, REFUSED_WAIT), max(self.backoff, REFUSED_BACKOFF)
        # one more try at the very end, even if more was asked for: a wait without a try after it is wasted
        grown = self._grown(wait, backoff, before.times + 1)
        if (asked := error.retry_after) is not None:  # the service knows better than we how long it takes
            grown = min(grown, max(GROWN_SECONDS, asked))
        after = self._at_least(error, grown)
        after = min(left, max(REFUSED_LEAST, after))
        refusals = Refusals(before.times + 1, before.seconds + after)
        return RetryDecision(True, after, f"refusal {refusals.times}: {error.type}", refusals)

    def _grown(self, wait: float, backoff: float, n: int) -> float:
        """The wait after the ``n``-th failure, with jitter if requested."""
        try:
            after = min(self.max_wait, wait * backoff ** (n - 1))
        except OverflowError:
            after = self.max_wait
        return random.uniform(0.0, after) if self.jitter else after  # noqa: S311  # spreads load, guards nothing

    def _at_least(self, error: ErrorInfo, after: float) -> float:
        """``after``, or the wait that the service asked for if that is longer."""
        asked = error.retry_after
        if asked is None:
            return after
        if self.jitter:
            asked += random.uniform(0.0, min(ADDED_SECONDS, ADDED_SHARE * asked))  # noqa: S311  # as above
        return max(after, min(self.max_wait, asked))


NO_RETRIES = RetryPolicy()
"""One attempt."""


def _class_of(error: ErrorInfo, raised: BaseException | None) -> type[BaseException]:
    return _CLASSES.get(error.kind, Exception) if raised is None else type(raised)
