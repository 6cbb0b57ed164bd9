"""The engine: a task, items and settings in; outcomes out, whichever executor runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from batchmill.batch.admissions.contract import Admission
from batchmill.batch.admissions.job_permits import JobPermits
from batchmill.batch.keeping import Judge
from batchmill.batch.parenthood import possible_here
from batchmill.batch.results.batch_result import BatchResult, Gathering, Timing
from batchmill.batch.settings import BatchSettings
from batchmill.batch.stream_buffer import StreamBuffer
from batchmill.batch.window import Window
from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.resources import resource_scope
from batchmill.executors.contract import (
    Choice,
    Executor,
    ExecutorSettings,
    OnDeath,
    OnWorker,
    Task,
    WorkerDeath,
    WorkerPlace,
)
from batchmill.executors.registry import executor_named
from batchmill.items.sources import Source, as_source
from batchmill.journal.contract import ItemLog
from batchmill.outcome import ErrorInfo
from batchmill.policy import FailureWatch
from batchmill.traits import TRAITS
from batchmill.values.words import count

OnBlock = Callable[[Block], None]
CUT_SHORT = "stopped before all items were done"  # what failed where somebody stopped the batch


class Gatherer(Protocol):
    """Takes the blocks of one batch, in any order."""

    @property
    def count(self) -> int:
        """How many items there were."""

    @property
    def complete(self) -> bool:
        """Whether every one of them has a value."""

    def add(self, block: Block) -> None:
        """Take a block."""

    def add_cancelled(self, items: Sequence[object], start: int) -> None:
        """Take the items that no worker had taken, at the end; the first one has the index ``start``."""


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """How a batch ended: why it failed (None if it did not), and whether it was stopped from outside.

    ``fault`` is the exception of reading the items, of saving the results or of the executor itself; earlier
    outcomes are still collected. ``metadata`` is the batch node's report of itself. ``unread`` says that the
    source may hold items that were never taken; ``waiting`` that the batch failed only because items wait for
    a service.
    """

    failure: str | None
    stopped: bool
    fault: Exception | None
    metadata: dict[str, object]
    unread: bool = False
    waiting: bool = False


class Batch:
    """One batch, run once.

    - ``stop``: when cancelled, no new item starts, running ones finish. ``cancel``: when cancelled, running
      ones are ended too.
    - ``apart``: the consumer is a thread that nobody may end, so sequential items also run on a thread of
      their own, which can be abandoned.
    - ``choice``: the executor that runs the batch; for ``auto`` its last choice, of which ``on_choice`` is
      told, from any thread. ``on_death`` is told, likewise, of a worker process that died,
      ``on_worker`` of a worker of a cluster that had its first results.
    - ``log``: saves the outcomes, and may know some already.
    - ``judge``: may turn a result into an error; the result is still saved.
    - ``at_once``: whether anybody looks at results before the end.

    Used by one thread; threads share the window that it works through.
    """

    def __init__(
        self,
        task: Task,
        items: Iterable[object] | StreamBuffer,
        settings: BatchSettings,
        *,
        ordered: bool,
        cancel: CancelToken | None = None,
        stop: CancelToken | None = None,
        apart: bool = False,
        log: ItemLog | None = None,
        judge: Judge | None = None,
        at_once: bool = True,
    ) -> None:
        self.task = task
        self._log = log
        self.settings = settings = possible_here(settings)
        self.source: Source = items if isinstance(items, StreamBuffer) else as_source(items)
        self.total = self.source.remaining()
        self.watch = FailureWatch(settings.failures, self.total)
        self.window = Window(
            self.source,
            self.watch,
            ordered=ordered,
            admissions=tuple(self._admissions()),
            log=log,
            judge=judge,
            reads_on=not at_once and not settings.traits.chooses,
        )
        self.timing = Timing()
        self._executor, self._running_with = self._run_by(apart, judge is not None)
        self.workers = self._executor.workers(self._running_with)
        self.choice = Choice(
            settings.executor, settings.reason or f"{settings.executor} was asked for", self.workers
        )
        self.on_choice: Callable[[Choice], None] | None = None
        self.on_death: OnDeath | None = None
        self.on_worker: OnWorker | None = None
        self._cancel = cancel or CancelToken()
        self._stop = stop or CancelToken()
        self.waiting = 0  # items that wait for a service which answers later

    def _run_by(self, apart: bool, judges: bool) -> tuple[Executor, ExecutorSettings]:
        """The executor that runs the items, and its settings."""
        settings = self.settings
        given = settings.for_executor(self._chosen, self._died, self._placed)
        given = replace(given, judges_results=judges)
        if apart and not settings.traits.side_by_side:
            return executor_named("thread"), replace(given, max_concurrent=1)
        return executor_named(settings.executor), given

    def _admissions(self) -> Iterator[Admission]:
        """The admissions of the batch, in order."""
        settings = self.settings
        if settings.gate is not None:
            from batchmill.batch.admissions.gate_claim import RateLimited  # few batches have a limit

            yield RateLimited(settings.gate)
        if settings.permits is not None:
            awaits = self.task.awaits and settings.traits.side_by_side
            yield JobPermits(settings.permits, one_by_one=awaits)

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` run once when no new item may start any more."""
        self.window.on_stop(callback)

    @property
    def failing(self) -> bool:
        """Whether so much has failed that the batch fails."""
        return self.window.failing

    def hold(self, held: bool) -> None:
        """Take no items for a while: the consumer of the blocks waits for another thread."""
        self.window.hold(held)

    def under_way(self, most: int) -> tuple[int, list[tuple[int, float]]]:
        """The number of running items, and at most so many of the longest running: their indices, each with
        its seconds."""
        return self.window.under_way(most)

    def blocks(self) -> Generator[Block, None, None]:
        """Run the batch and yield its blocks; closing the iterator stops it."""
        forget = self._stop.on_cancel(self.window.stop)
        running = self._executor.run(self.task, self.window, self._running_with, self._cancel)
        with resource_scope(), closing(self.source):
            if self.settings.gate is not None:
                self.settings.gate.open()
            try:
                for block in running:
                    self.timing.add(block.walls)
                    if block.special:
                        self.waiting += sum(one.waiting for one in _errors(block))
                    yield block
            finally:
                running.close()  # type: ignore[attr-defined]  # executors' iterators are generators
                forget()
                if self.settings.gate is not None:
                    self.settings.gate.close()

    def _chosen(self, choice: Choice) -> None:
        chose = f"auto chose {choice.executor}: " if self.settings.traits.chooses else ""
        self.choice = replace(choice, reason=chose + choice.reason)
        if self.on_choice is not None:
            self.on_choice(self.choice)

    def _died(self, death: WorkerDeath) -> None:
        if self.on_death is not None:
            self.on_death(death)

    def _placed(self, place: WorkerPlace) -> None:
        if self.on_worker is not None:
            self.on_worker(place)

    def gather(self, on_block: OnBlock | None = None) -> BatchResult[object]:
        """Run the batch to its end; see :func:`run_batch`."""
        gathering = Gathering()
        ending = self.run_into(gathering, on_block)
        if ending.fault is not None:
            raise ending.fault
        return BatchResult(
            gathering.values,
            gathering.items,
            gathering.failed(),
            gathering.recorded(),
            ending.metadata,
            ending.failure,
            ending.stopped,
        )

    def run_into(self, gathering: Gatherer, on_block: OnBlock | None = None) -> BatchEnd:
        """Run the batch to its end, with any outcome, and pass every outcome to ``gathering``."""
        began = time.perf_counter()
        fault: Exception | None = None
        try:
            with closing(self.blocks()) as blocks:
                for block in blocks:
                    if on_block is not None:
                        on_block(block)
                    gathering.add(block)
        except Exception as error:  # noqa: BLE001  # told in the ending, beside what was done until then
            fault = error
        gathering.add_cancelled(self.source.rest(), self.window.taken)
        if self._log is not None:
            read = self.window.exhausted
            self._log.close(gathering.count if read else self.total, read=read)
        stopped = self._stop.cancelled or self._cancel.cancelled
        cut_short = stopped and not (gathering.complete and self.window.exhausted)
        failure = self.watch.verdict(self.waiting) if fault is None else f"{type(fault).__name__}: {fault}"
        if failure is None and self._log is not None and self._log.left_out:
            left_out = self._log.left_out
            were = f"{count(left_out, 'item')} {'was' if left_out == 1 else 'were'}"
            failure = f"{were} left out: only what had failed was run again"
        waiting = failure is None and self.waiting > 0
        if waiting:
            failure = waits_in_words(self.waiting)
        if failure is None and cut_short:
            failure = CUT_SHORT
        metadata = self.metadata(time.perf_counter() - began, gathering.count)
        return BatchEnd(
            failure,
            stopped,
            fault,
            metadata,
            unread=not self.window.exhausted,
            waiting=waiting and not cut_short,
        )

    def metadata(self, seconds: float, n_items: int) -> dict[str, object]:
        """The ``batch_metadata`` of a batch node; ``seconds`` is the batch's wall time for
        ``n_items`` items."""
        settings, choice = self.settings, self.choice
        sequential = not TRAITS[choice.executor].side_by_side
        return {
            "parallel": not sequential,
            "max_concurrent": choice.workers,
            "max_retries": settings.retry.max_attempts,
            "retry_wait": settings.retry.wait,
            "execution_mode": "sequential" if sequential else "parallel",
            "timing": {**self.timing.as_json(), "wall_ms": round(seconds * 1e3, 3)},
            "executor": choice.executor,
            "reason": choice.reason,
            "workers": min(choice.workers, n_items),
        }


