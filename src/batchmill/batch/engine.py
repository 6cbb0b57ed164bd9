"""The engine: a task, items and settings in; outcomes out, whichever executor runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

from batchmill.batch.result import BatchResult, Gathering, Timing
from batchmill.batch.settings import BatchSettings
from batchmill.batch.sources import as_source
from batchmill.batch.window import Window
from batchmill.cancel import CancelToken
from batchmill.executors.choose import executor_named
from batchmill.executors.contract import Executor, Task
from batchmill.outcome import Block
from batchmill.policy import FailureWatch

OnBlock = Callable[[Block], None]


class Batch:
    """One batch, run once.

    ``stop`` cancelled: no new item starts, running ones finish. ``cancel`` cancelled: running ones are
    ended too. Used by one thread; the window it works through is what threads share.
    """

    def __init__(
        self,
        task: Task,
        items: Iterable[Any],
        settings: BatchSettings,
        *,
        ordered: bool,
        cancel: CancelToken | None = None,
        stop: CancelToken | None = None,
    ) -> None:
        self.task = task
        self.settings = settings
        self.source = as_source(items)
        self.total = self.source.remaining()
        self.watch = FailureWatch(settings.failures, self.total)
        self.window = Window(self.source, self.watch, ordered=ordered)
        self.timing = Timing()
        self._executor: Executor = executor_named(settings.executor)
        self._workers = self._executor.workers(settings.for_executor())
        self._cancel = cancel or CancelToken()
        self._stop = stop or CancelToken()

    def blocks(self) -> Generator[Block, None, None]:
        """Run the batch and yield its blocks; closing the iterator stops it."""
        settings = self.settings.for_executor()
        forget = self._stop.on_cancel(self.window.stop)
        running = self._executor.run(self.task, self.window, settings, self._cancel)
        try:
            for block in running:
                self.timing.add(block.walls)
                yield block
        finally:
            running.close()  # type: ignore[attr-defined]  # executors' iterators are generators
            forget()

    def metadata(self, seconds: float) -> dict[str, Any]:
        """What a batch node reports as ``batch_metadata``; ``seconds`` is the batch's wall time."""
        settings = self.settings
        workers = self._workers
        sequential = settings.executor == "sequential"
        return {
            "parallel": not sequential,
            "max_concurrent": workers,
            "max_retries": settings.retry.max_attempts,
            "retry_wait": settings.retry.wait,
            "execution_mode": "sequential" if sequential else "parallel",
            "timing": {**self.timing.as_json(), "wall_ms": round(seconds * 1e3, 3)},
            "executor": settings.executor,
            "reason": f"{settings.executor} was asked for",
            "workers": workers if self.total is None else min(workers, self.total),
        }


def run_batch(
    task: Task,
    items: Iterable[Any],
    settings: BatchSettings,
    *,
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
    on_block: OnBlock | None = None,
) -> BatchResult[Any]:
    """Run ``task`` on every item and gather the outcomes.

    ``on_block`` is called in the caller's thread for every block as it comes, in no order. What
    reading the items raises is raised here, as is an executor that cannot run at all. Failed items
    are no exception: see ``BatchResult.failure``.
    """
    began = time.perf_counter()
    batch = Batch(task, items, settings, ordered=False, cancel=cancel, stop=stop)
    gathering = Gathering()
    with closing(batch.blocks()) as blocks:
        for block in blocks:
            gathering.add(block)
            if on_block is not None:
                on_block(block)
    gathering.add_cancelled(batch.source.rest())
    failed = gathering.failed()
    failure = batch.watch.verdict()
    stopped = batch._stop.cancelled or batch._cancel.cancelled
    if failure is None and stopped and failed:
        failure = "stopped before all items were done"
    return BatchResult(
        gathering.values,
        gathering.items,
        failed,
        gathering.recorded(),
        batch.metadata(time.perf_counter() - began),
        failure,
        stopped,
    )


def stream_batch(
    task: Task,
    items: Iterable[Any],
    settings: BatchSettings,
    *,
    ordered: bool = True,
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
) -> Iterator[Block]:
    """Yield outcomes as they come (``ordered``: in input order), holding no more than a window of them."""
    return Batch(task, items, settings, ordered=ordered, cancel=cancel, stop=stop).blocks()
