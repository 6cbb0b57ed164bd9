"""The thread executor: workers of this process that pull items from one locked source.

    Channel --take--> worker thread (own copy of the task) --deliver--> Channel
                          ^
                 Watcher: looks at the workers' progress, gives up overdue attempts

There is no queue: a free worker takes the next items, so only the channel's window bounds memory. With a
timeout a watcher thread looks at the workers' progress. A worker whose attempt is overdue is abandoned: its
item is settled without it, another worker replaces it, and a late result is discarded. Python cannot end a
thread, so an abandoned one runs until its item returns; it is a daemon, and the end of the process does not
wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.dispatch.stealing import Watch, WorkStealer
from batchmill.executors.local.thread_worker import CHUNK_SECONDS, CLOSE_SECONDS, ThreadWorker
from batchmill.executors.running.attempts import Job, lost_attempt
from batchmill.executors.running.runner import LATE_SECONDS
from batchmill.executors.running.weighing import weigh_every
from batchmill.outcome import ErrorInfo, Outcome, cancelled

DEFAULT_CONCURRENCY = 10
MOST_PER_CHUNK = 256
WATCH_SECONDS = 0.02


class ThreadExecutor:
    """Runs items on up to ``max_concurrent`` threads, each with its own deep copy of the task.

    A task with ``run_async`` runs as coroutines on one event loop instead, as many at once.
    """

    name = "thread"

    def workers(self, settings: ExecutorSettings) -> int:
        return settings.max_concurrent or DEFAULT_CONCURRENCY

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        size = self.workers(settings)
        crew: Any  # one of the two
        if task.awaits:
            local = import_module("batchmill.executors.local.event_loop")  # with asyncio: 40 ms
            crew = local.EventLoopBatch(task, channel, settings, cancel, size)
        else:
            crew = ThreadBatch(task, channel, settings, cancel, size)
        crew.start()
        try:
            yield from channel.blocks()
        finally:
            crew.close()


class ThreadBatch:
    """The worker threads of one batch.

    Concurrency: ``_lock`` guards ``_workers`` and ``_unhired``; every worker has a lock of its own.
    Workers start one another's replacement through ``_hire``; the watcher and ``close`` run in
    threads of their own.
    """

    def __init__(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken, size: int
    ) -> None:
        self.channel = channel
        self.cancel = cancel
        self.numbers = settings.worker_numbers
        self.job = Job.of(task, settings)
        fixed = settings.chunk_size if settings.timeout is None else 1
        most = 1 if settings.timeout is not None else MOST_PER_CHUNK
        self.sizer = ChunkSizer(size, CHUNK_SECONDS, most, fixed)
        self.weigh_every = weigh_every(size)
        self._size = size
        self._one_by_one = settings.by_permit
        self._lock = threading.Lock()
        self._workers: list[ThreadWorker] = []
        self._unhired = 0
        self._several = 0  # workers that have more than one item
        self._over = threading.Event()
        watch = Watch(_in_a_thread, linger=0)
        self.stealer = WorkStealer(channel, watch, self._now, self._any_has_several)
        channel.on_idle(self.stealer.begin)
        self._watcher = threading.Thread(target=self._watch, name="batchmill-watcher", daemon=True)
        self._forget = [channel.on_stop(self._stop_workers), cancel.on_cancel(self._abandon_all)]

    def start(self) -> None:
        """Start as many workers as there are items for, at most the crew's size, and the watcher."""
        left = self.channel.remaining()
        self._unhired = self._size if left is None else min(self._size, max(1, left))
        for _ in range(1 if self._one_by_one else self._unhired):
            if not self._hire_next():
                break
        if self.job.timeout is not None:
            self._watcher.start()

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then their threads are abandoned."""
        self._over.set()
        self.stealer.end()
        self.channel.stop()
        if not self.channel.wait_idle(CLOSE_SECONDS):
            self._abandon_all()
        for forget in self._forget:
            forget()
        if self._watcher.ident is not None:  # it may be hiring: every worker must have been started
            self._watcher.join()
        for worker in self._now():
            worker.join()

    def _now(self) -> list[ThreadWorker]:
        with self._lock:
            return list(self._workers)

    def has_several(self, more: int) -> None:
        """A worker has (1) or has not any more (-1) a chunk of several items."""
        with self._lock:
            self._several += more

    def _any_has_several(self) -> bool:
        with self._lock:
            return self._several > 0

    def retire(self, worker: ThreadWorker) -> None:
        """A worker has nothing left to do."""
        with self._lock:
            self._workers.remove(worker)

    def begun(self) -> None:
        """A worker has its first chunk. Where it had to wait for a permit to run it, only now the next
        worker is started: no more of them wait than one."""
        if self._one_by_one:
            self._hire_next()

    def _hire_next(self) -> bool:
        with self._lock:
            wanted = self._unhired > 0 and not self._over.is_set()
            self._unhired -= wanted
        return wanted and self._hire()

    def _hire(self) -> bool:
        worker = ThreadWorker(self)
        first = all(one.abandoned for one in self._now())
        with self._lock:
            self._workers.append(worker)
        try:
            worker.start()
        except RuntimeError as fault:  # the system gives no more threads: fewer workers will do
            self.retire(worker)
            if first:
                self.channel.fail(fault)
            return False
        return True

    def _stop_workers(self) -> None:
        for worker in self._now():
            worker.progress.stop()

    def _abandon_all(self) -> None:
        self.channel.stop()
        for worker in self._now():
            worker.abandon(_cut_short)

    def _watch(self) -> None:
        timeout = self.job.timeout or 0.0
        while not self._over.wait(WATCH_SECONDS):
            latest = time.monotonic_ns() - int((timeout + LATE_SECONDS) * 1e9)
            for worker in self._now():
                if 0 < worker.progress.timed < latest and worker.abandon(self._overdue, latest):
                    self._hire()

    def _overdue(
        self, chunk: Chunk, offset: int, attempt: int, began: float | None, worker: int | None
    ) -> Chunk | Outcome:
        message = f"no result within {self.job.timeout:g} s; its thread was abandoned"
        error = ErrorInfo("AttemptTimeout", message, "timeout")
        return lost_attempt(self.job, chunk, offset, attempt, error, began, worker)


def _in_a_thread(call: Callable[[], None]) -> None:
    threading.Thread(target=call, name="batchmill-sharing", daemon=True).start()


def _cut_short(chunk: Chunk, offset: int, attempt: int, began: float | None, worker: int | None) -> Outcome:
    return cancelled(chunk.start + offset, attempt)