def _errors(block: Block) -> Iterator[ErrorInfo]:
    return (one.error for one in block.special.values() if one.error is not None)


def waits_in_words(items: int) -> str:
    """That so many items wait for a service."""
    return f"{count(items, 'item')} wait{'s' if items == 1 else ''} for batches of a service"


def run_batch(
    task: Task,
    items: Iterable[object],
    settings: BatchSettings,
    *,
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
    on_block: OnBlock | None = None,
    log: ItemLog | None = None,
) -> BatchResult[object]:
    """Run ``task`` on every item and gather the outcomes.

    ``on_block`` is called in the caller's thread for every block as it comes, in no order; it may replace the
    block's values. ``log`` saves outcomes, and may know some. Errors of reading the items are raised here,
    and so is that of an executor that cannot run at all. Failed items raise nothing: see
    ``BatchResult.failure``.
    """
    batch = Batch(task, items, settings, ordered=False, cancel=cancel, stop=stop, log=log)
    return batch.gather(on_block)


def stream_batch(
    task: Task,
    items: Iterable[object],
    settings: BatchSettings,
    *,
    ordered: bool = True,
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
) -> Iterator[Block]:
    """Yield outcomes as they come (``ordered``: in input order), holding no more than a window of them."""
    return Batch(task, items, settings, ordered=ordered, cancel=cancel, stop=stop).blocks()
