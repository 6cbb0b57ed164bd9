"""The one piece of code that runs items, whichever executor runs them.

It is given a chunk and runs its items one after another: attempts, waits between them, timing,
errors and records. It stops early, leaving the rest of the chunk to be taken by another worker, when
the chunk has taken long enough, when nothing may start any more, or after a failure that ends the
batch. What it is at stands in the worker's :class:`Progress` all the while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from batchmill.attempt import Attempt
from batchmill.block import Block, together
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout
from batchmill.executors.contract import Chunk, ExecutorSettings, Task
from batchmill.executors.prepared import prepare
from batchmill.executors.running.cause import Cause
from batchmill.executors.running.describe import outline, traced
from batchmill.executors.running.progress import Progress
from batchmill.outcome import NO_REFUSALS, ErrorInfo, Outcome, Refusals, Tried, cancelled, interrupted
from batchmill.policy import RetryDecision, RetryPolicy
from batchmill.record import Recorder

PAUSE_STEP = 0.05  # seconds between looks at the stop cell while waiting to try again
MOST_DRIFT = 5e-5  # seconds that items may be said to have begun too early
LATE_SECONDS = 0.05  # a value that comes up to this long after its deadline still counts

Flush = Callable[[Block, float], bool]
OnRetry = Callable[[int, ErrorInfo, float], object]
"""Told the number of the attempt that failed, why, and after how many seconds the next one begins."""


@dataclass(slots=True)
class Job:
    """What a batch asks of its workers: the task and how an item is to be run. ``on_retry`` is told of each
    attempt that is going to be followed by another; of one in another process it cannot be."""

    task: Task
    retry: RetryPolicy = field(default_factory=RetryPolicy)
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


class FailedAttempt(NamedTuple):
    """Why an attempt failed and what the policy says to that; with a traceback only where it is the last."""

    error: ErrorInfo
    decision: RetryDecision

    @classmethod
    def judged(
        cls,
        retry: RetryPolicy,
        attempts: int,
        error: ErrorInfo,
        cause: BaseException | None,
        keep: bool = False,
        before: ErrorInfo | None = None,
    ) -> FailedAttempt:
        """What is to become of an item after its ``attempts``-th attempt ended in ``error``, the one
        ``before`` in that. ``keep`` says that the exception itself will be asked for."""
        decision = retry.decide(attempts, error, cause, refusals_in(before))
        if decision.refusals.times:
            error = replace(error, refusals=decision.refusals)
        if not decision.retry and cause is not None:
            error = traced(error, cause)
            error = replace(error, cause=Cause(cause)) if keep else error
        return cls(error, decision)


class ItemRunner:
    """Runs items of one job in one worker. Not shared between threads: every worker has its own.

    ``interrupts`` says of what an item raised that it is the user's and not the item's, and is to be raised.
    """

    def __init__(
        self,
        job: Job,
        progress: Progress,
        cancel: CancelToken,
        *,
        interrupts: Callable[[BaseException], bool] | None = None,
    ) -> None:
        self._job = job
        self._progress = progress
        self._cancel = cancel
        self._interrupts = interrupts
        self._recorder = Recorder()
        self._began = 0  # time.monotonic_ns() at which the attempt under way did
        self._first = Attempt(1, None, self._recorder, cancel)

    def prepare(self) -> None:
        """Have done what is to be done in this worker before its first item."""
        prepare(self._job.task)

    @property
    def timed(self) -> bool:
        """Whether attempts have a deadline."""
        return self._job.timeout is not None

    def run_chunk(
        self, chunk: Chunk, seconds: float, flush: Flush | None = None, block: Block | None = None
    ) -> Block:
        """Run items until the chunk ends or ``seconds`` have passed; at least one, unless stopped.

        The block may be shorter than the chunk. ``flush`` is told after every item how far the block
        has come and at what :func:`time.perf_counter` second; True ends the chunk there. ``block`` is an
        empty one to be filled, for who looks at it meanwhile: an item's wall time is put there last.
        """
        block = Block(chunk.start, items=chunk.items) if block is None else block
        add_value, add_wall = block.appenders()
        run, progress, drain = self._job.task.run, self._progress, self._recorder.drain
        begin_item, recorder = progress.begin_item, self._recorder
        timed, clock = self.timed, time.perf_counter
        index = chunk.start
        progress.begin_items()
        last = clock()
        end = last + seconds
        spent = time.thread_time()
        drift = 0.0  # how much later items begin than the walls of those before them tell
        block.begin(0, last)
        for offset, item in enumerate(chunk.items):
            if not begin_item():
                break
            tried: Outcome | FailedAttempt | None = None
            if timed or chunk.lost is not None:
                tried = self._first_attempt(item, index, chunk)
            else:
                try:
                    add_value(value := run(item, index, self._first))
                except BaseException as error:  # noqa: BLE001  # whatever an item raises is its error
                    tried = self._caught(error, 1)
                else:
                    records = drain()
                    if records:
                        block.note(Outcome(index, value, records=records))
            if tried is not None:
                outcome = self._to_the_end(item, index, self._number(chunk), tried, last, chunk)
                progress.begin_attempt(1)
                add_value(outcome.value)
                if not outcome.plain:
                    block.note(outcome)
                if outcome.error is not None and self._job.stop_on_failure and outcome.again is None:
                    progress.stop()  # a chunk that waits behind this one must not start either
            if recorder.commands is not None:
                block.ran(offset, recorder.take_commands())
            now = clock()
            add_wall(now - last)
            last = now
            index += 1
            if now >= end or (self._job.judges_failures and tried is not None and outcome.error is not None):
                break
            if flush is not None:
                if flush(block, now):
                    break
                last = clock()  # what flushing took is not the next item's time
                drift += last - now
                if drift > MOST_DRIFT:
                    block.begin(offset + 1, last)
                    drift = 0.0
        commands = together(one.cpu for one in block.commands.values()) if block.commands else None
        block.cpu = time.thread_time() - spent + (commands or 0.0)
        return block

    def _first_attempt(self, item: Any, index: int, chunk: Chunk) -> Outcome | FailedAttempt:
        """Of an item with a deadline, or of one whose earlier attempts were lost with their worker."""
        if chunk.lost is not None and not self._job.by_attempt:
            return FailedAttempt.judged(self._job.retry, chunk.attempts, chunk.lost, None, before=chunk.lost)
        return self._attempt(item, index, self._number(chunk), chunk.lost)

    def _number(self, chunk: Chunk) -> int:
        """Which attempt of its items a chunk brings here."""
        if self._job.by_attempt:
            return chunk.attempts + 1
        return max(1, chunk.attempts)

    def _to_the_end(
        self, item: Any, index: int, attempts: int, tried: Outcome | FailedAttempt, began: float, chunk: Chunk
    ) -> Outcome:
        """What becomes of an item in the end, ``tried`` being what its ``attempts``-th attempt came to, which
        had begun at the second ``began`` or was lost with its worker."""
        lost = chunk.lost is not None and not self._job.by_attempt
        earlier = chunk.tried if lost else ()
        while isinstance(tried, FailedAttempt):
            if self._job.by_attempt and tried.decision.retry:
                return replace(self._failed(index, attempts, tried.error), again=tried.decision.after)
            if not tried.decision.retry:
                return with_attempts(self._failed(index, attempts, tried.error), earlier, began)
            if not lost:
                earlier = (*earlier, Tried.of(began, time.perf_counter() - began, None, tried.error))
            lost = False
            if self._job.on_retry is not None:
                self._job.on_retry(attempts, tried.error, tried.decision.after)
            if self._stopped_within(tried.decision.after):
                return replace(interrupted(index, attempts, tried.error), records=self._recorder.drain())
            attempts += 1
            began = time.perf_counter()
            tried = self._attempt(item, index, attempts, tried.error)
        return with_attempts(tried, earlier, began)

    def _failed(self, index: int, attempts: int, error: ErrorInfo) -> Outcome:
        """An attempt that fails while the run is being ended by force fails for that reason."""
        records = self._recorder.drain()
        if self._cancel.cancelled:
            return replace(cancelled(index, attempts), records=records)
        return Outcome(index, error=error, attempts=attempts, records=records)

    def _attempt(
        self, item: Any, index: int, number: int, before: ErrorInfo | None
    ) -> Outcome | FailedAttempt:
        """Make an attempt; ``before`` is why the one before it failed."""
        try:
            value = self._job.task.run(item, index, self._begin(number))
        except BaseException as error:  # noqa: BLE001  # whatever an item raises is its error
            return self._caught(error, number, before)
        if self._too_late():
            return self._caught(self._overdue(), number, before)
        self._progress.end_timed()
        return Outcome(index, value, attempts=number, records=self._recorder.drain())

    def _too_late(self) -> bool:
        """Whether the attempt that just returned had been given up already, or would have been by a
        quicker watcher: what counts as a timeout must not depend on who looks when."""
        timeout = self._job.timeout
        return timeout is not None and time.monotonic_ns() - self._began > (timeout + LATE_SECONDS) * 1e9

    def _overdue(self) -> AttemptTimeout:
        return AttemptTimeout(f"no result within {self._job.timeout:g} s; it came later and was dropped")

    def _begin(self, number: int) -> Attempt:
        timeout = self._job.timeout
        self._progress.begin_attempt(number)
        if timeout is None:
            return Attempt(number, None, self._recorder, self._cancel)
        now = self._began = self._progress.begin_timed()
        return Attempt(
            number, now / 1e9 + timeout, self._recorder, self._cancel, timeout, ending=self._ending
        )

    def _ending(self, seconds: float) -> None:
        """The attempt is over, and what it started is being ended: who watches looks at it as at one that
        began later."""
        self._progress.postpone(int((seconds - (self._job.timeout or 0.0)) * 1e9))

    def _caught(self, error: BaseException, attempts: int, before: ErrorInfo | None = None) -> FailedAttempt:
        self._progress.end_timed()
        if self._interrupts is not None and self._interrupts(error):
            raise error
        described = outline(error)
        keep = self._job.keep_exceptions
        return FailedAttempt.judged(self._job.retry, attempts, described, error, keep, before)

    def _stopped_within(self, seconds: float) -> bool:
        """Wait before another attempt; True as soon as nothing may start any more."""
        self._progress.end_timed()
        end = time.monotonic() + seconds
        while not (self._progress.stopped or self._cancel.cancelled):
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._cancel.wait(min(left, PAUSE_STEP))
        return True


def with_attempts(outcome: Outcome, earlier: tuple[Tried, ...], began: float) -> Outcome:
    """An outcome whose last attempt, which has just ended, began at the second ``began``."""
    if not earlier:
        return outcome
    last = Tried.of(began, time.perf_counter() - began, None, outcome.error)
    return replace(outcome, tried=(*earlier, last))


def refusals_in(error: ErrorInfo | None) -> Refusals:
    """Those of an item whose last attempt ended so."""
    return NO_REFUSALS if error is None else error.refusals


def lost_attempt(
    job: Job,
    chunk: Chunk,
    offset: int,
    attempts: int,
    error: ErrorInfo,
    began: float | None = None,
    worker: int | None = None,
) -> Chunk | Outcome:
    """What becomes of an item whose attempt ended with its ``worker``: a chunk to run again, or the end. The
    attempt had begun at the second ``began``, None where nobody knows."""
    index = chunk.start + offset
    wall = 0.0 if began is None else max(0.0, time.perf_counter() - began)
    earlier = chunk.tried if len(chunk) == 1 else ()
    tried = earlier if began is None else (*earlier, Tried.of(began, wall, worker, error))
    decision = job.retry.decide(attempts, error, None, refusals_in(chunk.lost))
    if decision.retry:
        error = replace(error, refusals=decision.refusals) if decision.refusals.times else error
        return Chunk(index, [chunk.items[offset]], attempts, error, tried)
    tried = tried if attempts > 1 else ()
    return Outcome(index, None, error, attempts, wall, began=began, worker=worker, tried=tried)


def second_of(nanoseconds: int) -> float | None:
    """A moment of :func:`time.monotonic_ns` as a second of :func:`time.perf_counter`, which not every system
    counts from the same moment; None for 0."""
    if not nanoseconds:
        return None
    return time.perf_counter() - (time.monotonic_ns() - nanoseconds) / 1e9
