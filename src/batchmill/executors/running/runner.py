"""The one piece of code that runs items, on every executor.

It gets a chunk and runs its items one after another: their attempts, by
:mod:`batchmill.executors.running.attempts`, the waits between them, timing and records. It stops early, and
leaves the rest of the chunk to another worker, when the chunk has taken long enough, when starting has been
stopped, or after a failure that ends the batch. The worker's :class:`Progress` always shows its current item.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from batchmill.attempt import Attempt
from batchmill.block import Block, together
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.chunk_scope import ChunkScope
from batchmill.concurrency.loop_cpu import called_seconds
from batchmill.errors import AttemptTimeout
from batchmill.executors.contract import Chunk
from batchmill.executors.own_time import Effort, Took, effort, own_seconds, seconds_left
from batchmill.executors.running.attempts import Attempts, Job, Wait
from batchmill.executors.running.progress import Progress
from batchmill.outcome import Outcome
from batchmill.record import Recorder

PAUSE_STEP = 0.05  # seconds between looks at the stop cell while waiting to try again
MOST_DRIFT = 5e-5  # seconds that items may be said to have begun too early
LATE_SECONDS = 0.05  # a value that comes up to this long after its deadline still counts

Flush = Callable[[Block, float], float | None]
"""Called with the block so far and the present :func:`time.perf_counter` second. Returns the second from
which on it is called again; None ends the chunk."""
Touched = Callable[[], bool]
"""Says quickly whether an item, however brief, left something that must not meet the next one."""


class ItemRunner:
    """Runs items of one job in one worker. Not shared between threads: every worker has its own.

    ``interrupts`` returns whether an exception came from the user (Ctrl-C) and not from the item, and must be
    raised. ``one_by_one`` says that the own time of a chunk with one item is not needed.
    """

    def __init__(
        self,
        job: Job,
        progress: Progress,
        cancel: CancelToken,
        *,
        interrupts: Callable[[BaseException], bool] | None = None,
        one_by_one: bool = False,
    ) -> None:
        self._job = job
        self._progress = progress
        self._cancel = cancel
        self._interrupts = interrupts
        self._one_by_one = one_by_one
        self._recorder = Recorder()
        self._began = 0  # time.monotonic_ns() at which the attempt under way did
        self.prepared = False  # so far
        self._first = Attempt(1, None, self._recorder, cancel)
        self.took = 0.0
        """Seconds of their own that the items of the last chunk took; see
        :mod:`batchmill.executors.own_time`."""

    def prepare(self) -> None:
        """Set up this worker before its first item, so that none has its time for imports."""
        if self.timed:
            self._job.task.load()
        self._job.task.prepare()
        self.prepared = True

    @property
    def timed(self) -> bool:
        """Whether attempts have a deadline."""
        return self._job.timeout is not None

    def run_chunk(
        self,
        chunk: Chunk,
        seconds: float,
        flush: Flush | None = None,
        block: Block | None = None,
        *,
        brief: float = 0.0,
        touched: Touched | None = None,
    ) -> Block:
        """Run items until the chunk ends or ``seconds`` have passed, without the time in which others had the
        core; at least one item, unless stopped.

        The block may be shorter than the chunk. ``flush`` is called after each item that took at least
        ``brief`` seconds or has ``touched`` something, and after the first one that ends when it is due.
        ``block`` is an empty one to fill, for threads that look at it meanwhile: the wall time of an item is
        added last.
        """
        block = Block(chunk.start, items=chunk.items) if block is None else block
        if len(chunk.items) == 1 and chunk.more is None:
            self._run_items(chunk, seconds, flush, brief, touched, block)
            return block
        with ChunkScope():
            self._run_items(chunk, seconds, flush, brief, touched, block)
        return block

    def _run_items(
        self,
        chunk: Chunk,
        seconds: float,
        flush: Flush | None,
        brief: float,
        touched: Touched | None,
        block: Block,
    ) -> None:
        # Each step of the loop is paid for by every item: a call of a function costs a tenth of a no-op.
        add_value, add_wall = block.appenders()
        run, first, clock, recorder = self._job.task.run, self._first, time.perf_counter, self._recorder
        reads, plain = chunk.more is not None, not self.timed and chunk.lost is None
        due = 0.0
        begin_item = self._progress.begin_items()
        alone = len(chunk.items) == 1 and self._one_by_one
        before, called = effort(cpu_only=alone), called_seconds()
        began = last = clock()
        end = last + seconds
        drift = 0.0  # how much later items begin than the walls of those before them tell
        block.begin(0, last)
        for index, item in enumerate(chunk.items if chunk.more is None else chunk.more, chunk.start):
            if reads and index > chunk.start:
                drift -= last
                drift += (last := clock())  # what reading took is not the item's time
                if drift > MOST_DRIFT:
                    block.begin(index - chunk.start, last)
                    drift = 0.0
            if not begin_item():
                break
            then: Wait | Outcome | None = None
            if plain:
                # The path of nearly all items: one attempt, without a deadline, that returns a value.
                try:
                    add_value(value := run(item, index, first))
                except BaseException as error:  # noqa: BLE001  # whatever an item raises is its error
                    attempts = self._attempts(index, last, chunk)
                    then = self._caught(error, attempts)
                else:
                    if recorder.noted and (records := recorder.drain()):
                        block.note(Outcome(index, value, records=records))
            else:
                attempts = self._attempts(index, last, chunk)
                then = attempts.lost() if attempts.resumes else self._attempt(item, index, attempts)
            if then is not None:
                outcome = self._ended(item, index, attempts, then, block)
            if recorder.noted:
                block.ran(index - chunk.start, recorder.take_commands())
            looks = touched is not None and touched()  # before the clock: each wall has one look in it
            now = clock()
            add_wall(wall := now - last)
            last = now
            # After the last item it does not matter what others took from the chunk's time.
            if (
                now >= end
                and (reads or len(block.walls) < len(chunk.items))
                and (end := now + seconds_left(seconds, _took(block, now - began, before, alone))) == now
            ):
                break
            # No item is read after one that may end the batch.
            if then is not None and outcome.error is not None and (self._job.judges_failures or reads):
                break
            if flush is not None and (looks or wall >= brief or now >= due):
                again = flush(block, now)
                if again is None:
                    break
                due = again
                last = clock()  # what flushing took is not the next item's time
                drift += last - now
                if drift > MOST_DRIFT:
                    block.begin(len(block.walls), last)
                    drift = 0.0
        commands = together(one.cpu for one in block.commands.values()) if block.commands else None
        used = effort(cpu_only=alone).since(before)
        if not alone:
            self.took = own_seconds(Took(len(block), last - began, used, block.longer))
        block.cpu = used.cpu + (commands or 0.0) + called_seconds() - called

    def _attempts(self, index: int, began: float, chunk: Chunk) -> Attempts:
        """The attempts of an item from that of its chunk on, which begins at the second ``began``."""
        return Attempts(self._job, index, self._recorder, self._cancel, began, chunk)

    def _ended(
        self, item: object, index: int, attempts: Attempts, then: Wait | Outcome, block: Block
    ) -> Outcome:
        """Follow an item to its end, add that to the block, and stop what waits behind it if that ends the
        batch."""
        outcome = self._to_the_end(item, index, attempts, then)
        self._progress.begin_attempt(1)
        add_value, _ = block.appenders()
        add_value(outcome.value)
        if not outcome.plain:
            block.note(outcome)
        failed = outcome.error is not None and not outcome.error.waiting
        if failed and self._job.stop_on_failure and outcome.again is None:
            self._progress.stop()  # a chunk that waits behind this one must not start either
        return outcome

    def _to_the_end(self, item: object, index: int, attempts: Attempts, then: Wait | Outcome) -> Outcome:
        """Follow the steps of an item until its end. Do not call it while an exception is being handled,
        because that would become the context of exceptions of further attempts."""
        while isinstance(then, Wait):
            if self._stopped_within(then.seconds):
                return attempts.stopped()
            attempts.begin()
            then = self._attempt(item, index, attempts)
        return then

    def _attempt(self, item: object, index: int, attempts: Attempts) -> Wait | Outcome:
        try:
            value = self._job.task.run(item, index, self._begin(attempts.number))
        except BaseException as error:  # noqa: BLE001  # whatever an item raises is its error
            return self._caught(error, attempts)
        if self._too_late():
            return self._caught(self._overdue(), attempts)
        self._progress.end_timed()
        return attempts.returned(value)

    def _too_late(self) -> bool:
        """Whether the attempt that just returned had already been given up, or would have been by a quicker
        watcher: a timeout must not depend on when the watcher looks."""
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
        """The attempt is over, and the processes that it started are being ended: for the watcher, it began
        later."""
        self._progress.postpone(int((seconds - (self._job.timeout or 0.0)) * 1e9))

    def _caught(self, error: BaseException, attempts: Attempts) -> Wait | Outcome:
        self._progress.end_timed()
        if self._interrupts is not None and self._interrupts(error):
            raise error
        return attempts.raised(error)

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


def _took(block: Block, wall: float, before: Effort, cpu_only: bool) -> Took:
    return Took(len(block), wall, effort(cpu_only=cpu_only).since(before), block.longer)


def second_of(nanoseconds: int) -> float | None:
    """A moment of :func:`time.monotonic_ns` as a second of :func:`time.perf_counter`, which not every system
    counts from the same moment; None for 0."""
    if not nanoseconds:
        return None
    return time.perf_counter() - (time.monotonic_ns() - nanoseconds) / 1e9
