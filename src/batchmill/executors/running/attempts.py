"""The attempts of one item, as a state machine that does not run them itself.

The caller makes an attempt, reports its result to the machine and does what the machine says: wait and make
another one, or finish. Both the blocking runner and the awaiting event loop drive it; it knows neither, and
never waits itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk, ExecutorSettings, Task
from batchmill.executors.describe import outline, traced
from batchmill.executors.running.cause import Cause
from batchmill.outcome import (
    NO_REFUSALS,
    NOTHING_SPENT,
    ErrorInfo,
    Outcome,
    Refusals,
    Tried,
    cancelled,
    interrupted,
)
from batchmill.policy import Decides, RetryPolicy
from batchmill.record import Recorder

OnRetry = Callable[[int, ErrorInfo, float], object]
"""Told the number of the attempt that failed, why, and after how many seconds the next one begins."""


@dataclass(slots=True)
class Job:
    """The job of a batch for its workers: the task and how to run an item. ``on_retry`` is called for each
    attempt that will be followed by another, but not for attempts in other processes."""

    task: Task
    retry: Decides = field(default_factory=RetryPolicy)
    timeout: float | None = None
    stop_on_failure: bool = False
    by_attempt: bool = False
    judges_failures: bool = False
    keep_exceptions: bool = False
    on_retry: OnRetry | None = None

    @classmethod
    def of(cls, task: Task, settings: ExecutorSettings) -> Job:
        """The job of a batch with these settings."""
        return cls(
            task,
            settings.retry,
            settings.timeout,
            settings.stop_on_failure,
            settings.by_attempt,
            settings.judges_failures,
            settings.keeps_exceptions,
        )


class Wait(NamedTuple):
    """Make another attempt after so many seconds."""

    seconds: float


class Attempts:
    """See the module. ``number`` is that of the current attempt, from 1, which ``began`` at that second of
    :func:`time.perf_counter`; its attempts record in ``recorder``.

    Each method that reports an attempt returns the next step: a :class:`Wait`, after which you call
    :meth:`begin`, or the item's outcome. If the job's attempts are started one by one elsewhere, the outcome
    of a failed one says when the next may start (:attr:`Outcome.again <batchmill.outcome.Outcome.again>`).
    Used by one thread.
    """

    def __init__(
        self, job: Job, index: int, recorder: Recorder, cancel: CancelToken, began: float, chunk: Chunk | None
    ) -> None:
        """``chunk`` is one that brings a later attempt of this item, None if it is the first."""
        self.began = began
        self.number = 1
        self._job = job
        self._index = index
        self.recorder = recorder
        self._cancel = cancel
        self._before: ErrorInfo | None = None  # why the last attempt failed that is known of
        self._earlier: tuple[Tried, ...] = ()
        self._wait = 0.0
        recorder.used_before = NOTHING_SPENT  # the item before had the same recorder
        if chunk is not None and chunk.lost is not None:
            recorder.used_before = chunk.lost.used
            self._before = chunk.lost
            self.number = chunk.attempts + 1 if job.by_attempt else max(1, chunk.attempts)
            self._earlier = () if job.by_attempt else chunk.tried
            self._wait = chunk.wait

    @property
    def resumes(self) -> bool:
        """Whether the current attempt was lost with its worker: then call :meth:`lost` first."""
        return self._before is not None and not self._job.by_attempt

    def begin(self) -> None:
        """Another attempt begins."""
        self.number += 1
        self.began = time.perf_counter()

    def returned(self, value: object) -> Outcome:
        """The attempt returned a value."""
        outcome = Outcome(self._index, value, attempts=self.number, records=self.recorder.drain())
        return self._with_earlier(outcome)

    def raised(self, error: BaseException) -> Wait | Outcome:
        """The attempt ended in an exception."""
        return self.failed(outline(error), error)

    def lost(self) -> Wait:
        """The attempt was lost with its worker. Its chunk already has the decision on the next one."""
        if self._before is None:
            raise InternalError(f"no attempt of item {self._index} was lost")
        return self._again(self._before, self._wait)

    def stopped(self) -> Outcome:
        """Starting has been stopped while another attempt was due."""
        if self._before is None:
            raise InternalError(f"no attempt of item {self._index} has failed")
        outcome = interrupted(self._index, self.number, self._before)
        tried = self._earlier if self.number > 1 else ()
        return replace(outcome, records=self.recorder.drain(), tried=tried)

    def ended_by_force(self) -> Outcome:
        """The attempt was ended with the run."""
        return replace(cancelled(self._index, self.number), records=self.recorder.drain())

    def failed(self, error: ErrorInfo, cause: BaseException | None = None) -> Wait | Outcome:
        """The attempt failed, because of ``cause`` where that is known."""
        error, after = decided(self._job, self.number, error, cause, self._before)
        if after is None:
            return self._with_earlier(self._ended(self._described(error, cause)))
        self._before = error
        if self._job.by_attempt:
            return replace(self._ended(error), again=after)
        self._earlier = (*self._earlier, Tried.of(self.began, self._seconds(), None, error))
        return self._again(error, after)

    def _again(self, error: ErrorInfo, after: float) -> Wait:
        if self._job.on_retry is not None:
            self._job.on_retry(self.number, error, after)
        return Wait(after)

    def _described(self, error: ErrorInfo, cause: BaseException | None) -> ErrorInfo:
        """The last error, with the parts that only the last one gets: its traceback, and the exception if
        requested."""
        if cause is None:
            return error
        error = traced(error, cause)
        return replace(error, cause=Cause(cause)) if self._job.keep_exceptions else error

    def _ended(self, error: ErrorInfo) -> Outcome:
        """An attempt that fails while the run is being ended by force fails for that reason."""
        if self._cancel.cancelled:
            return self.ended_by_force()
        attempts = 0 if error.waiting else self.number  # it begins anew when the run goes on
        return Outcome(self._index, error=error, attempts=attempts, records=self.recorder.drain())

    def _with_earlier(self, outcome: Outcome) -> Outcome:
        if not self._earlier:
            return outcome
        last = Tried.of(self.began, self._seconds(), None, outcome.error)
        return replace(outcome, tried=(*self._earlier, last))

    def _seconds(self) -> float:
        return time.perf_counter() - self.began


def refusals_in(error: ErrorInfo | None) -> Refusals:
    """The refusals of an item whose last attempt ended so."""
    return NO_REFUSALS if error is None else error.refusals


def decided(
    job: Job, number: int, error: ErrorInfo, cause: BaseException | None, before: ErrorInfo | None
) -> tuple[ErrorInfo, float | None]:
    """The one decision on what follows the failed attempt ``number``, wherever it was made and lost: the
    seconds until the next attempt, None if that was the last one, and the error with the refusals so far.
    ``before`` is how the previous attempt failed."""
    decision = job.retry.decide(number, error, cause, refusals_in(before))
    if decision.refusals.times:
        error = replace(error, refusals=decision.refusals)
    return error, decision.after if decision.retry else None


def lost_attempt(
    job: Job,
    chunk: Chunk,
    offset: int,
    attempts: int,
    error: ErrorInfo,
    began: float | None = None,
    worker: int | None = None,
) -> Chunk | Outcome:
    """Decide on an item whose attempt ended with its ``worker``: a chunk to run again, or the end. The
    attempt had begun at the second ``began``, None if unknown."""
    index = chunk.start + offset
    wall = 0.0 if began is None else max(0.0, time.perf_counter() - began)
    earlier = chunk.tried if len(chunk) == 1 else ()
    tried = earlier if began is None else (*earlier, Tried.of(began, wall, worker, error))
    error, after = decided(job, attempts, error, None, chunk.lost)
    if after is not None:
        return Chunk(index, [chunk.items[offset]], attempts, error, tried, after)
    tried = tried if attempts > 1 else ()
    return Outcome(index, None, error, attempts, wall, began=began, worker=worker, tried=tried)
