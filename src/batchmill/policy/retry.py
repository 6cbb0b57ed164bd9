"""When a failed attempt is tried again: one decision for every executor.

The wait before attempt n + 1 is ``wait * backoff ** (n - 1)`` seconds, capped at ``max_wait``; with
jitter it is drawn evenly from 0 to that ("full jitter", Marc Brooker, "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015). A wait the other side asked for (``Retry-After``) is a lower
bound and is not jittered away; it is capped at ``max_wait`` too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from batchmill.errors import AttemptTimeout, InvalidSetting, NotPicklable
from batchmill.outcome import ErrorInfo, ErrorKind

MAX_ATTEMPTS = 10

_CLASSES: dict[ErrorKind, type[BaseException]] = {"timeout": AttemptTimeout, "not_picklable": NotPicklable}
"""What an attempt that was ended from outside would have raised; where its worker died, any exception."""


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Whether to try again, after how many seconds, and the reason in words."""

    retry: bool
    after: float
    reason: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``max_attempts`` attempts in total, 1 to 10; waits in seconds. ``on`` are the exceptions that are worth
    another attempt, None stands for all."""

    max_attempts: int = 1
    wait: float = 0.0
    backoff: float = 1.0
    max_wait: float = 60.0
    jitter: bool = True
    on: tuple[type[BaseException], ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidSetting(f"max_retries must be 1 to {MAX_ATTEMPTS}, not {self.max_attempts}")
        if not (self.wait >= 0 and self.max_wait >= 0):
            raise InvalidSetting("retry_wait and retry_max_wait must be 0 or more seconds")
        if not self.backoff >= 1:
            raise InvalidSetting(f"retry_backoff must be 1 or more, not {self.backoff}")

    def decide(self, attempts: int, error: ErrorInfo, raised: BaseException | None = None) -> RetryDecision:
        """What to do after the ``attempts``-th attempt (from 1) ended in ``error``, which tells of ``raised``
        where that is at hand."""
        if not error.retryable:
            return RetryDecision(False, 0.0, f"{error.type} would fail again")
        if self.on is not None and not issubclass(_class_of(error, raised), self.on):
            return RetryDecision(False, 0.0, f"{error.type} is none of those to try again on")
        if attempts >= self.max_attempts:
            return RetryDecision(False, 0.0, f"{attempts} of {self.max_attempts} attempts used")
        after = min(self.max_wait, self.wait * self.backoff ** (attempts - 1))
        if self.jitter:
            after = random.uniform(0.0, after)  # noqa: S311  # spreads load, guards nothing
        if error.retry_after is not None:
            after = max(after, min(self.max_wait, error.retry_after))
        return RetryDecision(True, after, f"attempt {attempts} of {self.max_attempts} failed: {error.type}")


def _class_of(error: ErrorInfo, raised: BaseException | None) -> type[BaseException]:
    return _CLASSES.get(error.kind, Exception) if raised is None else type(raised)
